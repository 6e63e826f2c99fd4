# SPDX-License-Identifier: Apache-2.0
"""repeat-rows: 1-D networks with max pools get rows enough for the chip's 2x2 pools."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.rows import with_rows


@frozen
class RepeatRows:
    """Give a 1-D network as many equal rows as its max pools halve.

    The chip pools 2x2 cells of maps that have at least two rows; a 1-D network has one. With the input's row
    2, 4, 8 or 16 times every layer computes the same in each row, a pool of two cells takes them from two rows, and a
    stride of two leaves every second row out. Behind the last pool one row is left. Exact.
    """

    name = "repeat-rows"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with rows; the same object where there is no such pool, or another window is in the way."""
        return with_rows(module, context.target.numbers)
