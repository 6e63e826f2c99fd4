# SPDX-License-Identifier: Apache-2.0
"""The operations of a region, one after the other, as sums of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Op
from akc.ir.ops import nn, nn_host, snn
from akc.passes.joining.regions import Region
from akc.passes.joining.sums import (
    Atom,
    Sum,
    Window,
    added,
    atom_of,
    both_sides,
    convolved,
    part,
    scaled,
    stacked,
)
from akc.passes.shared.rewriting.affine import scaling_of
from akc.passes.shared.rewriting.rewrite import Editor


class Obstacle(Exception):
    """Why branches stay as they are. op: what stands in the way, if it is one; own: whether the chip has it elsewhere,
    so that its user may wonder why not here."""

    def __init__(self, why: str, op: Op | None = None, own: bool = True) -> None:
        super().__init__(why)
        self.why, self.op, self.own = why, op, own


def map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[d0, d1, channels] of a map or a vector; raises Obstacle for others."""
    if len(shape) == 3:
        return shape
    if len(shape) == 1:
        return (1, 1, *shape)
    raise Obstacle(f"a value of {len(shape)} axes", own=False)


class Trace:
    """The values of a region. `start` is what it reads."""

    def __init__(self, region: Region, start: Sum, editor: Editor) -> None:
        self.region, self.editor = region, editor
        self.values: dict[str, Sum] = {region.start: start}
        self.sources: dict[str, tuple[Op, ...]] = {region.start: ()}

    def run(self) -> Sum:
        """The last value; raises Obstacle."""
        for op in self.region.ops:
            rule = next((rule for kind, rule in RULES.items() if isinstance(op, kind)), None)
            if rule is None:
                raise Obstacle(f"{_words(op)} lies in it", op, own=False)
            before = dict.fromkeys(o for name in op.operands for o in self.sources[name])
            self.sources[op.name] = (*before, op)
            self.values[op.name] = rule(self, op)
        return self.values[self.region.last.name]

    def atom(self, value: Sum, top: float, op: Op) -> Sum:
        """What an activation makes of a value."""
        made = atom_of(value, top, self.sources[op.name], isinstance(op, snn.Levels))
        self.sources[op.name] = ()
        return made.whole

    def apart(self, name: str, op: Op) -> Sum:
        """A value as atoms of 0 or more."""
        self.values[name] = both_sides(self.values[name], self.sources[name])
        self.sources[name] = ()
        self.sources[op.name] = (op,)
        return self.values[name]


def _words(op: Op) -> str:
    return str(getattr(op, "layer_name", "") or op.mnemonic.removeprefix("nn.").replace("_", " "))


def _linear(trace: Trace, op: Any) -> Sum:
    """A convolution or a dense layer."""
    layer = _window(trace, op)
    found = convolved(trace.values[op.x], layer)
    if found is None:
        found = convolved(trace.apart(op.x, op), layer)
    assert found is not None
    return found


def _window(trace: Trace, op: Any) -> Window:
    editor, value = trace.editor, trace.values[op.x]
    weight = editor.array(op.weight)
    bias = np.zeros(len(weight)) if op.bias is None else editor.array(op.bias)
    common: dict[str, Any] = {"bias": bias, "shape": map_shape(op.type.shape)}
    if isinstance(op, nn.Dense):
        if len(op.type.shape) != 1:
            raise Obstacle("a dense layer at every position", op, own=False)
        taps = weight.reshape(len(weight), *value.shape)
        return Window(
            taps=taps, depthwise=False, stride=(1, 1), front=(0, 0), padded=False, flat=True, **common
        )  # fmt: skip
    depthwise = op.groups > 1
    if depthwise and (weight.shape[3] != 1 or len(weight) != op.groups):
        raise Obstacle("a grouped convolution (pass expand-groups)", op)
    if op.dilation != (1, 1):
        raise Obstacle("a dilated convolution (pass expand-dilation)", op)
    stride = tuple(s if n > 1 else 1 for s, n in zip(op.stride, op.type.shape))
    return Window(
        taps=weight, depthwise=depthwise, stride=stride, front=op.pad[:2], padded=any(op.pad), **common
    )  # fmt: skip


