# SPDX-License-Identifier: Apache-2.0
"""fold-global-average: the mean over a map and the dense layer behind it become one layer."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.global_average import without_means


@frozen
class FoldGlobalAverage:
    """Swap the mean over d0 and d1 with the layer behind it, which is linear.

    mean, dense -> flatten, dense with the weights repeated over the map and divided by its size, while that
    fits into one dense processor; else a 1x1 convolution and then the mean, which the chip computes as
    a sum of potentials. Either way the mean is not rounded to levels. A mean of a mean is first made one, and one
    along a map that is one cell wide one over the whole map; a mean behind an activation that no dense layer
    follows gets the identity as one. Exact.
    """

    name = "fold-global-average"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with means folded."""
        return without_means(module, context.target)
