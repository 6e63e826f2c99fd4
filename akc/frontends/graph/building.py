# SPDX-License-Identifier: Apache-2.0
"""Builds a module from a graph: axes are put where the language wants them, exactly and only there.

The source's values keep the source's axes. `Held` says which value of the text holds a source value,
and which source axis each of its axes is, so that transposing and adding or dropping axes of length 1
(the batch is one) costs no operation; nn.permute and nn.reshape appear where an operation needs an
order that no value has yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.graph.graph import FLOATS, Array, Graph, Node, Tensor
from akc.ir.fields import WeightName
from akc.ir.module import Module, Net, Op, Value, fresh_name
from akc.ir.names import text_name
from akc.ir.ops import nn
from akc.ir.signature import TypeFault, Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight

Axes = tuple[int | None, ...]

ELEMENT_NAMES = {
    "float32": "f32",
    "float64": "f32",
    "float16": "f32",
    "bfloat16": "f32",
    "int64": "i64",
    "int32": "i32",
    "int16": "i32",
    "uint8": "u8",
    "int8": "i8",
    "bool": "u1",
}


@frozen
class Held:
    """A value of the text; axis i of it is axis axes[i] of the source value, None for an added axis of length 1.

    Source axes that are not named have length 1.
    """

    name: str
    axes: Axes


@define
class Builder:
    """State while the nodes of one graph become operations; `emit` rows call its methods."""

    graph: Graph
    held: dict[str, Held] = field(factory=dict)
    batch: dict[str, int | None] = field(factory=dict)
    ops: list[Op] = field(factory=list)
    types: dict[str, TensorType] = field(factory=dict)
    weights: dict[str, Weight] = field(factory=dict)
    faults: list[Diagnostic] = field(factory=list)
    users: dict[str, list[Node]] = field(factory=dict)
    _arranged: dict[tuple[str, tuple[int, ...], Axes], str] = field(factory=dict)
    _shared: dict[tuple[int, str], tuple[str, Array]] = field(factory=dict)

    # -- axes -------------------------------------------------------------------------------------

    def shape(self, value: str) -> tuple[int, ...]:
        """The source shape, batch axis included."""
        return self.graph.types[value].shape

    def source_axes(self, value: str) -> tuple[int, ...]:
        """All source axes of a value but the batch."""
        return tuple(a for a in range(len(self.shape(value))) if a != self.batch[value])

    def in_source_order(self, value: str, source: tuple[str, ...] = ()) -> str:
        """Name of the value in the source's own order, without the batch axis."""
        return self.arranged(value, self.source_axes(value), source)

    def follows(self, value: str, axes: Axes) -> bool:
        """Whether the value is held in the order of `axes`, axes of length 1 not counted."""
        shape = self.shape(value)
        return _long(self.held[value].axes, shape) == _long(axes, shape)

    def arranged(self, value: str, axes: Axes, source: tuple[str, ...] = ()) -> str:
        """Name of the value with its axes in the order of `axes` (None: an axis of length 1)."""
        held, shape = self.held[value], self.shape(value)
        if held.axes == axes:
            return held.name
        key = (held.name, shape, tuple(-1 if a is None else a for a in (*held.axes, None, *axes)))
        if key not in self._arranged:
            self._arranged[key] = self._rearranged(held, shape, axes, source)
        return self._arranged[key]

    def _rearranged(self, held: Held, shape: tuple[int, ...], axes: Axes, source: tuple[str, ...]) -> str:
        wanted = [a for a in axes if a in held.axes and a is not None]
        order = [held.axes.index(a) for a in wanted]
        rest = [i for i in range(len(held.axes)) if i not in order]
        permuted = _long(held.axes, shape) != _long(axes, shape) or sorted(order) == list(range(len(axes)))
        name = held.name
        if permuted and rest + order != list(range(len(held.axes))):
            name = self.op(nn.Permute, f"{name}_permuted", source, x=name, order=tuple(rest + order))
        target = tuple(1 if a is None else shape[a] for a in axes)
        return name if self.types[name].shape == target else self.reshaped(name, target, source)

    def reshaped(self, name: str, shape: tuple[int, ...], source: tuple[str, ...] = (), wanted: str = "") -> str:
        """Name of a value of the text in another shape."""
        if self.types[name].shape == shape:
            return name
        return self.op(nn.Reshape, wanted or f"{name}_reshaped", source, x=name, shape=shape)

    # -- operations and weights -------------------------------------------------------------------

    def op(
        self,
        kind: type[Op],
        wanted: str,
        source: tuple[str, ...],
        range: tuple[float, float] | None = None,
        **fields: Any,
    ) -> str:
        """Append an operation; its type is inferred. `range`: of its result. Gives the name of its result."""
        name = fresh_name(text_name(wanted), self.types)
        draft = kind(result=Value(name, TensorType("f32", ())), origin=source, **fields)
        weights = {name: self.weights[name].type for name in draft.weights_used}
        try:
            inferred = draft.infer(Types(self.types, weights))
        except TypeFault as fault:
            self.faults.append(Diagnostic(code="AKC0311", message=fault.message, origin=source))
            raise Unbuildable from None
        self.ops.append(evolve(draft, result=Value(name, inferred, range)))
        self.types[name] = inferred
        return name

    def note_ranges(self, node: Node) -> None:
        """Put the ranges that the source gives on the results of a node."""
        for output in node.outputs:
            if output in self.graph.ranges and output in self.held:
                name, range = self.held[output].name, self.graph.ranges[output]
                self.ops = [
                    evolve(op, result=evolve(op.result, range=range)) if op.name == name else op for op in self.ops
                ]

    def opaque(self, node: Node, what: str, inputs: Iterable[str] | None = None) -> None:
        """A node that the language has no operation for: one nn.opaque per result that is read."""
        read = [v for v in (node.inputs if inputs is None else inputs) if v in self.held]
        operands = tuple(self.in_source_order(v, node.source) for v in read)
        steps = next((self.types[o].steps for o in operands if self.types[o].steps is not None), None)
        for output in node.outputs:
            if output in self.users or output in self.graph.outputs:
                self.batch[output] = self.batch_of(node, output)
                axes, tensor = self.source_axes(output), self.graph.types[output]
                kind = TensorType(ELEMENT_NAMES.get(tensor.dtype, "f32"), tuple(tensor.shape[a] for a in axes), steps)
                name = fresh_name(text_name(node.name), self.types)
                self.ops.append(nn.Opaque(result=Value(name, kind), inputs=operands, op=what, origin=node.source))
                self.types[name] = kind
                self.held[output] = Held(name, axes)

    def batch_of(self, node: Node, output: str) -> int | None:
        """The batch axis of a result whose kind says nothing about it: the first operand's, if it fits."""
        shape = self.shape(output)
        for value in node.inputs:
            if value in self.held:
                axis = self.batch[value]
                return axis if axis is not None and axis < len(shape) and shape[axis] == 1 else None
        return 0 if shape and shape[0] == 1 else None

    def weight(self, owner: str, role: str, array: Array, layout: Callable[[Array], Array] = lambda a: a) -> str:
        """Name of a weight `owner.role`, its axes laid out anew; the same array under the same role is stored once."""
        key = (id(array), role)
        if key not in self._shared:
            name = fresh_name(text_name(f"{owner}.{role}"), self.weights)
            self.weights[name] = float_weight(layout(array))
            self._shared[key] = (name, array)
        return self._shared[key][0]

    def number_or_weight(self, owner: str, role: str, array: Array) -> float | WeightName:
        """One number, the shortest decimal of its float32, if all are equal; else the name of a weight."""
        if array.size and (array == array.flat[0]).all():
            return float(str(np.float32(array.flat[0])))
        return WeightName(self.weight(owner, role, array))

    def hold(self, output: str, name: str, axes: Sequence[int | None], batch: int | None) -> None:
        """Say which value of the text is a source value, and which of its axes is which."""
        self.held[output] = Held(name, tuple(axes))
        self.batch[output] = batch


