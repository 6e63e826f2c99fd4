# SPDX-License-Identifier: Apache-2.0
"""Reshaping, transposing and averaging over axes: what of it costs an operation, and where the batch axis goes."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from akc.frontends.graph.building import Axes, Builder
from akc.frontends.graph.graph import Node
from akc.ir.module import Op
from akc.ir.ops import nn


def emit_transpose(b: Builder, node: Node) -> None:
    """Axes in another order: only a note of which axis is which."""
    x, order = node.inputs[0], tuple(node["order"])
    held, batch = b.held[x], b.batch[x]
    axes = tuple(None if a is None else order.index(a) for a in held.axes)
    b.hold(node.output, held.name, axes, None if batch is None else order.index(batch))


def emit_reshape(b: Builder, node: Node) -> None:
    """The same elements in another shape; only a note where nothing but axes of length 1 comes or goes."""
    x, output = node.inputs[0], node.output
    before, after = b.shape(x), b.shape(output)
    batch = _batch_after(node, b.batch[x], before, after)
    relabelled = _relabelled(b.held[x].axes, before, after)
    if relabelled is not None:
        b.hold(output, b.held[x].name, relabelled, batch)
        return
    axes = tuple(a for a in range(len(after)) if a != batch)
    held = b.held[x].name if b.follows(x, b.source_axes(x)) else b.in_source_order(x, node.source)
    name = b.reshaped(_before_reshape(b, held), tuple(after[a] for a in axes), node.source, node.name)
    b.hold(output, name, axes, batch)


def _batch_after(node: Node, batch: int | None, before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """Where the batch axis is: as the source says which axes of length 1 came (added) or went (removed), if it does."""
    added, removed = (
        {a % max(len(axes), 1) for a in node.attributes.get(key, ())}
        for key, axes in (("added", after), ("removed", before))
    )
    if batch is None or (not added and not removed) or len(before) - len(removed) + len(added) != len(after):
        return batch_after_reshape(batch, before, after)
    kept = [a for a in range(len(before)) if a not in removed]
    places = [a for a in range(len(after)) if a not in added]
    return places[kept.index(batch)] if batch in kept else None


def _before_reshape(b: Builder, name: str) -> str:
    """The operand of a reshape, since a reshape of a reshape is one."""
    made = next((op for op in reversed(b.ops) if op.name == name), None)
    return made.x if isinstance(made, nn.Reshape) else name


def _relabelled(axes: Axes, before: tuple[int, ...], after: tuple[int, ...]) -> Axes | None:
    """The names of a held value's axes in the new shape; None if axes longer than 1 are merged or split."""
    old = [a for a, n in enumerate(before) if n != 1]
    new = [a for a, n in enumerate(after) if n != 1]
    if [before[a] for a in old] != [after[a] for a in new]:
        return None
    names = dict(zip(old, new))
    return tuple(None if a is None else names.get(a) for a in axes)


def batch_after_reshape(batch: int | None, before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """Where the batch axis (length 1) is after a reshape: the axis of length 1 with as many elements in front.

    An axis that was gone comes back as the first axis of length 1.

    >>> batch_after_reshape(0, (1, 3, 4), (1, 12)), batch_after_reshape(1, (5, 1, 8), (5, 8))
    (0, None)
    """
    if batch is None:
        return next((a for a, n in enumerate(after) if n == 1), None)
    ahead = prod(before[:batch])
    fitting = [a for a, n in enumerate(after) if n == 1 and prod(after[:a]) == ahead]
    return batch if batch in fitting else fitting[0] if fitting else None


def emit_mean(b: Builder, node: Node, axes: tuple[int, ...] | None = None, keep: bool | None = None) -> None:
    """The mean over whole axes."""
    over = node["axes"] if axes is None else axes
    if b.batch[node.inputs[0]] in {a % len(b.shape(node.inputs[0])) for a in over}:
        b.opaque(node, "Mean over the batch axis")
    else:
        emit_over_axes(b, node, over, node["keep"] if keep is None else keep, nn.Mean)


def emit_over_axes(b: Builder, node: Node, over: Iterable[int], keep: bool, kind: type[Op], **fields: Any) -> None:
    """An operation that leaves one cell of whole axes; axes of length 1 need none."""
    x = node.inputs[0]
    shape, held, batch = b.shape(x), b.held[x], b.batch[x]
    gone = {a % len(shape) for a in over}
    positions = tuple(i for i, a in enumerate(held.axes) if a is not None and a in gone and shape[a] != 1)
    needed = positions or fields.get("function") in ("l1", "l2")
    name = b.op(kind, node.name, node.source, x=held.name, axes=positions, **fields) if needed else held.name
    left = [None if a in gone else a for i, a in enumerate(held.axes) if i not in positions]
    if not keep:
        left = [None if a is None else a - sum(g < a for g in gone) for a in left]
        batch = None if batch is None else batch - sum(g < batch for g in gone)
    b.hold(node.output, name, left, batch)
