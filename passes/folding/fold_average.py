# SPDX-License-Identifier: Apache-2.0
"""fold-average: average pools become part of the layer behind them, or layers of their own."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op, merged_comments, merged_origin
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.signs import activations
from akc.passes.shared.rewriting.affine import is_leading, with_step, without_step
from akc.passes.shared.rewriting.halving import halve
from akc.passes.shared.rewriting.rewrite import Editor, Floats, rewrite
from akc.targets import Numbers


@frozen
class FoldAverage:
    """Remove nn.average_pool, which the chip has only over whole maps.

    In front of a dense layer it goes into the weights; in front of a 1x1 convolution with stride 1 the two
    are one convolution with the pool's window, and so are a convolution with stride 1 and the pool directly
    behind it, up to 7x7, and a pool of the net's input and the convolution behind it. Elsewhere it becomes
    a depthwise convolution with equal weights, followed by a ReLU that changes nothing since its input is
    0 or more. A pool over 4x4 cells is two over 2x2, one over a whole map nn.mean. Windows with divisors of
    their own (ceil_mode, padding that does not count) go only into a dense layer. All exact.
    """

    name = "fold-average"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without average pools where there was a way."""
        chip = context.target.numbers
        return rewrite(module, *(partial(rule, chip=chip) for rule in RULES))


def _plain(editor: Editor, op: Op) -> nn.AveragePool | None:
    """An average pool each of whose windows has the same divisor, or None."""
    if not isinstance(op, nn.AveragePool) or op.ceil_mode or (any(op.pad) and not op.count_include_pad):
        return None
    return op


def _global(editor: Editor, op: Op, chip: Numbers) -> bool:
    pool = _plain(editor, op)
    if pool is None or any(pool.pad) or pool.size != editor.type_of(pool.x).shape[:2]:
        return False
    mean = editor.make(nn.Mean, editor.name(f"{op.name}_mean"), (op,), x=pool.x, axes=(0, 1))
    editor.replace((op,), mean, editor.make(nn.Reshape, op.name, (), x=mean.name, shape=op.type.shape, after=(mean,)))
    return True


def pooling_matrix(pool: nn.AveragePool, shape: tuple[int, ...]) -> Floats:
    """[outputs, inputs] of an average pool of any kind, both flattened over d0 and d1 (channels apart)."""
    rows, columns = (_means(pool, shape[axis], axis) for axis in (0, 1))
    matrix: Floats = np.einsum("oi,pj->opij", rows, columns).reshape(len(rows) * len(columns), -1)
    return matrix


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


def _into_dense(editor: Editor, op: Op, chip: Numbers) -> bool:
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
    even = _plain(editor, op) is not None and not any(pool.pad)
    stepped = with_step(editor, dense, 1 / np.array([prod(pool.size)])) if even else without_step(dense)
    layer = evolve(stepped, weight=editor.weight(dense.weight, wide.reshape(len(weight), -1), dense))
    editor.replace((op, flat), reshape)
    editor.replace((dense,), layer)
    return True


def _into_pointwise(editor: Editor, op: Op, chip: Numbers) -> bool:
    """average pool, 1x1 convolution -> one convolution."""
    pool = _plain(editor, op)
    conv = editor.user(op.name) if pool is not None else None
    if pool is None or not isinstance(conv, nn.Conv) or conv.groups > 1 or conv.stride != (1, 1) or any(conv.pad):
        return False
    weight = editor.array(conv.weight)
    if weight.shape[1:3] != (1, 1) or not _small_enough(pool, chip):
        return False
    wide = np.broadcast_to(weight, (len(weight), *pool.size, weight.shape[3])) / prod(pool.size)
    _merge(editor, (op, conv), _averaging(editor, conv, pool), wide, x=pool.x, stride=pool.stride, pad=pool.pad)
    return True


