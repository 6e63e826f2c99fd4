# SPDX-License-Identifier: Apache-2.0
"""The numbers of one chip layer from a group of float ops, and from samples where there are some."""

from __future__ import annotations

from math import ceil, log2, prod
from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Value, merged_comments, merged_origin
from akc.ir.ops import akida, nn
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.passes.shared.numbers.evidence import SLOPES, Evidence, thinned
from akc.passes.shared.numbers.layer import Array, Layer, Numbers, cells, spatial
from akc.passes.shared.numbers.quantisation import (
    Floats,
    decoding,
    smallest_scale,
    threshold_and_step,
)
from akc.passes.shared.numbers.rounding import (
    WEIGHT_TYPES,
    exact_scale,
    largest_scale,
    least_error_scale,
    round_nearest,
    round_with_feedback,
)

WIDEST = 6000
"""Inputs of a filter beyond which error feedback is too large a matrix; weights are then rounded to the nearest."""


def quantise(layer: Layer) -> Numbers:
    """The numbers of a layer."""
    if isinstance(layer.group.core, nn.Dense):
        return _dense(layer)
    return _separable(layer) if layer.group.depthwise else _convolution(layer, layer.group.core)


def _dense(layer: Layer) -> Numbers:
    matrix = layer.array(layer.group.core.weight)
    x = layer.x.samples
    rows = None if x is None else thinned(x.reshape(len(x), -1))
    beta = layer.bias + layer.x.levels.offset * matrix.sum(axis=1)
    whole, threshold, act_step = _rounded(layer, matrix, beta, rows, layer.x.levels.step)
    return _numbers(layer, akida.FullyConnected, {"weights": whole}, {}, threshold, act_step)


def _convolution(layer: Layer, conv: nn.Conv) -> Numbers:
    weight = layer.array(conv.weight)
    matrix = weight.reshape(len(weight), -1)
    x = layer.x.samples
    rows = None if x is None else thinned(layer.windows(x, weight.shape[1:3], conv.stride))
    beta = layer.bias + layer.x.levels.offset * matrix.sum(axis=1)
    whole, threshold, act_step = _rounded(layer, matrix, beta, rows, layer.x.levels.step)
    kind: type[akida.Layer] = akida.Convolutional if layer.image is None else akida.InputConvolutional
    more = spatial(layer, conv)
    if layer.image is not None:
        more["padding_value"] = layer.border if layer.padding == "same" else 0
    return _numbers(layer, kind, {"weights": whole.reshape(weight.shape)}, more, threshold, act_step)


def _separable(layer: Layer) -> Numbers:
    """Each depthwise kernel has a weight step of its own, which goes into its column of the pointwise part."""
    core, pointwise = layer.group.core, layer.group.pointwise
    assert isinstance(core, nn.Conv) and pointwise is not None
    kernels = layer.array(core.weight)
    size = kernels.shape[1:3]
    flat = kernels.reshape(len(kernels), -1)
    x = layer.x.samples
    windows = None if x is None else thinned(layer.windows(x, size, core.stride)).reshape(-1, prod(size), len(flat))
    depthwise, step = _depthwise(layer, flat, windows)
    mixed = layer.array(pointwise.weight).reshape(-1, len(flat))
    inner = layer.x.levels.offset * flat.sum(axis=1)
    if core.bias is not None:
        inner = inner + layer.array(core.bias)
    rows = None if windows is None else np.einsum("nkc,ck->nc", windows, depthwise.astype(np.float32), optimize=True)
    beta = layer.bias + mixed @ inner
    whole, threshold, act_step = _rounded(layer, mixed * step, beta, rows, layer.x.levels.step)
    parts = {"weights": depthwise.reshape(-1, *size), "pointwise": whole}
    return _numbers(layer, akida.SeparableConvolutional, parts, spatial(layer, core), threshold, act_step)


def _depthwise(layer: Layer, flat: Floats, windows: Array | None) -> tuple[Floats, Floats]:
    """Whole depthwise kernels [channels, cells], and the weight step of each.

    windows: samples [windows, cells, channels] of levels, or None.
    """
    if windows is None or layer.inner_target is None:
        step = _scale(layer, flat, None)
        return round_nearest(flat, step, layer.bits), step
    target = thinned(layer.inner_target.reshape(-1, len(flat)))
    whole, steps = np.zeros_like(flat), np.zeros(len(flat))
    for start in range(0, len(flat), SIDE_BY_SIDE):
        part = slice(start, start + SIDE_BY_SIDE)
        evidence = Evidence.of(windows[:, :, part].transpose(2, 0, 1), target[:, part].T[:, :, None])
        kernels = flat[part, None]
        if layer.choices.feedback:
            kernels = evidence.adjusted(kernels * layer.x.levels.step) / layer.x.levels.step
        step = _scale(layer, kernels, evidence)
        whole[part] = _whole(layer, kernels, step, evidence)[:, 0]
        steps[part] = step[:, 0]
    return whole, steps


SIDE_BY_SIDE = 8
"""Depthwise kernels whose samples are looked at together: as many as a cache holds."""


def _numbers(
    layer: Layer,
    kind: type[akida.Layer],
    parts: dict[str, Floats],
    more: dict[str, Any],
    threshold: Array,
    act_step: Array,
) -> Numbers:
    dtype = WEIGHT_TYPES[layer.bits]
    factor = decoding_factor(1 / act_step.min()) if layer.decoded else 1.0
    return Numbers(
        kind=kind,
        weights={key: (part, dtype) for key, part in parts.items()},
        more=more,
        threshold=threshold,
        act_step=(act_step * factor).astype(act_step.dtype),
        levels=layer.out,
        factor=factor,
    )