class Unbuildable(Exception):
    """A node could not become an operation; the fault is in Builder.faults."""


def _long(axes: Axes, shape: tuple[int, ...]) -> list[int]:
    return [a for a in axes if a is not None and shape[a] != 1]


def float_weight(array: Array) -> Weight:
    """An f32 weight; an array that repeats one number (a broadcast view) is not written out."""
    if array.size > 1 and not any(array.strides):
        kind = TensorType("f32", tuple(int(n) for n in array.shape))
        return Weight(type=kind, codec="splat", payload=str(np.float32(array.flat[0])))
    return Weight.of(np.asarray(array, np.float32), "f32")


def build_module(graph: Graph, emit: Mapping[str, Any], refused: Any) -> Module:
    """The module of a graph. `emit`: a function (builder, node) for each kind; `refused`: the one for all others.

    Raises DiagnosticError with every operation whose operands do not go together.
    """
    builder = Builder(graph, users=graph.users())
    inputs = [_input(builder, each.name, each.batch_axis) for each in graph.inputs]
    outputs: tuple[str, ...] = ()
    try:
        for node in graph.nodes:
            node = _with_floats(builder, node)
            emit.get(node.kind, refused)(builder, node)
            builder.note_ranges(node)
        outputs = tuple(builder.in_source_order(value) for value in graph.outputs)
    except Unbuildable:
        raise DiagnosticError(builder.faults) from None
    net = Net(
        name=text_name(graph.name, "net"),
        inputs=tuple(inputs),
        statements=(),
        outputs=outputs,
        output_types=tuple(builder.types[name] for name in outputs),
    )
    return Module(net=net, weights=builder.weights).with_statements(_live(builder.ops, outputs), builder.weights)