def _into_layer_in_front(editor: Editor, op: Op, chip: Numbers) -> bool:
    """convolution with stride 1, average pool -> one convolution whose kernel covers both windows."""
    pool = _plain(editor, op)
    conv = editor.producer(pool.x) if pool is not None else None
    if pool is None or any(pool.pad) or not isinstance(conv, nn.Conv) or editor.user(conv.name) is not op:
        return False
    weight = editor.array(conv.weight)
    reach = [k + n - 1 for k, n in zip(weight.shape[1:3], pool.size)]
    if conv.stride != (1, 1) or conv.dilation != (1, 1) or max(reach) > chip.largest():
        return False
    wide = np.zeros((len(weight), *reach, weight.shape[3]))
    for a, b in np.ndindex(*pool.size):
        wide[:, a : a + weight.shape[1], b : b + weight.shape[2]] += weight / prod(pool.size)
    _merge(editor, (conv, op), _averaging(editor, conv, pool), wide, result=op.result, stride=pool.stride)
    return True


def _into_first_layer(editor: Editor, op: Op, chip: Numbers) -> bool:
    """average pool of the net's input, convolution -> one convolution that moves by blocks."""
    pool = _plain(editor, op)
    conv = editor.user(op.name) if pool is not None and is_leading(editor, op) else None
    if pool is None or any(pool.pad) or pool.size != pool.stride or not isinstance(conv, nn.Conv):
        return False
    whole = all(n % s == 0 for n, s in zip(editor.type_of(pool.x).shape, pool.size))
    if not whole or conv.dilation != (1, 1):
        return False
    wide = editor.array(conv.weight).repeat(pool.size[0], axis=1).repeat(pool.size[1], axis=2) / prod(pool.size)
    stride = tuple(s * n for s, n in zip(conv.stride, pool.size))
    _merge(
        editor,
        (op, conv),
        _averaging(editor, conv, pool),
        wide,
        x=pool.x,
        stride=stride,
        pad=tuple(p * n for p, n in zip(conv.pad, pool.size * 2)),
    )
    return True


def _averaging(editor: Editor, conv: nn.Conv, pool: nn.AveragePool) -> nn.Conv:
    """A convolution whose whole weights, if it has them, count as many times less as a window has cells."""
    stepped = with_step(editor, conv, 1 / np.array([prod(pool.size)]))
    return evolve(conv, weight_step=stepped.weight_step)


def _merge(editor: Editor, both: tuple[Op, Op], conv: nn.Conv, kernel: Floats, **fields: Any) -> None:
    """Put one convolution where a pool and a convolution stood, in this order or the other."""
    weight = editor.weight(conv.weight, kernel, conv)
    origin, comments = merged_origin(*both), merged_comments(*both)
    editor.replace(both, evolve(conv, weight=weight, origin=origin, comments=comments, **fields))


def _halve(editor: Editor, op: Op, chip: Numbers) -> bool:
    """A pool over 4 cells, in front of a layer that cannot take it -> two over 2."""
    pool = _plain(editor, op)
    return pool is not None and pool.x in _nonnegative(editor) and halve(editor, pool)


def _small_enough(pool: nn.AveragePool, chip: Numbers) -> bool:
    """Whether a chip convolution can have this window."""
    stride = pool.stride[0] if len(set(pool.stride)) == 1 else 0
    return max(pool.size) <= chip.largest(stride)


def _as_depthwise(editor: Editor, op: Op, chip: Numbers) -> bool:
    pool = _plain(editor, op)
    if pool is None or not _small_enough(pool, chip) or pool.x not in _nonnegative(editor):
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
        weight_step=editor.weight(f"{op.name}.weight_step", np.full(channels, 1 / prod(pool.size))),
    )
    if isinstance(editor.user(op.name), nn.Levels):
        editor.replace((op,), evolve(conv, result=op.result))
        return True
    editor.replace((op,), conv, editor.make(nn.Relu, op.name, (), x=conv.name, after=(conv,)))
    return True


def _nonnegative(editor: Editor) -> set[str]:
    """Values that are 0 or more."""
    return activations(editor.current())


RULES = (
    _global,
    _into_dense,
    _into_pointwise,
    _into_layer_in_front,
    _into_first_layer,
    _halve,
    _as_depthwise,
)
"""Tried in this order."""
