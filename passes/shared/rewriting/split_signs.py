# SPDX-License-Identifier: Apache-2.0
"""Signed values in front of a convolution that pads: the host hands their positive and negative parts over apart."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Value
from akc.ir.ops import nn, nn_host
from akc.ir.types import TensorType
from akc.passes.shared.numbers.signs import activations
from akc.passes.shared.rewriting.chains import Segment
from akc.passes.shared.rewriting.geometry import image_plan
from akc.passes.shared.rewriting.legal_chain import legal_chain
from akc.passes.shared.rewriting.rewrite import Editor
from akc.targets import Numbers

SMALL = 1 / 32
"""Negative values that are smaller than this share of the largest one are rounded to level 0 anyway."""


def with_split_signs(module: Module, chip: Numbers) -> Module:
    """The module in which no segment for the chip pads a signed value; the same object if none does.

    The mesh pads with level 0, which should stand for 0. With x = relu(x) - relu(-x), a convolution of x is one of
    both parts side by side, the second with weights of the other sign; both are 0 or more. Exact, for twice the
    channels; those that a concatenation has from an activation are 0 or more already, and get no second part.
    Needs the ranges that calibrate records.
    """
    editor, rectified = Editor(module), activations(module)
    made: dict[str, str] = {}
    for segment in legal_chain(module, chip).segments:
        if _is_wrong(segment, module, chip):
            below = _signed(editor, segment, rectified)
            if segment.source not in made:
                made[segment.source] = _split(editor, segment, below)
            _double(editor, segment, made[segment.source], below)
    return editor.finish()


def _is_wrong(segment: Segment, module: Module, chip: Numbers) -> bool:
    """Whether level 0 of a segment's source would stand for something below 0 in the border."""
    group = segment.groups[0]
    low, high = module.net.values[segment.source].range or (0.0, 1.0)
    padded = isinstance(group.core, nn.Conv) and any(group.core.pad)
    return padded and low < -SMALL * max(high, 0.0) and image_plan(group, module, chip) is None


def _signed(editor: Editor, segment: Segment, rectified: set[str]) -> slice:
    """The channels of a segment's source from the first to the last that may be below 0; all in front of a depthwise
    convolution and of a value with several readers, which share what is made."""
    joined, channels = editor.producer(segment.source), editor.type_of(segment.source).shape[-1]
    shared = editor.user(segment.source) is None or segment.groups[0].depthwise
    if shared or not isinstance(joined, nn_host.Concat) or joined.axis % len(joined.type.shape) != 2:
        return slice(0, channels)
    widths = [editor.type_of(name).shape[-1] for name in joined.inputs]
    ends = np.cumsum([0, *widths])
    signed = [i for i, name in enumerate(joined.inputs) if name not in rectified]
    return slice(int(ends[signed[0]]), int(ends[signed[-1] + 1])) if signed else slice(0, channels)


def _split(editor: Editor, segment: Segment, signed: slice) -> str:
    """Put both parts of a segment's source in front of it; the name of the value that holds them."""
    x, first = segment.source, editor.producer(segment.groups[0].ops[0].name)
    assert first is not None
    kind = editor.type_of(x)
    low, high = editor.net_values[x].range or (0.0, 1.0)
    above = nn.Relu(result=Value(editor.name(f"{x}_above"), kind, (0.0, max(high, 0.0))), x=x)
    width = signed.stop - signed.start
    half = kind.with_shape(*kind.shape[:-1], width)
    cut = [] if width == kind.shape[-1] else [_part(editor, x, signed, half)]
    turned = nn.Affine(
        result=Value(editor.name(f"{x}_turned"), half, (-high, -low)), x=cut[0].name if cut else x, scale=-1.0
    )
    below = nn.Relu(result=Value(editor.name(f"{x}_below"), half, (0.0, -low)), x=turned.name)
    parts = Value(
        editor.name(f"{x}_parts"), kind.with_shape(*kind.shape[:-1], kind.shape[-1] + width), (0.0, max(high, -low))
    )
    both = nn_host.Concat(result=parts, inputs=(above.name, below.name))
    editor.replace((first,), above, *cut, turned, below, both, evolve(first))
    return both.name


def _part(editor: Editor, x: str, channels: slice, kind: TensorType) -> nn_host.Slice:
    """Some channels of a map."""
    start, stop = (0, 0, channels.start), (*kind.shape[:2], channels.stop)
    result = Value(editor.name(f"{x}_signed"), kind, editor.net_values[x].range)
    return nn_host.Slice(result=result, x=x, start=start, stop=stop)


def _double(editor: Editor, segment: Segment, parts: str, signed: slice) -> None:
    """Let the first layer of a segment read both parts."""
    group = segment.groups[0]
    core = editor.producer(group.core.name)
    assert isinstance(core, nn.Conv)
    weight = editor.array(core.weight)
    if not group.depthwise:
        both = editor.weight(core.weight, np.concatenate([weight, -weight[..., signed]], axis=3), core)
        editor.replace((core,), evolve(core, x=parts, weight=both))
        return
    kernels = editor.weight(core.weight, np.concatenate([weight, weight]), core)
    bias = core.bias
    if bias is not None:
        numbers = editor.array(bias)
        bias = editor.weight(bias, np.concatenate([numbers, np.zeros_like(numbers)]), core)
    wide = evolve(core, x=parts, weight=kernels, bias=bias, groups=2 * core.groups, weight_step=None)
    editor.replace((core,), editor.retyped(_without_range(wide)))
    mix = editor.producer(group.filters_op.name)
    assert isinstance(mix, nn.Conv)
    columns = editor.array(mix.weight)
    editor.replace(
        (mix,), evolve(mix, weight=editor.weight(mix.weight, np.concatenate([columns, -columns], axis=3), mix))
    )


def _without_range(op: nn.Conv) -> nn.Conv:
    return evolve(op, result=evolve(op.result, range=None))
