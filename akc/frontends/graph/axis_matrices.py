# SPDX-License-Identifier: Apache-2.0
"""Operations that are linear along each spatial axis by itself, such as cubic enlarging: one matrix an axis.

The matrix of an axis is what the operation makes of unit vectors along it. Averages over windows of several sizes are
of this kind too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import evolve

from akc.frontends.graph.graph import Array, Graph

Run = Callable[[Array], Array]
"""What an operation makes of an array of the operand's shape."""


def found_matrices(shape: tuple[int, ...], run: Run) -> dict[int, Array]:
    """The matrices [before, after] of the axes behind batch and channels, of an operation that keeps constants."""
    return {axis: _matrix(shape, axis, run) for axis in range(2, len(shape))}


def _matrix(shape: tuple[int, ...], axis: int, run: Run) -> Array:
    rows = []
    for first in range(0, shape[axis], shape[1]):
        probe = np.zeros(shape, np.float32)
        count = min(shape[1], shape[axis] - first)
        for channel in range(count):
            np.moveaxis(probe[0, channel], axis - 2, 0)[first + channel] = 1
        found = np.moveaxis(run(probe)[0, :count], axis - 1, 1)
        rows.append(found.reshape(count, found.shape[1], -1)[:, :, 0])
    return np.concatenate(rows)


def window_means(before: int, after: int) -> Array:
    """The matrix of an adaptive average: window i goes from i n / w to (i + 1) n / w, its ends rounded outwards."""
    matrix = np.zeros((before, after), np.float32)
    for i in range(after):
        begin, end = i * before // after, -(-(i + 1) * before // after)
        matrix[begin:end, i] = np.float32(1 / (end - begin))
    return matrix


def emit_matrices(r: Any, node: Any, value: str, output: str, matrices: Mapping[int, Array]) -> None:
    """A product for each matrix that changes something. r: the reader of either source."""
    graph: Graph = r.graph
    wanted = [a for a, m in matrices.items() if m.shape[0] != m.shape[1] or (m != np.eye(len(m))).any()]
    for axis in wanted:
        shape = list(graph.shape(value))
        order = [a for a in range(len(shape)) if a != axis] + [axis]
        turned = _made(graph, f"{output}:{axis}_turned", output, tuple(shape[a] for a in order))
        name = f"{output}:{axis}_matrix"
        graph.constants[name] = matrices[axis].reshape((1,) * (len(shape) - 2) + matrices[axis].shape)
        shape[axis] = matrices[axis].shape[1]
        product = _made(graph, f"{output}:{axis}_product", output, tuple(shape[a] for a in order))
        result = output if axis == wanted[-1] else _made(graph, f"{output}:{axis}", output, tuple(shape))
        r.emit(node, "transpose", [value], outputs=(turned,), order=tuple(order))
        r.emit(node, "matmul", [turned, name], outputs=(product,))
        r.emit(node, "transpose", [product], outputs=(result,), order=tuple(order.index(a) for a in range(len(shape))))
        value = result
    if not wanted:
        r.emit(node, "reshape", [value], outputs=(output,))


def _made(graph: Graph, name: str, like: str, shape: tuple[int, ...]) -> str:
    graph.types[name] = evolve(graph.types[like], shape=shape)
    return name
