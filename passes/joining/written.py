# SPDX-License-Identifier: Apache-2.0
"""The operations of planned layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from attrs import evolve

from akc.ir.module import Op, merged_comments, merged_origin
from akc.ir.ops import nn, snn
from akc.ir.ops.nn import window_outputs
from akc.passes.joining.plan import Layer
from akc.passes.joining.regions import Region
from akc.passes.joining.trace import Obstacle
from akc.passes.shared.rewriting.rewrite import Editor


def written(editor: Editor, region: Region, layers: Sequence[Layer], front: Sequence[Op]) -> list[Op]:
    """`front`, and layers behind it that give the region's result, which keeps its name and its range."""
    made = list(front)
    for layer in layers:
        x = made[-1].name if made else region.start
        _append(editor, layer, x, region.last if layer is layers[-1] else None, made)
    return made


def _append(editor: Editor, layer: Layer, x: str, last: Op | None, made: list[Op]) -> None:
    """One layer and its activation."""
    linear = _dense(editor, layer, x, made) if layer.flat else _convolution(editor, layer, x, made)
    linear = evolve(linear, origin=merged_origin(*layer.ops), comments=merged_comments(*layer.ops))
    if layer.top is None:
        assert last is not None
        made.append(evolve(linear, result=evolve(last.result, type=linear.type)))
        return
    made.append(linear)
    name = last.name if last is not None else _free(editor, f"{layer.ops[-1].name}_joined", made)
    top = {} if np.isinf(layer.top) else {"high": layer.top}
    kind: type[Op] = snn.Levels if layer.rounded else nn.Clip if top else nn.Relu
    activation = editor.make(kind, name, (), x=linear.name, after=tuple(made), **top)
    result = activation.result if last is None else evolve(activation.result, range=last.result.range)
    made.append(evolve(activation, result=result, origin=linear.origin))


def _free(editor: Editor, base: str, made: Sequence[Op]) -> str:
    name, count = editor.name(base), 1
    while any(op.name == name for op in made):
        count += 1
        name = editor.name(f"{base}_{count}")
    return name


def _linear(layer: Layer) -> Op:
    """The source's operation that a layer is named after."""
    return next((op for op in layer.ops if isinstance(op, nn.Conv | nn.Dense)), layer.ops[-1])


def _stored(editor: Editor, layer: Layer, shape: tuple[int, ...], made: Sequence[Op]) -> dict[str, str]:
    """Weight and bias fields, under the names that the source's operation has for them."""
    owner = _linear(layer)
    base = owner.weight.removesuffix(".weight") if isinstance(owner, nn.Conv | nn.Dense) else owner.name
    used = {name for op in made for name in op.weights_used}
    free = None if used.intersection(owner.weights_used) else owner
    fields = {"weight": editor.weight(f"{base}.weight", layer.taps.reshape(shape), free)}
    if layer.bias.any():
        fields["bias"] = editor.weight(f"{base}.bias", layer.bias, free)
    return fields


def _dense(editor: Editor, layer: Layer, x: str, made: list[Op]) -> nn.Dense:
    """A dense layer, behind a reshape where it reads a map."""
    name = _free(editor, f"{_linear(layer).name}_all", made)
    fields = _stored(editor, layer, (layer.shape[2], -1), made)
    kind = made[-1].type if made else editor.type_of(x)
    if len(kind.shape) != 1:
        flat = editor.make(
            nn.Reshape, _free(editor, f"{name}_flat", made), (), x=x, shape=(prod(layer.before),), after=tuple(made)
        )
        made.append(evolve(flat, origin=merged_origin(*layer.ops)))
        x = flat.name
    return editor.make(nn.Dense, name, (), x=x, after=tuple(made), **fields)


def _convolution(editor: Editor, layer: Layer, x: str, made: list[Op]) -> nn.Conv:
    name = _free(editor, f"{_linear(layer).name}_all", made)
    kernel = layer.taps.shape[1:3]
    behind = [
        max(0, s * (out - 1) + k - f - n)
        for s, out, k, f, n in zip(layer.stride, layer.shape, kernel, layer.front, layer.before)
    ]
    outputs = [
        window_outputs(n, k, s, f, b) for n, k, s, f, b in zip(layer.before, kernel, layer.stride, layer.front, behind)
    ]
    if tuple(outputs) != layer.shape[:2]:
        raise Obstacle("its windows leave out cells at the end")
    return editor.make(
        nn.Conv, name, (), x=x, stride=layer.stride, pad=(*layer.front, *behind),
        groups=layer.before[2] if layer.depthwise else 1, after=tuple(made),
        **_stored(editor, layer, layer.taps.shape, made),
    )  # fmt: skip
