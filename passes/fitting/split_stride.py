# SPDX-License-Identifier: Apache-2.0
"""split-stride: a stride that the chip's kernel cannot have becomes a layer of its own."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.strides import without_strides


@frozen
class SplitStride:
    """Compute every cell of a strided 5x5 or 7x7 convolution, and let an identity behind its ReLU leave some out.

    The chip moves kernels up to 3x3 by two cells. A larger kernel gets stride 1, and a 1x1 identity with stride 2
    and a ReLU, which changes nothing, takes every second cell; stride 4 takes two of them. Exact in real numbers and
    in integers; the layer computes four times the cells. A stride at the net's input is left to
    space-to-depth where that has a way.
    """

    name = "split-stride"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without such strides; without smaller ones, too, if only then every window finds its place."""
        return without_strides(module, context.target)
