# SPDX-License-Identifier: Apache-2.0
"""fold-average: average pools become part of the layer behind them, or layers of their own."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op, merged_comments, merged_origin
from akc.ir.ops import nn
from akc.passes.calibrate import activations
from akc.passes.rewrite import Editor, Floats, rewrite


@frozen
class FoldAverage:
    """Remove nn.average_pool, which the chip has only over whole maps.

    In front of a dense layer it goes into the weights; in front of a 1x1 convolution with stride 1 the two
    are one convolution with the pool's window; elsewhere it becomes a depthwise convolution with equal
    weights, followed by a ReLU that changes nothing since its input is 0 or more. All exact. A pool over a
    whole map becomes nn.mean. Windows with divisors of their own (ceil_mode, padding that does not count) go only
    into a dense layer.
    """

    name = "fold-average"
    requires = None
    ensures = None

    def run(self, module: Module, context: Any) -> Module:
        """The module without average pools where there was a way."""
        return rewrite(module, _global, _into_dense, _into_pointwise, _as_depthwise)


def _plain(editor: Editor, op: Op) -> nn.AveragePool | None:
    """An average pool each of whose windows has the same divisor, or None."""
    if not isinstance(op, nn.AveragePool) or op.ceil_mode or (any(op.pad) and not op.count_include_pad):
        return None
    return op


def _global(editor: Editor, op: Op) -> bool:
    pool = _plain(editor, op)
    if pool is None or any(pool.pad) or pool.size != editor.type_of(pool.x).shape[:2]:
        return False
    mean = editor.make(nn.Mean, editor.name(f"{op.name}_mean"), (op,), x=pool.x, axes=(0, 1))
    editor.replace((op,), mean, editor.make(nn.Reshape, op.name, (), x=mean.name, shape=op.type.shape, after=(mean,)))
    return True


def pooling_matrix(pool: nn.AveragePool, shape: tuple[int, ...]) -> Floats:
    """[outputs, inputs] of an average pool of any kind, both flattened over d0 and d1 (channels apart)."""
    rows, columns = (_means(pool, shape[axis], axis) for axis in (0, 1))
    return np.einsum("oi,pj->opij", rows, columns).reshape(len(rows) * len(columns), -1)


def _means(pool: nn.AveragePool, size: int, axis: int) -> Floats:
    """[outputs, inputs] of one axis; a window's divisor is the product of those of its axes.

    Cells count that lie in the input or, with count_include_pad, in its padding; never those beyond.
    """
    before, after = (pool.pad[axis], pool.pad[2 + axis]) if pool.count_include_pad else (0, 0)
    matrix = np.zeros((pool.type.shape[axis], size))
    for out in range(len(matrix)):
        first = out * pool.stride[axis] - pool.pad[axis]
        end = first + pool.size[axis]
        matrix[out, max(first, 0) : min(end, size)] = 1 / (min(end, size + after) - max(first, -before))
    return matrix


def _into_dense(editor: Editor, op: Op) -> bool:
    """average pool, flatten, dense -> flatten, dense."""
    pool = op if isinstance(op, nn.AveragePool) else None
    flat = editor.user(op.name) if pool is not None else None
    dense = editor.user(flat.name) if isinstance(flat, nn.Reshape) and len(flat.shape) == 1 else None
    if pool is None or flat is None or not isinstance(dense, nn.Dense):
        return False
    shape = editor.type_of(pool.x).shape
    weight = editor.array(dense.weight)
    wide = np.einsum("uoc,oi->uic", weight.reshape(len(weight), -1, shape[2]), pooling_matrix(pool, shape))
    reshape = editor.make(nn.Reshape, flat.name, (op, flat), x=pool.x, shape=(prod(shape),))
    layer = evolve(dense, weight=editor.weight(dense.weight, wide.reshape(len(weight), -1), dense))
    editor.replace((op, flat), reshape)
    editor.replace((dense,), layer)
    return True


def _into_pointwise(editor: Editor, op: Op) -> bool:
    """average pool, 1x1 convolution -> one convolution."""
    pool = _plain(editor, op)
    conv = editor.user(op.name) if pool is not None else None
    if pool is None or not isinstance(conv, nn.Conv) or conv.groups > 1 or conv.stride != (1, 1) or any(conv.pad):
        return False
    weight = editor.array(conv.weight)
    if weight.shape[1:3] != (1, 1) or not _small_enough(pool):
        return False
    wide = np.broadcast_to(weight, (len(weight), *pool.size, weight.shape[3])) / prod(pool.size)
    merged = evolve(
        conv,
        x=pool.x,
        weight=editor.weight(conv.weight, wide, conv),
        stride=pool.stride,
        pad=pool.pad,
        origin=merged_origin(op, conv),
        comments=merged_comments(op, conv),
    )
    editor.replace((op, conv), merged)
    return True


def _small_enough(pool: nn.AveragePool) -> bool:
    """Whether a chip convolution can have this window: up to 7 with stride 1, up to 3 with stride 2."""
    return pool.stride in ((1, 1), (2, 2)) and max(pool.size) <= (7 if pool.stride == (1, 1) else 3)


def _as_depthwise(editor: Editor, op: Op) -> bool:
    pool = _plain(editor, op)
    if pool is None or not _small_enough(pool) or pool.x not in _nonnegative(editor):
        return False
    channels = op.type.shape[2]
    weight = editor.weight(f"{op.name}.weight", np.full((channels, *pool.size, 1), 1 / prod(pool.size)))
    conv = editor.make(
        nn.Conv,
        editor.name(f"{op.name}_mean"),
        (op,),
        x=pool.x,
        weight=weight,
        stride=pool.stride,
        pad=pool.pad,
        groups=channels,
    )
    editor.replace((op,), conv, editor.make(nn.Relu, op.name, (), x=conv.name, after=(conv,)))
    return True


def _nonnegative(editor: Editor) -> set[str]:
    """Values that are 0 or more."""
    return activations(editor.current())
