# SPDX-License-Identifier: Apache-2.0
"""carry-shift: a normalisation between an activation and a convolution that pads, with a channel of its own."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op, merged_comments, merged_origin
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.affine import Scaling, scaling_of, with_weights, without_step
from akc.passes.shared.rewriting.groups import ungrouped
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class CarryShift:
    """Fold scale and shift in front of a convolution that pads into it, by a channel that is the same everywhere.

    Behind a convolution, its activation and perhaps a max pool, conv(s x + o) = conv(s x) + o conv(1). The layer in
    front gets a filter of zeros with a bias, so that its activation is one number in every cell and nothing around
    the map; the kernel on this channel is the shift's share. Takes what fold-batchnorm leaves. Exact.
    """

    name = "carry-shift"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without such normalisations."""
        return rewrite(module, _carry)


def _carry(editor: Editor, op: Op) -> bool:
    scaling = scaling_of(editor, op)
    conv = editor.user(op.name) if scaling is not None else None
    if scaling is None or not isinstance(conv, nn.Conv) or not any(conv.pad):
        return False
    between = _in_front(editor, op)
    core = editor.producer(between[-1].operands[0]) if between else None
    if not isinstance(core, nn.Conv) or core.groups > 1 or editor.user(core.name) is not between[-1]:
        return False
    channels = scaling.filling(op.type.shape).per_channel()
    assert channels is not None
    height = _height(editor, op, between)
    _add_filter(editor, core, height)
    for one in reversed(between):
        editor.replace((one,), editor.retyped(one))
    editor.replace((op, conv), _on_more_channels(editor, op, conv, channels, height))
    return True


def _in_front(editor: Editor, op: Op) -> list[Op]:
    """The activation in front of an op, behind a max pool if there is one, from the op on; empty where it is not so."""
    found: list[Op] = []
    here = editor.producer(op.operands[0])
    while isinstance(here, nn.MaxPool) and editor.user(here.name) is not None:
        found.append(here)
        here = editor.producer(here.x)
    rectifies = isinstance(here, nn.Relu) or (
        isinstance(here, nn.Clip) and here.low == 0 and not isinstance(here, nn.Levels)
    )
    sole = here is not None and editor.user(here.name) is not None
    return [*found, here] if rectifies and sole and here is not None else []


def _height(editor: Editor, op: Op, between: list[Op]) -> float:
    """The number in the new channel: near the largest activation, if the normalisation says how large those are."""
    height = 1.0
    if isinstance(op, nn.BatchNorm):
        height = float((editor.array(op.mean) + np.sqrt(editor.array(op.variance))).max())
    top = between[-1].high if isinstance(between[-1], nn.Clip) else np.inf
    return min(height if height > 0 else 1.0, top)


def _add_filter(editor: Editor, core: nn.Conv, height: float) -> None:
    weight = editor.array(core.weight)
    bias = np.zeros(len(weight)) if core.bias is None else editor.array(core.bias)
    wide = np.concatenate([weight, np.zeros_like(weight[:1])])
    layer = with_weights(editor, without_step(core), wide, np.append(bias, height))
    editor.replace((core,), editor.retyped(layer))


def _on_more_channels(editor: Editor, op: Op, conv: nn.Conv, scaling: Scaling, height: float) -> nn.Conv:
    weight = ungrouped(editor.array(conv.weight), conv.groups)
    shifted = (weight * scaling.shift).sum(axis=3, keepdims=True) / height
    wide = np.concatenate([weight * scaling.scale, shifted], axis=3)
    return evolve(
        conv,
        x=op.operands[0],
        weight=editor.weight(conv.weight, wide, conv),
        groups=1,
        origin=merged_origin(op, conv),
        comments=merged_comments(op, conv),
    )
