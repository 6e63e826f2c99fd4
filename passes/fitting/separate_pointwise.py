# SPDX-License-Identifier: Apache-2.0
"""separate-pointwise: a 1x1 convolution over many channels becomes the second half of a separable layer."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.affine import is_leading
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class SeparatePointwise:
    """Put a depthwise identity in front of a 1x1 convolution over more channels than an NP holds (AKD1000: 448).

    A 1x1 convolution of the AKD1000 keeps 100 bytes for each channel, for 1 to 192 filters of 4 bits, so that 448
    channels fill its memory. The 1x1 half of a separable layer keeps 8 filters over 8 channels in 50 bytes. Exact in
    real numbers and in integers.
    """

    name = "separate-pointwise"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module whose wide 1x1 convolutions are separable layers."""
        chip = context.target.numbers
        most = chip.filter_channels.get((1, chip.bits))
        return module if most is None else rewrite(module, lambda editor, op: _separate(editor, op, most))


def _separate(editor: Editor, op: Op, most: int) -> bool:
    if not isinstance(op, nn.Conv) or not _is_pointwise(editor, op) or is_leading(editor, op):
        return False
    before = editor.producer(op.x)
    channels = editor.type_of(op.x).shape[2]
    if channels <= most or (isinstance(before, nn.Conv) and before.groups > 1):
        return False
    weight = editor.weight(f"{op.weight.removesuffix('.weight')}.identity", np.ones((channels, 1, 1, 1)))
    name = editor.name(f"{op.name}_channels")
    depthwise = editor.make(nn.Conv, name, (), x=op.x, weight=weight, groups=channels)
    depthwise = evolve(depthwise, origin=op.origin)
    editor.replace((op,), depthwise, evolve(op, x=depthwise.name))
    return True


def _is_pointwise(editor: Editor, op: nn.Conv) -> bool:
    kernel = editor.weights[op.weight].type.shape[1:3]
    return kernel == (1, 1) and op.groups == 1 and op.stride == (1, 1) and not any(op.pad)
