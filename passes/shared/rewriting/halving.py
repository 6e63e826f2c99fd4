# SPDX-License-Identifier: Apache-2.0
"""Larger pools as several of two cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import evolve

from akc.ir.module import Op, fresh_name
from akc.ir.ops import nn
from akc.passes.shared.rewriting.rewrite import Editor


def halve(editor: Editor, op: nn.MaxPool | nn.AveragePool) -> bool:
    """Rule: a pool of 4 or 8 cells on an axis -> one of 2, and one of what is left."""
    apart = op.size == op.stride and not any(op.pad) and not op.ceil_mode
    if not apart or max(op.size) not in (4, 8) or any(n not in (1, 2, 4, 8) for n in op.size):
        return False
    first, second = tuple(min(n, 2) for n in op.size), tuple(max(n // 2, 1) for n in op.size)
    inner = evolve(op, size=first, stride=first, result=evolve(op.result, name=editor.name(f"{op.name}_half")))
    inner = editor.retyped(inner)
    editor.replace((op,), inner, evolve(op, x=inner.name, size=second, stride=second, comments=()))
    return True


WIDEST_POOL = 5
"""Cells of a window that pools of two with stride 1 find; each takes a layer more."""


def overlapping(editor: Editor, op: nn.MaxPool, largest: int) -> bool:
    """Rule: a pool of 3 to 5 overlapping cells behind an activation -> pools of 2 with stride 1, the last with its own.

    Pool p[j] of the cells j to j + k - 2 is 0 or more, so that window i, which begins at cell s i - 1 where a cell is
    padded, is the larger of p[s i - 1] and p[s i]: p[-1] is 0 in place of what p[0] holds, too. largest: the kernel of
    the convolution in front, behind which only the host could pool otherwise.
    """
    size, stride, front = _square(op.size), _square(op.stride), _square(op.pad[:2])
    row = op.size[0] == 1
    if not 3 <= size <= WIDEST_POOL or stride not in (1, 2) or front > 1 or not _rectified(editor, op.x, largest):
        return False
    if row and (stride == 1 or editor.type_of(op.x).shape[0] > 1):
        return False
    if _cut_off(editor, op) and _padded_behind(editor, op):
        return False
    made = _handed_on(editor, op, 0, []) if _reads_input(editor, op.x) else []
    editor.replace((op,), *_pools(editor, op, size - 2, front, made))
    return True


def _cut_off(editor: Editor, op: nn.MaxPool) -> bool:
    """Whether a pool leaves out cells at the end that pools of the chip, which pad, would have in their last window."""
    return any(n < -(-m // s) for n, m, s in zip(op.type.shape, editor.type_of(op.x).shape[:2], op.stride))


def _padded_behind(editor: Editor, op: Op) -> bool:
    """Whether a layer behind reads zeros around the map, before a dense layer or the end takes a part of it."""
    here = editor.user(op.name)
    while here is not None and not isinstance(here, nn.Dense | nn.Mean):
        if isinstance(here, nn.Conv | nn.MaxPool) and any(here.pad):
            return True
        here = editor.user(here.name)
    return False


def _square(pair: tuple[int, ...]) -> int:
    """The one number of both axes, or of d1 alone where d0 has 0 or 1; -1 where they differ."""
    return pair[1] if pair[0] in (0, 1, pair[1]) else -1


def _rectified(editor: Editor, name: str, largest: int) -> bool:
    """Whether an activation behind a convolution of the chip's kernels gives a value."""
    made = editor.producer(name)
    ends = isinstance(made, nn.Relu) or (isinstance(made, nn.Clip) and made.low == 0)
    conv = editor.producer(made.operands[0]) if made is not None and ends else None
    return isinstance(conv, nn.Conv) and max(editor.weights[conv.weight].type.shape[1:3]) <= largest


def _reads_input(editor: Editor, name: str) -> bool:
    """Whether an activation stands behind the first layer, which the image layer may take without such pools."""
    relu = editor.producer(name)
    conv = None if relu is None else editor.producer(relu.operands[0])
    here = None if conv is None else editor.producer(conv.operands[0])
    while isinstance(here, nn.Reshape | nn.Permute | nn.Pad):
        here = editor.producer(here.x)
    return here is None


def _pools(editor: Editor, op: nn.MaxPool, count: int, front: int, made: list[Op]) -> Iterator[Op]:
    """`count` pools of two with stride 1, a shift by `front` cells, and the last pool, which keeps the name.

    made: what stands in front of them.
    """
    row = op.size[0] == 1
    one = (1, 2) if row else (2, 2)
    most = [stride * n + 1 for stride, n in zip(op.stride, op.type.shape)]
    cells = editor.type_of(op.x).shape[:2]
    for number in range(count):
        x = made[-1].name if made else op.x
        behind = [int(k > 1 and n - m <= number) for k, n, m in zip(one, cells, most)]
        name = _free(editor, f"{op.name}_{number + 1}", made)
        pool = editor.make(nn.MaxPool, name, (), x=x, size=one, stride=(1, 1), pad=(0, 0, *behind), after=tuple(made))
        made.append(pool)
        made += _handed_on(editor, op, front if number == count - 1 else 0, made)
    sizes = made[-1].type.shape[:2]
    ends = [max(0, s * (n - 1) + k - m) for s, n, k, m in zip(op.stride, op.type.shape, one, sizes)]
    last = evolve(op, x=made[-1].name, size=one, pad=(0, 0, *ends), ceil_mode=False)
    yield from (evolve(one, origin=op.origin) for one in made)
    yield last


def _handed_on(editor: Editor, op: nn.MaxPool, front: int, made: list[Op]) -> list[Op]:
    """An identity that reads the cell `front` in front, and a ReLU: the chip pools behind convolutions only."""
    x, channels = made[-1].name if made else op.x, op.type.shape[2]
    kernel = (1 if op.size[0] == 1 else 1 + front, 1 + front)
    taps = np.zeros((channels, *kernel, channels))
    taps[:, 0, 0] = np.eye(channels)
    conv = editor.make(
        nn.Conv, _free(editor, f"{op.name}_identity", made), (), x=x, pad=(kernel[0] - 1, front, 0, 0),
        weight=editor.weight(f"{op.name}.identity", taps), after=tuple(made),
    )  # fmt: skip
    relu = editor.make(nn.Relu, _free(editor, f"{op.name}_handed", made), (), x=conv.name, after=(*made, conv))
    return [conv, relu]


def _free(editor: Editor, base: str, made: list[Op]) -> str:
    """A name that no value has, nor one of `made`."""
    return fresh_name(base, {*editor.net_values, *(op.name for op in made)})
