# SPDX-License-Identifier: Apache-2.0
"""expand-groups: grouped convolutions become full ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.rewrite import Editor, rewrite


@frozen
class ExpandGroups:
    """Write a grouped convolution as a full one whose weights are zero between groups.

    Exact; costs weight memory. Depthwise convolutions with one filter a channel stay: the chip has those.
    """

    name = "expand-groups"
    requires = None
    ensures = None

    def run(self, module: Module, context: Any) -> Module:
        """The module without groups other than depthwise ones."""
        return rewrite(module, _expand)


def _expand(editor: Editor, op: Op) -> bool:
    if not isinstance(op, nn.Conv) or op.groups == 1:
        return False
    grouped = editor.array(op.weight)
    filters, k0, k1, inputs = grouped.shape
    if inputs == 1 and filters == op.groups:
        return False
    full = np.zeros((filters, k0, k1, inputs * op.groups))
    per_group = filters // op.groups
    for group in range(op.groups):
        rows = slice(group * per_group, (group + 1) * per_group)
        full[rows, :, :, group * inputs : (group + 1) * inputs] = grouped[rows]
    editor.replace((op,), evolve(op, weight=editor.weight(op.weight, full, op), groups=1))
    return True
