# SPDX-License-Identifier: Apache-2.0
"""pad-input: the host puts the border around the picture, where the image layer's own would be another."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.input_border import with_host_border


@frozen
class PadInput:
    """Give a first convolution over pictures the form that the image layer takes.

    Its padding=same puts the odd cell behind and rounds max pools up, PyTorch and ONNX do neither. So the
    picture is padded on the host and the layer takes whole windows only (padding=valid). Kernels that are
    even or not square are filled up with zeros to one of the layer's (3, 5 or 7) on the way. A picture of two
    channels, as event cameras give, gets a third, empty one where only so all windows find a place. Exact.
    """

    name = "pad-input"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with a padded input where that helps; else the same object."""
        return with_host_border(module, context.target.numbers)
