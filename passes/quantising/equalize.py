# SPDX-License-Identifier: Apache-2.0
"""equalize: channels between two layers are scaled so that levels and weights are used evenly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.evaluate import Array, sample_inputs, values
from akc.passes.shared.numbers.signs import activations
from akc.passes.shared.rewriting.affine import with_weights
from akc.passes.shared.rewriting.chains import Group
from akc.passes.shared.rewriting.identities import is_identity
from akc.passes.shared.rewriting.legal_chain import legal_chain
from akc.passes.shared.rewriting.rewrite import Editor, Floats

LIMIT = 16.0
"""No channel is scaled by more than this, or less than one over it."""


REACH_SHARE = 0.75
"""How far the balance leans to even activations; sqrt(R / M) would be 0.5. Measured on a DS-CNN for
Fashion-MNIST: 89.8 % of 10,000 against 89.6 % with 0.5 and 89.4 % with 1."""


@frozen
class Equalize:
    """Scale channel c of a layer down by t and the weights behind it up by t; exact in real numbers.

    A ReLU lets a positive factor through. All channels of a value share the size of a level, and all weights
    of a filter share a step, so with R the largest activation of the channel and M its largest weight
    behind (relative to the largest of the same filter), t = R**0.75 / M**0.25 balances the two errors
    (cross-layer equalisation after Nagel et al., Data-Free Quantization, 2019). Does nothing without
    samples; a layer whose activation is clipped is left alone.
    """

    name = "equalize"
    requires = "mappable"
    ensures = None
    preserves = "values"
    reads = ("samples",)

    samples: int = field(default=256, validator=validators.gt(0))
    """How many of the samples are used, from the first."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with scaled weights; recorded ranges of scaled layers are dropped."""
        chain = legal_chain(module, context.target.numbers)
        pairs = [pair for s in chain.segments for pair in _pairs(s.groups, module)]
        if not pairs or context.samples is None:
            return module
        stream = values(module, sample_inputs(module, context.samples, self.samples))
        wanted = activations(module)
        reach = {name: _reach(array) for name, array in stream if name in wanted}
        editor = Editor(module)
        for first, between, second in pairs:
            if _equalise(editor, first, second, reach[first.activation.name]):  # type: ignore[union-attr]
                for group in between:
                    _forget_ranges(editor, group)
        return editor.finish()


def _pairs(groups: tuple[Group, ...], module: Module) -> Iterator[tuple[Group, tuple[Group, ...], Group]]:
    """Layers that a factor can go between, and the identities in between, which hand it on."""
    layers = [i for i, group in enumerate(groups) if not is_identity(group.core, module)]
    for first, second in pairwise(layers):
        if all(_scalable(group) for group in groups[first:second]):
            yield groups[first], groups[first + 1 : second], groups[second]


def _reach(array: Array) -> Floats:
    """The largest activation of each channel, a few outliers aside."""
    return np.quantile(array.reshape(-1, array.shape[-1]), 0.999, axis=0).astype(np.float64)


def _scalable(group: Group) -> bool:
    return isinstance(group.activation, nn.Relu)


def _equalise(editor: Editor, first: Group, second: Group, reach: Floats) -> bool:
    columns = _columns(editor, second, len(reach))
    if columns is None or not (reach > 0).any():
        return False
    weight = columns / np.maximum(columns.max(axis=1, keepdims=True), 1e-12)
    largest = np.maximum(weight.max(axis=0), 1e-3)
    factor = np.maximum(reach, reach.max() * 1e-3) ** REACH_SHARE / largest ** (1 - REACH_SHARE)
    factor = _short(np.clip(factor / np.median(factor), 1 / LIMIT, LIMIT))
    _scale_rows(editor, first, 1 / factor)
    _scale_columns(editor, second, factor)
    return True


def _short(factor: Floats) -> Floats:
    """Factors to 8 bits, whose last bits no library's powers and quantiles can move."""
    mantissa, exponent = np.frexp(factor)
    return np.asarray(np.ldexp(np.rint(mantissa * 256), exponent - 8))


def _current(editor: Editor, op: nn.Dense | nn.Conv) -> nn.Dense | nn.Conv:
    """The op as it stands now, under its name."""
    found = editor.producer(op.name)
    assert isinstance(found, nn.Dense | nn.Conv)
    return found


def _columns(editor: Editor, group: Group, channels: int) -> Floats | None:
    """Magnitudes [filters, channels] of the weights that read each channel."""
    op = _current(editor, group.core)
    weight = np.abs(editor.array(op.weight))
    if group.depthwise:
        pointwise = np.abs(editor.array(group.filters_op.weight)).reshape(-1, channels)
        return np.asarray(pointwise * weight.reshape(channels, -1).max(axis=1))
    if isinstance(op, nn.Conv):
        return np.asarray(weight.max(axis=(1, 2)))
    if weight.shape[1] % channels:
        return None
    return np.asarray(weight.reshape(len(weight), -1, channels).max(axis=1))


def _scale_rows(editor: Editor, group: Group, factor: Floats) -> None:
    op = _current(editor, group.filters_op)
    weight = editor.array(op.weight)
    bias = None if op.bias is None else editor.array(op.bias) * factor
    scaled = with_weights(editor, op, weight * factor.reshape(-1, *(1,) * (weight.ndim - 1)), bias)
    editor.replace((op,), scaled)
    _forget_ranges(editor, group)


def _forget_ranges(editor: Editor, group: Group) -> None:
    for one in group.ops:
        old = editor.producer(one.name)
        if old is not None and old.result.range is not None:
            editor.replace((old,), evolve(old, result=evolve(old.result, range=None)))


def _scale_columns(editor: Editor, group: Group, factor: Floats) -> None:
    op = _current(editor, group.core)
    weight = editor.array(op.weight)
    if group.depthwise:
        scaled = weight * factor.reshape(-1, 1, 1, 1)
    elif isinstance(op, nn.Conv):
        scaled = weight * factor
    else:
        scaled = weight * np.tile(factor, weight.shape[1] // len(factor))
    editor.replace((op,), evolve(op, weight=editor.weight(op.weight, scaled, op)))
