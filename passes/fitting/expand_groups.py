# SPDX-License-Identifier: Apache-2.0
"""expand-groups: grouped convolutions become full ones."""

from __future__ import annotations

from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.groups import ungrouped
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class ExpandGroups:
    """Write a grouped convolution as a full one whose weights are zero between groups.

    Exact; costs weight memory. Depthwise convolutions with one filter a channel stay: the chip has those.
    """

    name = "expand-groups"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without groups other than depthwise ones."""
        return rewrite(module, _expand)


def _expand(editor: Editor, op: Op) -> bool:
    if not isinstance(op, nn.Conv) or op.groups == 1:
        return False
    grouped = editor.array(op.weight)
    if grouped.shape[3] == 1 and len(grouped) == op.groups:
        return False
    full = ungrouped(grouped, op.groups)
    editor.replace((op,), evolve(op, weight=editor.weight(op.weight, full, op), groups=1))
    return True