# -- rounding ----------------------------------------------------------------------------------------


def _rounded(
    layer: Layer, matrix: Floats, beta: Floats, rows: Array | None, step: float
) -> tuple[Floats, Array, Array]:
    """Whole weights, threshold and act_step for y = step * matrix @ q + beta.

    rows: samples of q, [windows, inputs], thinned, or None.
    """
    evidence = _evidence(rows, layer.target, len(matrix))
    summed = cells(layer)
    exact = _exact_scale(layer, matrix, beta, rows, step)
    kept = np.isfinite(exact)
    if evidence is not None and layer.choices.feedback and matrix.shape[1] <= WIDEST:
        matrix = np.where(kept[:, None], matrix, evidence.adjusted(matrix * step) / step)
    scale = np.where(kept, exact, _scale(layer, matrix, evidence))
    if layer.decoded:
        scale = np.maximum(
            scale, decoding_factor((step * scale).max() / summed) * summed / step / largest_decoding_step(layer)
        )
    else:
        scale = np.maximum(scale, smallest_scale(np.full(len(matrix), step / summed), beta, layer.out, layer.registers))
    whole = _whole(layer, matrix, scale, evidence)
    whole = np.where(kept[:, None], round_nearest(matrix, scale, layer.bits), whole)
    alpha = step * scale
    if evidence is not None:
        fitted = evidence.line(whole, alpha)
        alpha, beta = np.where(kept, alpha, fitted[0]), np.where(kept, beta, fitted[1])
    if layer.decoded:
        return whole, *decoding(alpha / summed, beta)
    return whole, *threshold_and_step(alpha / summed, beta, layer.out, layer.registers)


def _exact_scale(layer: Layer, matrix: Floats, beta: Floats, rows: Array | None, step: float) -> Floats:
    """The scale of each row that loses nothing, where nothing was lost in front either; nan for the others.

    Samples show what was lost: there a fit makes good for it, and there is nothing to fit where levels and
    weights are the source's own.
    """
    scale = exact_scale(matrix, layer.bits)
    if layer.choices.per_layer or np.isnan(scale).all():
        return np.full(len(matrix), np.nan)
    if rows is not None and layer.target is not None:
        target = thinned(layer.target.reshape(-1, len(matrix)))
        missed = np.abs(rows @ (matrix * step).T + beta - target).max(axis=0)
        scale = np.where(missed <= LOSSLESS * (np.abs(target).max(axis=0) + 1e-12), scale, np.nan)
    return scale


LOSSLESS = 1e-5
"""How far float sums may differ, as a share of the largest, that are the same but for their order."""


def largest_decoding_step(layer: Layer) -> float:
    """The largest act_step of a layer without activation, less what a fitted slope may add."""
    return SLOPES[0] * layer.chip.decoding[isinstance(layer.group.core, nn.Dense)]


MOST_IN_A_UNIT = 16
"""What a unit of potential can be worth, since an act_step is at least 1/16."""


def decoding_factor(unit: float) -> float:
    """The power of two by which the answers of a last layer are too large to be decoded; `unit`: the worth of one."""
    return max(1.0, 2.0 ** ceil(log2(unit / MOST_IN_A_UNIT)))


def _evidence(rows: Array | None, target: Array | None, count: int) -> Evidence | None:
    if rows is None or target is None:
        return None
    return Evidence.of(rows, thinned(target.reshape(-1, count)))


def _scale(layer: Layer, matrix: Floats, evidence: Evidence | None) -> Floats:
    """The weight step of each row."""
    choices = layer.choices
    if choices.least_error:
        importance = np.ones(matrix.shape[-1]) if evidence is None else evidence.variances + 1e-9
        return least_error_scale(matrix, layer.bits, importance, choices.per_layer)
    step = largest_scale(matrix, layer.bits)
    return np.broadcast_to(step.max(axis=-1, keepdims=True), step.shape) if choices.per_layer else step


def _whole(layer: Layer, matrix: Floats, scale: Floats, evidence: Evidence | None) -> Floats:
    if evidence is None or not layer.choices.feedback or matrix.shape[-1] > WIDEST:
        return round_nearest(matrix, scale, layer.bits)
    return round_with_feedback(matrix, scale, layer.bits, evidence.moments)


# -- the op ------------------------------------------------------------------------------------------


def chip_layer(layer: Layer, numbers: Numbers, name: str, weights: dict[str, str]) -> akida.Layer:
    """The akida op of a group; `weights` maps its weight fields to names."""
    fields: dict[str, Any] = {**weights, **numbers.more}
    draft = numbers.kind(
        result=Value(name, TensorType("f32", ())),
        x=layer.x.value.name,
        activation=not layer.decoded,
        act_bits=1 if layer.decoded else layer.act_bits,
        origin=merged_origin(*layer.group.ops),
        comments=merged_comments(*layer.group.ops),
        **fields,
    )
    kinds = {weights[key]: TensorType(dtype, part.shape) for key, (part, dtype) in numbers.weights.items()}
    kinds |= {weights["threshold"]: TensorType("i32", numbers.threshold.shape)}
    kinds |= {weights["act_step"]: TensorType("f32", numbers.act_step.shape)}
    kind = draft.infer(Types({layer.x.value.name: layer.x.value.type}, kinds))
    return evolve(draft, result=Value(name, kind))
