# SPDX-License-Identifier: Apache-2.0
"""mirror: the whole network in a mirror, where stride 2 then meets the chip's windows."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.mirrored import mirrored_to_fit


@frozen
class Mirror:
    """Mirror d0, d1 or both from the input to the dense layers, if the network fits the chip only that way.

    With stride 2, a 3x3 kernel and one cell of padding on an even size, PyTorch's windows begin in the
    border in front; the chip's end in the border behind. In the mirror they are the same. The host turns the
    picture, kernels are turned, and the dense layer behind reads the map in the order of before. Exact.
    """

    name = "mirror"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The mirrored module if only that fits; else the same object."""
        return mirrored_to_fit(module, context.target.numbers)
