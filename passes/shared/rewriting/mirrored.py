# SPDX-License-Identifier: Apache-2.0
"""A whole network in a mirror, and whether every window of a network finds its place."""

from __future__ import annotations

from math import prod

import numpy as np
from attrs import evolve

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group, Segment, split
from akc.passes.shared.rewriting.geometry import Sides
from akc.passes.shared.rewriting.input_border import with_host_border
from akc.passes.shared.rewriting.rewrite import Editor
from akc.passes.shared.rewriting.windows import solve
from akc.targets import Numbers

Axes = tuple[int, ...]
CHOICES: tuple[Axes, ...] = ((0, 1), (0,), (1,))


def mirrored_to_fit(module: Module, chip: Numbers) -> Module:
    """The mirrored module if only that fits; else the same object."""
    if fits(module, chip):
        return module
    for axes in CHOICES:
        turned = mirrored(module, axes)
        if turned is not None and fits(turned, chip):
            return turned
    return module


def fits(module: Module, chip: Numbers) -> bool:
    """Whether fit-windows finds a way for every segment."""
    ready = with_host_border(module, chip)
    return all(solve(segment, ready, chip) is not None for segment in split(ready).segments)


def mirrored(module: Module, axes: Axes) -> Module | None:
    """The module with these axes reversed inside; None where a window cannot be mirrored."""
    segments = split(module).segments
    if len(segments) != 1 or len(module.net.types[segments[0].source].shape) != 3:
        return None
    editor = Editor(module)
    return editor.finish() if _turn(editor, segments[0], axes) else None


def _turn(editor: Editor, segment: Segment, axes: Axes) -> bool:
    if not _turn_front(editor, segment.source, axes):
        return False
    for group in segment.groups:
        if isinstance(group.core, nn.Dense):
            _turn_dense(editor, group, axes)
            return True
        if not _turn_group(editor, group, axes):
            return False
        if isinstance(group.pool, nn.Mean):
            return True
    return _turn_back(editor, segment.groups[-1], axes)


def _turn_front(editor: Editor, source: str, axes: Axes) -> bool:
    """nn.flip at the segment's source, in front of the host's padding."""
    before = editor.producer(source)
    pad = before if isinstance(before, nn.Pad) else None
    x = source if pad is None else pad.x
    flip = editor.make(nn.Flip, editor.name(f"{x}_mirrored"), (), x=x, axes=axes)
    if pad is not None:
        editor.replace((pad,), flip, evolve(pad, x=flip.name, pad=_swapped(pad.pad, axes)))
        return True
    reader = editor.user(source)
    if reader is None:
        return False
    editor.replace((reader,), flip, reader.renamed({source: flip.name}))
    return True


def _swapped(sides: Sides, axes: Axes) -> Sides:
    out = list(sides)
    for a in axes:
        out[a], out[2 + a] = sides[2 + a], sides[a]
    return tuple(out)


def mirrored_sides(size: int, window: int, stride: int, before: int, after: int, outputs: int) -> tuple[int, int]:
    """Padding before and after in the mirror: cells that no window reaches behind are not there in front."""
    unread = size + before + after - (stride * (outputs - 1) + window)
    return after - unread, before


def _turn_group(editor: Editor, group: Group, axes: Axes) -> bool:
    for op in group.ops:
        now = editor.producer(op.name)
        if isinstance(now, nn.Conv | nn.MaxPool) and now is not None:
            size = editor.weights[now.weight].type.shape[1:3] if isinstance(now, nn.Conv) else now.size
            spread = [(k - 1) * d + 1 for k, d in zip(size, now.dilation)] if isinstance(now, nn.Conv) else size
            sides = list(now.pad)
            for a in axes:
                shape, outputs = editor.type_of(now.x).shape[a], now.type.shape[a]
                sides[a], sides[2 + a] = mirrored_sides(
                    shape, spread[a], now.stride[a], now.pad[a], now.pad[2 + a], outputs
                )
            if min(sides) < 0:
                return False
            turned = evolve(now, pad=tuple(sides))
            if isinstance(turned, nn.Conv) and max(size) > 1:
                kernel = np.flip(editor.array(turned.weight), tuple(1 + a for a in axes))
                turned = evolve(turned, weight=editor.weight(turned.weight, kernel, now))
            if turned != now:
                editor.replace((now,), turned)
    return True


def _turn_dense(editor: Editor, group: Group, axes: Axes) -> None:
    """The dense layer behind the maps reads them in the order of before."""
    dense = editor.producer(group.core.name)
    assert isinstance(dense, nn.Dense) and group.flatten is not None
    shape = editor.type_of(group.flatten.x).shape
    if len(shape) != 3 or prod(shape[:2]) == 1:
        return
    weight = editor.array(dense.weight)
    turned = np.flip(weight.reshape(len(weight), *shape), tuple(1 + a for a in axes)).reshape(weight.shape)
    editor.replace((dense,), evolve(dense, weight=editor.weight(dense.weight, turned, dense)))


def _turn_back(editor: Editor, group: Group, axes: Axes) -> bool:
    """A map that the net gives out is turned back by the host."""
    last = editor.producer(group.last.name)
    assert last is not None
    inner = evolve(last, result=evolve(last.result, name=editor.name(f"{last.name}_mirrored")))
    flip = editor.make(nn.Flip, last.name, (), x=inner.name, axes=axes, after=(inner,))
    editor.replace((last,), inner, flip)
    return True