MOVES = frozenset(
    {
        *("reshape", "transpose", "select", "slice", "split", "take", "concat", "expand", "tile", "pad", "max_pool"),
        *("depth_to_space", "space_to_depth", "argmax", "cast", "cells", "opaque"),
    }
)
"""Kinds that do the same to whole numbers as to floats."""


def _with_floats(builder: Builder, node: Node) -> Node:
    """A node of floats that reads whole numbers gets them as floats; arithmetic of whole numbers has no operation."""
    whole = [v for v in node.inputs if v in builder.held and builder.types[builder.held[v].name].dtype != "f32"]
    if not whole or node.kind in MOVES:
        return node
    if builder.graph.types[node.output].dtype not in FLOATS:
        return evolve(node, kind="opaque", attributes={"op": "arithmetic of whole numbers"}, constants={})
    names = {v: f"{v}:float" for v in whole}
    for value, name in names.items():
        if name not in builder.held:
            held = builder.held[value]
            builder.graph.types[name] = evolve(builder.graph.types[value], dtype="float32")
            builder.hold(
                name,
                builder.op(nn.Cast, f"{held.name}_float", node.source, x=held.name),
                held.axes,
                builder.batch[value],
            )
    return evolve(node, inputs=tuple(names.get(v, v) for v in node.inputs))


def _input(builder: Builder, name: str, batch_axis: int | None) -> Value:
    tensor: Tensor = builder.graph.types[name]
    builder.batch[name] = batch_axis
    axes = builder.source_axes(name)
    kind = TensorType(ELEMENT_NAMES[tensor.dtype], tuple(tensor.shape[a] for a in axes))
    wanted = "input" if name.startswith("onnx::") else text_name(name, "input")
    value = Value(fresh_name(wanted, builder.types), kind, builder.graph.ranges.get(name))
    builder.types[value.name] = kind
    builder.held[name] = Held(value.name, axes)
    return value


def _live(ops: list[Op], outputs: tuple[str, ...]) -> list[Op]:
    needed = set(outputs)
    kept: list[Op] = []
    for op in reversed(ops):
        if op.name in needed:
            needed.update(op.operands)
            kept.append(op)
    return kept[::-1]
