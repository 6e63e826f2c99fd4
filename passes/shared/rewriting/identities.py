# SPDX-License-Identifier: Apache-2.0
"""Layers that hand their input on as it is, which passes put where the chip needs a convolution."""

from __future__ import annotations

import numpy as np

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.rewriting.rewrite import Editor


def is_identity(op: Op | None, module: Module) -> bool:
    """Whether a convolution gives channel c of some of its input's cells as channel c, 0 or more staying what it is."""
    if not isinstance(op, nn.Conv) or op.bias is not None or op.groups != 1:
        return False
    filters, k0, k1, channels = module.weights[op.weight].type.shape
    if filters != channels or module.weights[op.weight].elided:
        return False
    taps = module.array(op.weight).reshape(filters, k0 * k1, channels)
    used = np.flatnonzero(taps.any(axis=(0, 2)))
    return len(used) == 1 and bool((taps[:, used[0]] == np.eye(channels)).all())


def same_rectifier(editor: Editor, source: str, name: str, conv: nn.Conv) -> Op:
    """What stands behind an identity on the values of `source`: a ReLU, or once more the quantiser that made them."""
    maker = editor.producer(source)
    while isinstance(maker, nn.MaxPool):
        maker = editor.producer(maker.x)
    if not isinstance(maker, nn.Levels):
        return editor.make(nn.Relu, name, (), x=conv.name, after=(conv,))
    fields = {key: getattr(maker, key) for key in ("low", "high", "scale", "rounding")}
    return editor.make(nn.Levels, name, (), x=conv.name, after=(conv,), **fields)


def with_kept_ranges(module: Module, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The ranges in which identities on values of 0 or more, and the ReLUs behind them, have their input's range.

    Levels then go through them unchanged. Where the input has a sign, as between the halves of a separable layer,
    the ReLU behind changes it.
    """
    kept = dict(ranges)
    for op in module.net.ops:
        before = module.net.producer(op.operands[0]) if op.operands else None
        behind_one = isinstance(op, nn.Relu) and is_identity(before, module)
        if (is_identity(op, module) or behind_one) and kept.get(op.operands[0], (-1.0, 0.0))[0] >= 0:
            kept[op.name] = kept[op.operands[0]]
    return kept
