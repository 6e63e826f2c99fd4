# SPDX-License-Identifier: Apache-2.0
"""The windows of a first convolution as channels, each the cell of a 1x1 convolution."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops import nn, nn_host
from akc.passes.shared.rewriting.chains import split
from akc.passes.shared.rewriting.geometry import NO_SIDES
from akc.passes.shared.rewriting.groups import ungrouped
from akc.passes.shared.rewriting.rewrite import Editor

MOST_CHANNELS = 128
"""Cells of a window, channels included, up to which the host hands them over."""


def unfolded(module: Module, conv: nn.Conv, fits: Callable[[Module], bool]) -> Module | None:
    """The module whose host cuts out the windows of its first convolution, if it fits then; else None."""
    weight = module.weights[conv.weight].type.shape
    if weight[1:3] == (1, 1) or prod(weight[1:3]) * module.net.types[conv.x].shape[2] > MOST_CHANNELS:
        return None
    if split(module).groups[0].core is not conv or module.net.types[conv.x].dtype != "f32":
        return None
    changed = _with_windows(module, conv)
    return changed if fits(changed) else None


def _with_windows(module: Module, conv: nn.Conv) -> Module:
    editor = Editor(module)
    weight = ungrouped(editor.array(conv.weight), conv.groups)
    sizes, channels = weight.shape[1:3], weight.shape[3]
    counts = tuple(_read(module, conv, axis) for axis in (0, 1))
    ops: list[Op] = []

    def add(kind: type[Op], what: str, **fields: Any) -> None:
        x = ops[-1].name if ops else conv.x
        op = editor.make(kind, editor.name(f"{conv.name}_{what}"), (), x=x, after=tuple(ops), **fields)
        ops.append(evolve(op, origin=conv.origin))

    if any(conv.pad):
        add(nn.Pad, "border", pad=conv.pad)
    for axis, what in ((0, "rows"), (1, "windows")):
        step, apart = conv.stride[axis], conv.dilation[axis]
        index = tuple(i * step + t * apart for i in range(counts[axis]) for t in range(sizes[axis]))
        add(nn_host.Take, what, axis=axis, index=index)
    add(nn.Reshape, "taps", shape=(counts[0], sizes[0], counts[1], sizes[1], channels))
    add(nn.Permute, "by_cell", order=(0, 2, 1, 3, 4))
    add(nn.Reshape, "cells", shape=(*counts, prod(sizes) * channels))
    flat = editor.weight(conv.weight, weight.reshape(len(weight), 1, 1, -1), conv)
    layer = evolve(conv, x=ops[-1].name, weight=flat, pad=NO_SIDES, stride=(1, 1), dilation=(1, 1), groups=1)
    layer = editor.retyped(layer, *ops)
    editor.replace((conv,), *ops, layer)
    _retype(editor, module)
    return editor.finish()


def _read(module: Module, conv: nn.Conv, axis: int) -> int:
    """How many outputs of the convolution something behind it reads, on one axis."""
    pool, outputs = split(module).groups[0].pool, conv.type.shape[axis]
    if not isinstance(pool, nn.MaxPool) or any(pool.pad) or pool.ceil_mode:
        return outputs
    return min(outputs, (pool.type.shape[axis] - 1) * pool.stride[axis] + pool.size[axis])


def _retype(editor: Editor, module: Module) -> None:
    """The types of what stands between the convolution and its pool."""
    for op in split(module).groups[0].ops[1:]:
        now = editor.producer(op.name)
        if now is not None:
            fresh = editor.retyped(now)
            if fresh != now:
                editor.replace((now,), fresh)
