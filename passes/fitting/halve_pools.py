# SPDX-License-Identifier: Apache-2.0
"""halve-pools: a max pool of three to five, or of eight, cells is several of two."""

from __future__ import annotations

from typing import TypeGuard

from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.halving import halve, overlapping
from akc.passes.shared.rewriting.rewrite import rewrite
from akc.passes.shared.rewriting.rows import with_rows


@frozen
class HalvePools:
    """Write max pools of 3 to 5 cells, or of 4 or 8 that lie side by side, as several of 2, which the chip has.

    The largest of four cells is the larger of the largest of two and two, and a quarter rounded down is half of a
    half, each rounded down. Windows that overlap, with a stride of 1 or 2, are found by pools of 2 with stride 1, one
    behind the other, of which the last one takes the stride; a cell of padding in front becomes a shift by one cell,
    which an identity convolution makes of values of 0 or more. Exact.
    """

    name = "halve-pools"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with smaller pools."""
        chip = context.target.numbers
        if 2 not in chip.pools:
            return module
        largest = max(chip.kernels[1])
        module = rewrite(module, lambda editor, op: isinstance(op, nn.MaxPool) and halve(editor, op))
        module = rewrite(module, lambda editor, op: _is_square(op) and overlapping(editor, op, largest))
        in_rows = rewrite(module, lambda editor, op: isinstance(op, nn.MaxPool) and overlapping(editor, op, largest))
        return module if with_rows(in_rows, chip) is in_rows else in_rows


def _is_square(op: object) -> TypeGuard[nn.MaxPool]:
    """Whether a pool goes over two axes; those of one row are pools of the chip where repeat-rows gives them rows."""
    return isinstance(op, nn.MaxPool) and op.size[0] == op.size[1]
