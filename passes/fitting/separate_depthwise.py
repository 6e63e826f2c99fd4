# SPDX-License-Identifier: Apache-2.0
"""separate-depthwise: a depthwise convolution on its own gets an identity behind it."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class SeparateDepthwise:
    """Put a 1x1 identity convolution behind a depthwise one that has none.

    The chip's separable layer is a depthwise and a 1x1 convolution with nothing in between. A depthwise
    convolution that is followed by its activation (MobileNet, DS-CNN) becomes such a layer with the
    identity as 1x1 part, and the 1x1 convolution behind the activation a layer of its own. Exact.
    """

    name = "separate-depthwise"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module in which every depthwise convolution has a 1x1 convolution behind it."""
        return rewrite(module, _separate)


def _separate(editor: Editor, op: Op) -> bool:
    if not isinstance(op, nn.Conv) or not is_depthwise(editor, op) or _has_pointwise(editor, op):
        return False
    channels = op.groups
    weight = editor.weight(f"{op.weight.removesuffix('.weight')}.identity", np.eye(channels)[:, None, None, :])
    inner = evolve(op, result=evolve(op.result, name=editor.name(f"{op.name}_depthwise"), range=None))
    identity = editor.make(nn.Conv, op.name, (), x=inner.name, weight=weight, after=(inner,))
    identity = evolve(identity, origin=op.origin, result=identity.result.ranged_like(op.result))
    editor.replace((op,), inner, identity)
    return True


def is_depthwise(editor: Editor, op: nn.Conv) -> bool:
    """Whether each filter reads one channel of its own."""
    filters, _, _, inputs = editor.weights[op.weight].type.shape
    return op.groups > 1 and inputs == 1 and filters == op.groups


def _has_pointwise(editor: Editor, op: nn.Conv) -> bool:
    behind = editor.user(op.name)
    return (
        isinstance(behind, nn.Conv)
        and behind.groups == 1
        and behind.stride == (1, 1)
        and not any(behind.pad)
        and editor.weights[behind.weight].type.shape[1:3] == (1, 1)
    )