def _activation(trace: Trace, op: Any) -> Sum:
    value, top = trace.values[op.x], np.inf
    if isinstance(op, nn.Levels):
        raise Obstacle("a quantiser of the source", op, own=False)
    if isinstance(op, nn.Clip):
        if op.low != 0:
            raise Obstacle(f"a clip from {op.low:g}", op, own=False)
        top = op.high
    if value.nonnegative and value.pointwise and np.isinf(top):
        return value
    return trace.atom(value, top, op)


def _join(trace: Trace, op: Any) -> Sum:
    x, y = trace.values[op.x], trace.values[op.y]
    if x.shape != y.shape or x.flat != y.flat:
        raise Obstacle("it adds maps of different shapes", op, own=False)
    return added([x, y], [1.0, -1.0 if isinstance(op, nn_host.Sub) else 1.0])


def _concat(trace: Trace, op: Any) -> Sum:
    values = [trace.values[name] for name in op.inputs]
    _need_channels(op, op.axis % len(op.type.shape) == len(op.type.shape) - 1, values[0])
    return stacked(values)


def _slice(trace: Trace, op: Any) -> Sum:
    value, shape = trace.values[op.x], trace.editor.type_of(op.x).shape
    whole = all((a, b) == (0, n) for a, b, n in zip(op.start[:-1], op.stop[:-1], shape))
    steps = op.step or (1,) * len(shape)
    _need_channels(op, whole and max(steps[:-1], default=1) == 1, value)
    return part(value, slice(op.start[-1], op.stop[-1], steps[-1]))


def _need_channels(op: Op, along: bool, value: Sum) -> None:
    if not along or (value.flat and prod(value.shape[:2]) > 1):
        raise Obstacle(f"{_words(op)} along another axis than the channels", op, own=False)


def _scaling(trace: Trace, op: Any) -> Sum:
    value, scaling = trace.values[op.x], scaling_of(trace.editor, op)
    assert scaling is not None
    if scaling.scale.size > 1:
        _need_channels(op, True, value)
    scale, shift = (np.broadcast_to(numbers, value.bias.shape) for numbers in (scaling.scale, scaling.shift))
    return scaled(value, scale, shift)


def _flattened(trace: Trace, op: Any) -> Sum:
    if len(op.type.shape) != 1:
        raise Obstacle("a reshape", op, own=False)
    return evolve(trace.values[op.x], flat=True)


def _averaged(trace: Trace, op: Any) -> Sum:
    if op.ceil_mode or (any(op.pad) and not op.count_include_pad):
        raise Obstacle("an average pool whose windows have different divisors", op, own=False)
    channels = op.type.shape[2]
    layer = Window(
        taps=np.full((channels, *op.size, 1), 1 / prod(op.size)), bias=np.zeros(channels), depthwise=True,
        stride=op.stride, front=op.pad[:2], padded=any(op.pad), shape=op.type.shape,
    )  # fmt: skip
    return convolved(trace.values[op.x], layer) or _averaged_apart(trace, op, layer)


def _averaged_apart(trace: Trace, op: Any, layer: Window) -> Sum:
    found = convolved(trace.apart(op.x, op), layer)
    assert found is not None
    return found


RULES: dict[type[Op] | tuple[type[Op], ...], Callable[[Trace, Any], Sum]] = {
    (nn.Conv, nn.Dense): _linear,
    (nn.Relu, nn.Clip): _activation,
    (nn_host.Add, nn_host.Sub): _join,
    nn_host.Concat: _concat,
    nn_host.Slice: _slice,
    (nn.BatchNorm, nn.Affine): _scaling,
    nn.Reshape: _flattened,
    nn.AveragePool: _averaged,
}
"""What each op makes of the values that it reads."""


def start_of(shape: tuple[int, ...], signed: bool, largest: float, rounded: bool = False) -> Atom:
    """The atom that a region starts from."""
    return Atom(shape=map_shape(shape), signed=signed, top=largest, flat=len(shape) == 1, rounded=rounded)
