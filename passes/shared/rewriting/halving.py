# SPDX-License-Identifier: Apache-2.0
"""Pools of four or eight cells as several of two."""

from __future__ import annotations

from attrs import evolve

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
