# SPDX-License-Identifier: Apache-2.0
"""The border of a picture on the host, where the image layer's own would be another."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group, split
from akc.passes.shared.rewriting.geometry import IMAGE_KERNELS, NO_SIDES, Sides, image_plan
from akc.passes.shared.rewriting.rewrite import Editor


def with_host_border(module: Module) -> Module:
    """The module with a padded input where that helps; else the same object."""
    segments = split(module).segments
    if not segments or image_plan(segments[0].groups[0], module) is not None:
        return module
    group = segments[0].groups[0]
    conv = group.core
    if not isinstance(conv, nn.Conv) or conv.groups > 1 or conv.dilation != (1, 1):
        return module
    padded = _padded(module, group, conv)
    first = split(padded).segments[0].groups[0]
    return module if image_plan(first, padded) is None else padded


def _padded(module: Module, group: Group, conv: nn.Conv) -> Module:
    """The module with all of the first convolution's border on the host."""
    editor = Editor(module)
    kernel = editor.array(conv.weight)
    size = next((k for k in IMAGE_KERNELS if k >= max(kernel.shape[1:3])), None)
    before = editor.producer(conv.x)
    pad = before if isinstance(before, nn.Pad) and editor.user(before.name) is conv else None
    if size is None or (pad is not None and pad.value and any(conv.pad)):
        return module
    wide = np.zeros((len(kernel), size, size, kernel.shape[3]))
    wide[:, : kernel.shape[1], : kernel.shape[2]] = kernel
    grown = tuple(size - k for k in kernel.shape[1:3])
    sides = np.add(conv.pad if pad is None else np.add(conv.pad, pad.pad), (0, 0, *grown))
    layer = evolve(conv, pad=NO_SIDES)
    if any(grown):
        layer = evolve(layer, weight=editor.weight(conv.weight, wide, conv))
    _put(editor, conv, layer, pad, tuple(int(n) for n in sides))
    return editor.finish()


def _put(editor: Editor, conv: nn.Conv, layer: nn.Conv, pad: nn.Pad | None, sides: Sides) -> None:
    x, value = (conv.x, 0.0) if pad is None else (pad.x, pad.value)
    name = editor.name(f"{x}_padded") if pad is None else pad.name
    border = editor.make(nn.Pad, name, () if pad is None else (pad,), x=x, pad=sides, value=value)
    editor.replace((conv,) if pad is None else (pad, conv), border, evolve(layer, x=border.name))
