# SPDX-License-Identifier: Apache-2.0
"""Per-channel scale and shift: folding it into the layer in front or into the layer behind."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.ir.fields import WeightName
from akc.ir.module import Op, Value, merged_comments, merged_origin
from akc.ir.ops import nn
from akc.passes.shared.rewriting.rewrite import Editor, Floats


@frozen(eq=False)
class Scaling:
    """x * scale + shift; both have the shape of the value they act on."""

    scale: Floats
    shift: Floats

    def reshaped(self, shape: tuple[int, ...]) -> Scaling:
        """After a row-major reshape of the value."""
        return Scaling(self.scale.reshape(shape), self.shift.reshape(shape))

    def transposed(self, order: tuple[int, ...]) -> Scaling:
        """After a permutation of the value's axes."""
        return Scaling(self.scale.transpose(order), self.shift.transpose(order))

    def per_channel(self) -> Scaling | None:
        """[channels] vectors, or None where the numbers differ between positions of one channel."""
        flat = self.reshaped((-1, self.scale.shape[-1])) if self.scale.ndim else self.reshaped((1, 1))
        same = (flat.scale == flat.scale[0]).all() and (flat.shift == flat.shift[0]).all()
        return Scaling(flat.scale[0], flat.shift[0]) if same else None

    def filling(self, shape: tuple[int, ...]) -> Scaling:
        """[channels] vectors spread over a value of this shape."""
        return Scaling(np.broadcast_to(self.scale, shape).copy(), np.broadcast_to(self.shift, shape).copy())


def scaling_of(editor: Editor, op: Op) -> Scaling | None:
    """The scale and shift of a batch normalisation or an affine op, [channels] or []; None for other ops."""
    if isinstance(op, nn.BatchNorm):
        scale = editor.array(op.scale) / np.sqrt(editor.array(op.variance) + op.epsilon)
        return Scaling(scale, editor.array(op.shift) - editor.array(op.mean) * scale)
    if isinstance(op, nn.Affine):
        scale, shift = (
            editor.array(v) if isinstance(v, WeightName) else np.asarray(v, np.float64) for v in (op.scale, op.shift)
        )
        scale, shift = np.broadcast_arrays(scale, shift)
        return Scaling(scale.astype(np.float64), shift.astype(np.float64))
    return None


def fold_back(editor: Editor, op: Op) -> bool:
    """Rule: layer, then scaling -> the layer with scaled weights and bias. Exact."""
    scaling = scaling_of(editor, op)
    layer = editor.producer(op.operands[0]) if scaling is not None else None
    if scaling is None or not isinstance(layer, nn.Dense | nn.Conv) or editor.user(layer.name) is not op:
        return False
    units = editor.weights[layer.weight].type.shape[0]
    scale, shift = np.broadcast_to(scaling.scale, units), np.broadcast_to(scaling.shift, units)
    weight = editor.array(layer.weight)
    bias = (0.0 if layer.bias is None else editor.array(layer.bias)) * scale + shift
    layer = with_step(editor, layer, scale)
    folded = evolve(
        with_weights(editor, layer, weight * scale.reshape(-1, *(1,) * (weight.ndim - 1)), bias),
        result=Value(op.name, op.type, _expected_range(editor, op)),
        origin=merged_origin(layer, op),
        comments=merged_comments(layer, op),
    )
    editor.replace((layer, op), folded)
    return True


def swap_pool(editor: Editor, op: Op) -> bool:
    """Rule: layer, max pool, then scaling by positive factors -> layer, scaling, pool. Exact."""
    scaling = scaling_of(editor, op)
    pool = editor.producer(op.operands[0]) if scaling is not None else None
    if scaling is None or not isinstance(op, nn.BatchNorm | nn.Affine) or not isinstance(pool, nn.MaxPool):
        return False
    if (
        editor.user(pool.name) is not op
        or not (scaling.scale > 0).all()
        or not isinstance(editor.producer(pool.x), nn.Dense | nn.Conv)
    ):
        return False
    before = editor.type_of(pool.x)
    moved = evolve(op, x=pool.x, result=Value(editor.name(f"{op.name}.unpooled"), before), comments=())
    behind = evolve(pool, x=moved.name, result=op.result, comments=merged_comments(pool, op))
    editor.replace((pool, op), moved, behind)
    return True


SPREAD = 4.0
"""Standard deviations around the mean that a batch-normalised value is taken to reach."""


def _expected_range(editor: Editor, op: Op) -> tuple[float, float] | None:
    """What batch-norm statistics say about its result, per channel mean `shift` and deviation `scale`."""
    if op.result.range is not None or not isinstance(op, nn.BatchNorm):
        return op.result.range
    mean, deviation = editor.array(op.shift), np.abs(editor.array(op.scale))
    return float((mean - SPREAD * deviation).min()), float((mean + SPREAD * deviation).max())


