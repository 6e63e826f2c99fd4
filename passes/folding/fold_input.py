# SPDX-License-Identifier: Apache-2.0
"""fold-input: scale and offset of the input disappear into the first layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.fields import WeightName
from akc.ir.module import Module, Op, Value
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.affine import Scaling, absorbed, fold_forward, is_leading, scaling_of
from akc.passes.shared.rewriting.rewrite import Editor, rewrite


@frozen
class FoldInput:
    """Fold the normalisation in front of a network into its first layer.

    w * (s * x + o) = (w * s) * x + w * o, so the scale goes into the weights and the offset into the
    bias. A first convolution that pads its normalised input with zeros pads the raw input with -o / s
    instead: this becomes an nn.pad with that value, and on the chip the padding value of the image
    layer. Where the channels have different -o / s, the input is scaled per channel so that all have 1.
    Exact in real numbers.
    """

    name = "fold-input"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module whose first layer reads the raw input."""
        return rewrite(module, _merge_scalings, _fold_leading, _move_behind_layout, _move_before_pad)


def _merge_scalings(editor: Editor, op: Op) -> bool:
    """Two leading scalings in a row are one."""
    first = scaling_of(editor, op)
    behind = editor.user(op.name)
    second = scaling_of(editor, behind) if behind is not None else None
    if first is None or second is None or behind is None or not is_leading(editor, op):
        return False
    both = Scaling(*np.broadcast_arrays(first.scale * second.scale, first.shift * second.scale + second.shift))
    editor.replace((op, behind), affine(editor, both, op.operands[0], behind.result, op, behind))
    return True


def affine(editor: Editor, scaling: Scaling, x: str, result: Value, *replaced: Op) -> nn.Affine:
    """An nn.affine for a scaling; one number where all channels agree."""
    fields: dict[str, float | WeightName] = {}
    for key, numbers in (("scale", scaling.scale), ("shift", scaling.shift)):
        same = numbers.ndim == 0 or (numbers == numbers.flat[0]).all()
        fields[key] = float(numbers.flat[0]) if same else WeightName(editor.weight(f"{result.name}.{key}", numbers))
    return editor.make(nn.Affine, result.name, replaced, x=x, **fields)


def _fold_leading(editor: Editor, op: Op) -> bool:
    return bool(op.operands) and is_leading(editor, op) and fold_forward(editor, op)


def _move_behind_layout(editor: Editor, op: Op) -> bool:
    """normalise with one number, layout, convolve -> layout, normalise, convolve."""
    if not isinstance(op, nn.Affine) or not is_leading(editor, op):
        return False
    behind = editor.user(op.name)
    if not isinstance(behind, nn.Reshape | nn.Permute) or not (
        isinstance(op.scale, float) and isinstance(op.shift, float)
    ):
        return False
    layout = editor.retyped(evolve(behind, x=op.x, result=Value(editor.name(f"{behind.name}_raw"), behind.type)))
    editor.replace((op, behind), layout, evolve(op, x=layout.name, result=behind.result))
    return True


def _move_before_pad(editor: Editor, op: Op) -> bool:
    """normalise, zero padding, convolve -> pad with what becomes zero, convolve."""
    scaling = scaling_of(editor, op)
    if scaling is None or not is_leading(editor, op) or not np.any(scaling.shift):
        return False
    pad, conv = _padded_convolution(editor, op)
    if conv is None:
        return False
    channels = scaling.filling(op.type.shape).per_channel()
    assert channels is not None
    value = (0.0 if pad is None else pad.value) - channels.shift
    if not np.all(channels.scale) or (np.any(conv.pad) and pad is not None and pad.value):
        return False
    border = value / channels.scale
    if (border == border[0]).all():
        _pad_raw(editor, op, pad, conv, channels, float(border[0]))
        return True
    if not (border > 0).all():
        return False
    _pad_ones(editor, op, pad, conv, channels, border)
    return True


def _padded_convolution(editor: Editor, op: Op) -> tuple[nn.Pad | None, nn.Conv | None]:
    behind = editor.user(op.name)
    pad = behind if isinstance(behind, nn.Pad) else None
    conv = editor.user(pad.name) if pad is not None else behind
    return pad, conv if isinstance(conv, nn.Conv) else None


def _pad_raw(editor: Editor, op: Op, pad: nn.Pad | None, conv: nn.Conv, channels: Scaling, border: float) -> None:
    """All channels agree on the border: the raw input is padded."""
    padding = _border(editor, op.operands[0], op, pad, conv, border)
    _finish(editor, op, pad, conv, (padding,), channels)


def _pad_ones(editor: Editor, op: Op, pad: nn.Pad | None, conv: nn.Conv, channels: Scaling, border: Any) -> None:
    """Channels differ: scale each so that its border is 1."""
    scaled = affine(editor, Scaling(1 / border, np.zeros_like(border)), op.operands[0], op.result, op)
    padding = _border(editor, scaled.name, op, pad, conv, 1.0, scaled)
    _finish(editor, op, pad, conv, (scaled, padding), Scaling(channels.scale * border, channels.shift))


def _border(editor: Editor, x: str, op: Op, pad: nn.Pad | None, conv: nn.Conv, value: float, *after: Op) -> nn.Pad:
    sides = np.add((0, 0, 0, 0) if pad is None else pad.pad, conv.pad)
    replaced = (op,) if pad is None else (op, pad)
    name = editor.name(f"{conv.name}_padded") if pad is None else pad.name
    return editor.make(nn.Pad, name, replaced, x=x, pad=tuple(int(n) for n in sides), value=value, after=after)


def _finish(
    editor: Editor, op: Op, pad: nn.Pad | None, conv: nn.Conv, front: tuple[Op, ...], channels: Scaling
) -> None:
    bare = evolve(conv, x=front[-1].name, pad=(0, 0, 0, 0))
    shape = front[-1].type.shape
    layer = absorbed(editor, bare, channels.filling(shape))
    assert layer is not None
    old = (op, conv) if pad is None else (op, pad, conv)
    editor.replace(old, *front, layer)
