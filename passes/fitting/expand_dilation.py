# SPDX-License-Identifier: Apache-2.0
"""expand-dilation: dilated kernels get zeros between their taps."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class ExpandDilation:
    """Write a dilated convolution as a plain one with zeros between the taps; exact.

    Kernels that would become larger than the chip's (7 on an Akida 1.0) are left for legalize to refuse.
    """

    name = "expand-dilation"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without dilation where the kernel stays small enough."""
        largest = context.target.numbers.largest()
        return rewrite(module, lambda editor, op: _expand(editor, op, largest))


def _expand(editor: Editor, op: Op, largest: int) -> bool:
    if not isinstance(op, nn.Conv) or op.dilation == (1, 1):
        return False
    taps = editor.array(op.weight)
    filters, k0, k1, channels = taps.shape
    spread = [(k - 1) * d + 1 for k, d in zip((k0, k1), op.dilation)]
    if max(spread) > largest:
        return False
    kernel = np.zeros((filters, *spread, channels))
    kernel[:, :: op.dilation[0], :: op.dilation[1]] = taps
    editor.replace((op,), evolve(op, weight=editor.weight(op.weight, kernel, op), dilation=(1, 1)))
    return True