def with_weights(editor: Editor, layer: nn.Dense | nn.Conv, weight: Floats, bias: Floats | None) -> nn.Dense | nn.Conv:
    """The layer with other numbers, under its own weight names."""
    bias_name = layer.bias or f"{layer.weight.removesuffix('.weight')}.bias"
    return evolve(
        layer,
        weight=editor.weight(layer.weight, weight, layer),
        bias=None if bias is None else editor.weight(bias_name, bias, layer),
    )


def with_step(editor: Editor, layer: nn.Dense | nn.Conv, factor: Floats) -> nn.Dense | nn.Conv:
    """The layer with the step of its weights, where they were whole numbers, times a factor of each filter."""
    if layer.weight_step is None:
        return layer
    return evolve(layer, weight_step=editor.weight(layer.weight_step, editor.array(layer.weight_step) * factor, layer))


def without_step(layer: nn.Dense | nn.Conv) -> nn.Dense | nn.Conv:
    """The layer, whose weights are no whole numbers any more."""
    return evolve(layer, weight_step=None)


def fold_forward(editor: Editor, op: Op) -> bool:
    """Rule: scaling, layout and pooling, then layer -> the layer with scaled weights and bias. Exact.

    A convolution that pads takes a scale but no shift this way: its border holds zeros, not the shift.
    """
    scaling = scaling_of(editor, op)
    if scaling is None:
        return False
    between, reached = _follow(editor, op, scaling.filling(op.type.shape))
    layer = editor.user(between[-1].name if between else op.name)
    if reached is None or not isinstance(layer, nn.Dense | nn.Conv):
        return False
    folded = absorbed(editor, layer, reached)
    if folded is None:
        return False
    editor.replace((layer,), evolve(folded, origin=merged_origin(op, layer), comments=merged_comments(op, layer)))
    editor.replace((op,))
    return True


def absorbed(editor: Editor, layer: nn.Dense | nn.Conv, scaling: Scaling) -> nn.Dense | nn.Conv | None:
    """A layer on x that gives what `layer` gives on x * scale + shift; None where that is not exact."""
    channels = scaling.per_channel()
    if channels is None or (isinstance(layer, nn.Conv) and any(layer.pad) and channels.shift.any()):
        return None
    weight = editor.array(layer.weight)
    scale, shift = channels.scale, channels.shift
    one = np.unique(scale)
    layer = with_step(editor, layer, one) if len(one) == 1 else without_step(layer)
    if isinstance(layer, nn.Conv) and layer.groups > 1:
        filters, inputs = weight.shape[0], weight.shape[3]
        group = np.arange(filters) // (filters // layer.groups)
        columns = group[:, None] * inputs + np.arange(inputs)
        scale, shift = (v[columns][:, None, None, :] for v in (scale, shift))
    bias = 0.0 if layer.bias is None else editor.array(layer.bias)
    moved = (weight * shift).sum(axis=tuple(range(1, weight.ndim)))
    keeps_none = layer.bias is None and not shift.any()
    return with_weights(editor, layer, weight * scale, None if keeps_none else bias + moved)


def _follow(editor: Editor, op: Op, scaling: Scaling) -> tuple[list[Op], Scaling | None]:
    """The ops that a scaling can slide past, and what it is behind them; None where one stops it."""
    passed: list[Op] = []
    here: Op | None = editor.user(op.name)
    while here is not None and not isinstance(here, nn.Dense | nn.Conv):
        behind = _behind(here, scaling)
        if behind is None:
            return passed, None
        passed.append(here)
        scaling, here = behind, editor.user(here.name)
    return passed, scaling


def _behind(op: Op, scaling: Scaling) -> Scaling | None:
    """The scaling behind an op that it commutes with."""
    if isinstance(op, nn.Reshape):
        return scaling.reshaped(op.shape)
    if isinstance(op, nn.Permute):
        return scaling.transposed(op.order)
    channels = scaling.per_channel()
    if channels is None:
        return None
    commutes = (
        (isinstance(op, nn.MaxPool) and (channels.scale > 0).all())
        or (isinstance(op, nn.AveragePool) and not any(op.pad) and not op.ceil_mode)
        or (isinstance(op, nn.Mean) and scaling.scale.ndim - 1 not in op.axes)
    )
    return channels.filling(op.type.shape) if commutes else None


def is_leading(editor: Editor, op: Op) -> bool:
    """Whether nothing but layout stands between the net's input and this op."""
    before = editor.producer(op.operands[0])
    return before is None or (isinstance(before, nn.Reshape | nn.Permute | nn.Cast) and is_leading(editor, before))
