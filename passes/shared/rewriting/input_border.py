# SPDX-License-Identifier: Apache-2.0
"""The border of a picture on the host, and an empty third channel, where the image layer needs them."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group, Segment, split
from akc.passes.shared.rewriting.geometry import NO_SIDES, Sides, image_plan
from akc.passes.shared.rewriting.rewrite import Editor
from akc.passes.shared.rewriting.windows import obstacle
from akc.targets import Numbers


def with_host_border(module: Module, chip: Numbers) -> Module:
    """The module with a padded input, of three channels if it has two, where that helps; else the same object."""
    segments = split(module).segments
    if not segments or chip.image is None or image_plan(segments[0].groups[0], module, chip) is not None:
        return module
    conv = segments[0].groups[0].core
    if not isinstance(conv, nn.Conv) or conv.groups > 1 or conv.dilation != (1, 1):
        return module
    three = _third_channel(module, segments[0], conv, chip)
    padded = _padded(three, chip.image.kernels)
    candidates = [c for c in (three, padded) if image_plan(_first(c), c, chip) is not None]
    if not candidates or (three is not module and obstacle(split(candidates[0]).segments[0], candidates[0], chip)):
        return module
    return candidates[0]


def _first(module: Module) -> Group:
    return split(module).segments[0].groups[0]


def _third_channel(module: Module, segment: Segment, conv: nn.Conv, chip: Numbers) -> Module:
    """The module with an empty third channel of the input, if the windows of two find no place on the mesh."""
    d0, d1, channels = module.net.types[conv.x].shape
    least = chip.image.smallest if chip.image is not None else 0
    if channels != 2 or min(d0, d1) < least or obstacle(segment, module, chip) is None:
        return module
    editor = Editor(module)
    ops: list[Op] = []

    def add(kind: type[Op], what: str, **fields: Any) -> None:
        x = ops[-1].name if ops else conv.x
        op = editor.make(kind, editor.name(f"{conv.x}_{what}"), (), x=x, after=tuple(ops), **fields)
        ops.append(evolve(op, origin=conv.origin))

    add(nn.Reshape, "cells", shape=(d0 * d1, channels, 1))
    add(nn.Pad, "with_empty", pad=(0, 0, 0, 1))
    add(nn.Reshape, "three", shape=(d0, d1, channels + 1))
    wide = np.concatenate([own := editor.array(conv.weight), np.zeros_like(own[..., :1])], axis=3)
    layer = evolve(conv, x=ops[-1].name, weight=editor.weight(conv.weight, wide, conv))
    editor.replace((conv,), *ops, layer)
    return editor.finish()


def _padded(module: Module, kernels: tuple[int, ...]) -> Module:
    """The module with all of the first convolution's border on the host."""
    conv = _first(module).core
    assert isinstance(conv, nn.Conv)
    editor = Editor(module)
    kernel = editor.array(conv.weight)
    size = next((k for k in kernels if k >= max(kernel.shape[1:3])), None)
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
