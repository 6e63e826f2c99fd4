# SPDX-License-Identifier: Apache-2.0
"""Joins of branches: which order of axes both sides take, so that layouts meet without a permutation where they can."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from akc.frontends.graph.building import Axes, Builder
from akc.frontends.graph.graph import Node, Tensor
from akc.ir.module import Op
from akc.ir.ops import nn_host

Emit = Callable[[Builder, Node], None]


def join(kind: type[Op], name: str) -> Emit:
    """A row for an elementwise operation on two values. name: of what cannot be said."""

    def emit(b: Builder, node: Node) -> None:
        node = with_stored(b, node)
        batch = joined_batch(b, node)
        if batch is None:
            b.opaque(node, name)
            return
        rank = len(b.shape(node.output))
        axes = joined_axes(b, node, batch)
        x, y = (b.arranged(v, _shifted(axes, rank - len(b.shape(v))), node.source) for v in node.inputs)
        b.hold(node.output, b.op(kind, node.name, node.source, x=x, y=y), axes, known(batch))

    return emit


NO_BATCH = -1


def known(batch: int) -> int | None:
    """The batch axis of a result, as the builder notes it."""
    return None if batch == NO_BATCH else batch


def with_stored(b: Builder, node: Node) -> Node:
    """The node with nn.constant in place of operands that are constants; as it is where they vary with the sample."""
    rank = len(b.shape(node.output))
    batches = [b.batch[v] for v in node.inputs if v in b.held]
    known = [batch + rank - len(b.shape(v)) for v, batch in zip(_held(b, node), batches) if batch is not None]
    names = {v: _stored(b, node, v, rank, known[0]) for v in node.inputs if v not in b.held and known}
    return evolve(node, inputs=tuple(names.get(v, v) for v in node.inputs))


def _held(b: Builder, node: Node) -> list[str]:
    return [v for v in node.inputs if v in b.held]


def _stored(b: Builder, node: Node, value: str, rank: int, batch: int) -> str:
    """The name under which a constant is held as a value of the text, with as many axes as the result."""
    array, name = b.graph.constants.get(value), f"{value}:stored{rank}"
    if array is None or array.ndim > rank or name in b.held:
        return name if name in b.held else value
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if full.shape[batch] != 1:
        return value
    owner = value if ":" not in value and not value.startswith("_") else node.name
    weight = b.weight(owner, "value", full, lambda a: a.reshape(*a.shape[:batch], *a.shape[batch + 1 :]))
    x = b.held[b.graph.inputs[0].name].name
    b.graph.types[name] = Tensor("float32", full.shape)
    constant = b.op(nn_host.Constant, owner, node.source, x=x, value=weight)
    b.ops.insert(0, b.ops.pop())
    b.hold(name, constant, [a for a in range(rank) if a != batch], batch)
    return name


def joined_batch(b: Builder, node: Node) -> int | None:
    """The batch axis of a join, counted in its result; None where operands are constants or disagree on it.

    NO_BATCH where no operand has one: reshapes merged it into another axis, and split it off again later.
    """
    if len(node.inputs) < 2 or not all(value in b.held for value in node.inputs):
        return None
    rank = len(b.shape(node.output))
    found = {b.batch[v] + rank - len(b.shape(v)) for v in node.inputs if b.batch[v] is not None}  # type: ignore[operator]
    batch = found.pop() if len(found) == 1 else None if found else NO_BATCH
    if batch == NO_BATCH:
        return batch
    if batch is None or any(_length(b.shape(v), batch, rank) != 1 for v in (*node.inputs, node.output)):
        return None
    return batch


def _length(shape: tuple[int, ...], axis: int, rank: int) -> int:
    """Length of an axis of the result in an operand, which may lack the first ones."""
    own = axis - (rank - len(shape))
    return shape[own] if own >= 0 else 1


def joined_axes(b: Builder, node: Node, batch: int) -> Axes:
    """The order of the result's axes: that of the first operand which has them all, else the source's.

    A map of one row keeps its row, so that what reads the join finds a map.
    """
    shape = b.shape(node.output)
    rest = tuple(a for a in range(len(shape)) if a != batch)
    for value in node.inputs:
        more = len(shape) - len(b.shape(value))
        held = tuple(None if a is None else a + more for a in b.held[value].axes)
        named = [a for a in held if a is not None]
        whole = len(named) == len(held) or len(named) > 1
        if whole and len(named) == len(rest) and set(named) == set(rest) and held != rest:
            return held
    return rest


def _shifted(axes: Axes, more: int) -> Axes:
    """Axes of a result as axes of an operand that has so many fewer; those that it lacks are of length 1."""
    return tuple(None if a is None or a < more else a - more for a in axes)


def emit_concat(b: Builder, node: Node) -> None:
    """Values side by side."""
    node = with_stored(b, node)
    batch = joined_batch(b, node)
    axis = node["axis"] % len(b.shape(node.output))
    if batch is None or axis == batch:
        b.opaque(node, "concat")
        return
    axes = joined_axes(b, node, batch)
    parts = tuple(b.arranged(value, axes, node.source) for value in node.inputs)
    position = axes.index(axis)
    name = b.op(
        nn_host.Concat,
        node.name,
        node.source,
        inputs=parts,
        axis=-1 if position == len(axes) - 1 else position,
    )
    b.hold(node.output, name, axes, known(batch))
