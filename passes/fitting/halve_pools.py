# SPDX-License-Identifier: Apache-2.0
"""halve-pools: a max pool of four or eight cells is two or three of two."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class HalvePools:
    """Write max pools whose window and stride are 4 or 8 as several with 2, which the chip has.

    The largest of four cells is the larger of the largest of two and two, and a quarter rounded down is half of a
    half, each rounded down. Pools that pad, overlap or stick out stay. Exact.
    """

    name = "halve-pools"
    requires = None
    ensures = None

    def run(self, module: Module, context: Any) -> Module:
        """The module with smaller pools."""
        return rewrite(module, lambda editor, op: isinstance(op, nn.MaxPool) and halve(editor, op))


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
