# SPDX-License-Identifier: Apache-2.0
"""offset-input: a signed input in front of a convolution that pads, without a wrong number at the border."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.propagate import input_reach
from akc.passes.shared.rewriting.chains import split
from akc.passes.shared.rewriting.geometry import NO_SIDES, image_plan
from akc.passes.shared.rewriting.groups import ungrouped
from akc.passes.shared.rewriting.input_border import with_host_border
from akc.passes.shared.rewriting.mirrored import fits, mirrored_to_fit
from akc.passes.shared.rewriting.rewrite import Editor
from akc.passes.shared.rewriting.rows import reads_input


@frozen
class OffsetInput:
    """Give a first convolution that pads a signed input with zeros a form that the mesh computes exactly.

    The mesh pads with level 0, which stands for the smallest input and not for 0. If windows allow it, the host pads.
    Else the host takes the smallest input off and adds a channel that is the same number in every cell:
    conv(x) = conv(x - low) + low conv(1), where the second term is a kernel on the new channel. Around both are
    zeros, so the border is right. Pictures in the image layer, which has a padding value, stay. Exact.
    """

    name = "offset-input"
    requires = None
    ensures = None
    preserves = "values"
    reads = ("samples", "input_range")

    def run(self, module: Module, context: PassContext) -> Module:
        """The module whose border holds zeros; the same object where it does already."""
        groups = split(module).groups
        conv = groups[0].core if groups else None
        if not isinstance(conv, nn.Conv) or not any(conv.pad) or not reads_input(module, conv):
            return module
        low, high = input_reach(module, context)
        chip = context.target.numbers
        padded = with_host_border(module, chip)
        if low >= 0 or image_plan(split(padded).groups[0], padded, chip) is not None:
            return module
        on_host = _padded_on_host(module, conv)
        if fits(mirrored_to_fit(on_host, chip), chip):
            return on_host
        return _offset(module, conv, low, high)


def _padded_on_host(module: Module, conv: nn.Conv) -> Module:
    editor = Editor(module)
    border = editor.make(nn.Pad, editor.name(f"{conv.name}_padded"), (), x=conv.x, pad=conv.pad)
    border = evolve(border, origin=conv.origin)
    editor.replace((conv,), border, evolve(conv, x=border.name, pad=NO_SIDES))
    return editor.finish()


def _offset(module: Module, conv: nn.Conv, low: float, high: float) -> Module:
    editor = Editor(module)
    front = _with_channel(editor, conv, low, high)
    weight = ungrouped(editor.array(conv.weight), conv.groups)
    of_ones = weight.sum(axis=3, keepdims=True) * low / (high - low)
    wide = np.concatenate([weight, of_ones], axis=3)
    layer = evolve(conv, x=front[-1].name, weight=editor.weight(conv.weight, wide, conv), groups=1)
    editor.replace((conv,), *front, layer)
    return editor.finish()


def _with_channel(editor: Editor, conv: nn.Conv, low: float, high: float) -> list[Op]:
    """x - low, and behind its channels one that is high - low everywhere."""
    d0, d1, channels = editor.type_of(conv.x).shape
    ops: list[Op] = []

    def add(kind: type[Op], what: str, **fields: Any) -> None:
        x = ops[-1].name if ops else conv.x
        op = editor.make(kind, editor.name(f"{conv.name}_{what}"), (), x=x, after=tuple(ops), **fields)
        ops.append(evolve(op, origin=conv.origin))

    add(nn.Reshape, "cells", shape=(d0 * d1, channels, 1))
    add(nn.Pad, "ones", pad=(0, 0, 0, 1), value=high)
    add(nn.Reshape, "with_ones", shape=(d0, d1, channels + 1))
    add(nn.Affine, "offset", scale=1.0, shift=-low)
    return ops
