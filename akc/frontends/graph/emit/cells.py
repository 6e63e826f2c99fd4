# SPDX-License-Identifier: Apache-2.0
"""Operations that only move numbers about: each result is a cell of an operand, by stored indices.

A reader runs such an operation on the numbers of cells in place of their values (`numbered`), and what comes out says
which cell goes where. Gathers, scatters into slices, diagonals and patches of pictures are all this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np

from akc.frontends.graph.building import Builder
from akc.frontends.graph.graph import Array, Node
from akc.ir.ops import nn_host

ZERO = 0
"""The number that stands for a 0 which is no cell of an operand."""


def numbered(shapes: Iterable[tuple[int, ...]]) -> Iterator[Array]:
    """Arrays of these shapes with the cells' numbers, from 1 on through all of them."""
    first = 1
    for shape in shapes:
        count = prod(shape)
        yield np.arange(first, first + count, dtype=np.int64).reshape(shape)
        first += count


def emit_cells(b: Builder, node: Node) -> None:
    """The cells `index` (numbers as of `numbered`, in the result's own order) of operands that may be constants."""
    after, index = b.shape(node.output), np.asarray(node["index"], np.int64).reshape(-1)
    batch = _batch(b, node)
    sizes = [prod(b.graph.shape(value)) for value in node.inputs]
    block = _block(index, after, sizes)
    index = index.reshape(-1, block)[:, 0] + block - 1
    rows = [_rows(b, node, value, block) for value in node.inputs]
    if (index < block).any():
        rows.insert(0, _stored(b, node, "zero", np.zeros((1, block))))
    else:
        index = index - block
    x = rows[0] if len(rows) == 1 else b.op(nn_host.Concat, node.name, node.source, inputs=tuple(rows), axis=0)
    taken = b.op(
        nn_host.Take, node.name, node.source, x=x, axis=0, index=tuple(int(i) // block for i in index)
    )  # fmt: skip
    axes = tuple(a for a in range(len(after)) if a != batch)
    b.hold(node.output, b.reshaped(taken, tuple(after[a] for a in axes), node.source), axes, batch)


def _batch(b: Builder, node: Node) -> int | None:
    """The batch axis of the result: where an operand has it, else the first axis of length 1."""
    after = b.shape(node.output)
    found = [b.batch[value] for value in node.inputs if value in b.held]
    fitting = [a for a in found if a is not None and a < len(after) and after[a] == 1]
    return fitting[0] if fitting else next((a for a, n in enumerate(after) if n == 1), None)


def _block(index: Array, shape: tuple[int, ...], sizes: list[int]) -> int:
    """The most cells in a row, the last axes of the result, that always move together."""
    for first in range(len(shape) + 1):
        block = prod(shape[first:])
        if block and all(size % block == 0 for size in sizes) and _together(index, block):
            return block
    return 1


def _together(index: Array, block: int) -> bool:
    rows = index.reshape(-1, block)
    moved = rows == rows[:, :1] + np.arange(block)
    zeros = (rows == ZERO).all(axis=1)
    starts = (rows[:, 0] - 1) % block == 0
    return bool(((moved.all(axis=1) & starts) | zeros).all()) and (block == 1 or not zeros.any())


def _rows(b: Builder, node: Node, value: str, block: int) -> str:
    """An operand as a value of the text with one row a block."""
    shape = (prod(b.graph.shape(value)) // block, block)
    if value in b.held:
        return b.reshaped(b.in_source_order(value, node.source), shape, node.source)
    return _stored(b, node, value.rsplit(":", 1)[-1], b.graph.constants[value].reshape(shape))


def _stored(b: Builder, node: Node, role: str, numbers: Array) -> str:
    """A constant as a value."""
    x = b.held[b.graph.inputs[0].name].name
    name = b.op(nn_host.Constant, f"{node.name}_{role}", node.source, x=x, value=b.weight(node.name, role, numbers))
    b.ops.insert(0, b.ops.pop())
    return name


def selected(condition: Array, shape: tuple[int, ...], shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> Array:
    """Numbers of the cells of two operands of which a stored condition takes one each."""
    first, second = numbered(shapes)
    return np.where(np.broadcast_to(condition, shape), first, second)
