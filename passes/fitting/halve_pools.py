# SPDX-License-Identifier: Apache-2.0
"""halve-pools: a max pool of four or eight cells is two or three of two."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.halving import halve
from akc.passes.shared.rewriting.rewrite import rewrite


@frozen
class HalvePools:
    """Write max pools whose window and stride are 4 or 8 as several with 2, which the chip has.

    The largest of four cells is the larger of the largest of two and two, and a quarter rounded down is half of a
    half, each rounded down. Pools that pad, overlap or stick out stay. Exact.
    """

    name = "halve-pools"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with smaller pools."""
        if 2 not in context.target.numbers.pools:
            return module
        return rewrite(module, lambda editor, op: isinstance(op, nn.MaxPool) and halve(editor, op))
