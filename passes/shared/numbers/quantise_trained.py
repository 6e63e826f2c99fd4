# SPDX-License-Identifier: Apache-2.0
"""The numbers of a chip layer whose weights, and perhaps levels, the source had quantised: kept as they are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from attrs import evolve

from akc.ir.ops import akida, nn
from akc.passes.shared.numbers.layer import Array, Layer, Numbers, cells, chip_levels, spatial
from akc.passes.shared.numbers.quantisation import decoding, threshold_and_step
from akc.passes.shared.numbers.quantise_layer import decoding_factor, largest_decoding_step
from akc.passes.shared.numbers.rounding import WEIGHT_TYPES, limits
from akc.passes.shared.numbers.staircases import Fit, as_fraction
from akc.passes.shared.numbers.trained import Kept, Row, Whole, fitted, summed_up, weight_steps, whole_weights
from akc.passes.shared.rewriting.identities import is_identity
from akc.sim.integer import POTENTIAL_MAX

WHOLE = 1e-4
"""How far from whole a shift in units of potential may be that host.decode's threshold says."""

Parts = tuple[Whole, Whole | None, list[Row]]
"""Whole weights of the core, those of the 1x1 part of a separable layer, and the filters."""


def trained_numbers(layer: Layer) -> Numbers | None:
    """The numbers of a layer that was trained with whole-number weights that the chip has; None for all others."""
    parts = _separable(layer) if layer.group.depthwise else _plain(layer)
    if parts is None:
        return None
    if layer.decoded:
        return _decoded(layer, parts)
    name, origin = _named(layer)
    quantiser = chip_levels(layer.group.activation, layer.chip)
    if quantiser is not None:
        fits = fitted(quantiser, parts[2], largest(layer), (layer.registers, _potential(layer)))
        return evolve(_numbers(layer, parts, fits), kept=_judged(layer, summed_up(name, origin, fits)))
    alpha = np.array([float(row.alpha) or 1.0 for row in parts[2]])
    beta = np.array([float(row.beta) for row in parts[2]])
    threshold, act_step = threshold_and_step(alpha, beta, layer.out, layer.registers)
    numbers = _numbers(layer, parts, threshold=threshold, act_step=act_step)
    other = layer.group.activation
    why = f"{other.top + 1} levels behind it; the chip gives {_counts(layer)}" if isinstance(other, nn.Levels) else ""
    return evolve(numbers, kept=Kept(layer=name, origin=origin, why=why or "no quantiser behind it"))


def why_not_kept(layer: Layer) -> str | None:
    """What of a layer that the source had quantised has to be quantised again, in words; None where it had not."""
    quantiser, core = layer.group.activation, layer.group.core
    if core.weight_step is None and is_identity(core, layer.module):
        return None
    if core.weight_step is None:
        return "its weights are no whole numbers of steps" if isinstance(quantiser, nn.Levels) else None
    found = [whole_weights(layer.module, op) for op in dict.fromkeys((core, layer.group.filters_op))]
    if any(one is None for one in found):
        return "its weights are no whole numbers of steps"
    limit, every = (
        largest(layer),
        np.concatenate([one.reshape(-1) for one in found if one is not None]),
    )
    if np.abs(every).max(initial=0) > limit:
        return f"weights from {every.min()} to {every.max()}; the chip has -{limit} to {limit} there"
    if layer.decoded:
        return "its potentials are worth less than can be decoded"
    return "the kernels that a filter reads have steps of several sizes"


def _counts(layer: Layer) -> str:
    *others, last = (str(2**bits) for bits in sorted(layer.chip.widths))
    return f"{', '.join(others)} or {last}" if others else last


def _named(layer: Layer) -> tuple[str, tuple[str, ...]]:
    return layer.group.last.name, tuple(dict.fromkeys(name for op in layer.group.ops for name in op.origin))


def _judged(layer: Layer, kept: Kept) -> Kept:
    """The same, with what keeps its levels from being the source's besides its own boundaries."""
    core = layer.group.core
    if layer.x.trained is None:
        return evolve(kept, why="what it reads has no levels of the source")
    if layer.image is None and isinstance(core, nn.Conv) and any(core.pad) and layer.x.trained.zero:
        return evolve(kept, why=f"it pads with 0, which is level {layer.x.trained.zero:g}; the mesh pads with level 0")
    return kept


def largest(layer: Layer) -> int:
    """The largest weight that the chip has there."""
    on_image = layer.chip.image if layer.image is not None else None
    return int(limits(max(layer.chip.widths) if on_image is None else on_image.bits)[1])


def _potential(layer: Layer) -> int:
    """The largest potential; pools cut potentials to 20 bits in the image layer, too."""
    return POTENTIAL_MAX if layer.image is None or layer.group.pool is not None else layer.registers.threshold


# -- integers -----------------------------------------------------------------------------------------


def _plain(layer: Layer) -> Parts | None:
    """A dense layer or a convolution."""
    core = layer.group.core
    whole, steps = whole_weights(layer.module, core), weight_steps(layer.module, core)
    if whole is None or steps is None or (layer.x.trained is None and core.weight_step is None):
        return None
    if np.abs(whole).max(initial=0) > largest(layer):
        return None
    matrix = whole.reshape(len(whole), -1)
    found = [
        _row(layer, weights, weights, float(step), float(shift))
        for weights, step, shift in zip(matrix, steps, layer.bias)
    ]
    return whole, None, found


def _row(layer: Layer, stored: Whole, effective: Whole, step: float, shift: float) -> Row:
    """A filter of whole weights in steps; effective: the weights of all cells that its sum runs over."""
    x, count = layer.x, cells(layer)
    levels = x.trained
    worth = as_fraction(levels.scale) if levels is not None else Fraction(x.levels.step)
    offset = -worth * Fraction(levels.zero) if levels is not None else Fraction(x.levels.offset)
    alpha = Fraction(step) * worth / count
    beta = Fraction(shift) + Fraction(step) * offset * int(effective.sum())
    if alpha < 0:
        stored, effective, alpha = -stored, -effective, -alpha
    if not alpha:
        stored, effective = stored * 0, effective * 0
    low, high = (int(part(effective, 0).sum()) * x.top * count for part in (np.minimum, np.maximum))
    return Row(weights=stored, alpha=alpha, beta=beta, span=(low, high))


def _separable(layer: Layer) -> Parts | None:
    """A depthwise and a 1x1 convolution: exact where the kernels that a filter reads have steps of one size."""
    core, pointwise = layer.group.core, layer.group.pointwise
    if not isinstance(core, nn.Conv) or pointwise is None or core.weight_step is None:
        return None
    outer = weight_steps(layer.module, pointwise)
    kernels, mixed = whole_weights(layer.module, core), whole_weights(layer.module, pointwise)
    if (
        kernels is None
        or mixed is None
        or outer is None
        or max(np.abs(kernels).max(), np.abs(mixed).max()) > largest(layer)
    ):
        return None
    inner = layer.array(core.weight_step)
    kernels = kernels.reshape(len(kernels), -1) * np.where(inner < 0, -1, 1)[:, None]
    mixed, inner = mixed.reshape(len(mixed), -1), np.abs(inner)
    shifts = np.zeros(len(kernels)) if core.bias is None else layer.array(core.bias)
    rows: list[Row] = []
    for weights, step, shift in zip(mixed, outer, layer.bias):
        used = np.unique(inner[weights != 0])
        if len(used) > 1:
            return None
        effective = (weights[:, None] * kernels).reshape(-1)
        size = float(used[0]) if len(used) else 1.0
        rows.append(_scaled_row(layer, weights, effective, (float(step), size), float(shift + weights @ shifts * step)))
    return kernels, mixed, rows


def _scaled_row(layer: Layer, stored: Whole, effective: Whole, steps: tuple[float, float], shift: float) -> Row:
    """As _row, with the product of two steps, which is not rounded."""
    row = _row(layer, stored, effective, steps[0], shift)
    inner = Fraction(steps[1])
    offset = (row.beta - Fraction(shift)) * (inner - 1)
    return Row(weights=row.weights, alpha=row.alpha * inner, beta=row.beta + offset, span=row.span)


# -- numbers ------------------------------------------------------------------------------------------


def _numbers(
    layer: Layer,
    parts: Parts,
    fits: list[Fit] | None = None,
    threshold: Array | None = None,
    act_step: Array | None = None,
) -> Numbers:
    """The layer's fields from its integers and fits, or from its integers, thresholds and steps."""
    core, mixed, rows = parts
    stored = np.stack([row.weights for row in rows] if fits is None else [r.times(f.times) for r, f in zip(rows, fits)])
    arrays = {"weights": stored} if mixed is None else {"weights": core, "pointwise": stored}
    conv = layer.group.core
    more = spatial(layer, conv) if isinstance(conv, nn.Conv) else {}
    if layer.image is not None:
        more["padding_value"] = layer.border if layer.padding == "same" else 0
    shape = layer.module.weights[conv.weight].type.shape
    if isinstance(conv, nn.Conv):
        arrays["weights"] = arrays["weights"].reshape(shape if mixed is None else shape[:3])
    small = max(np.abs(one).max(initial=0) for one in arrays.values()) <= 1
    dtype = WEIGHT_TYPES[8 if layer.image is not None else 2 if small else 4]
    if fits is not None:
        threshold = np.array([one.threshold for one in fits], np.int64)
        act_step = np.array([one.sixteenths for one in fits]) / 16
    assert threshold is not None and act_step is not None
    return Numbers(
        kind=_kind(layer),
        weights={key: (one, dtype) for key, one in arrays.items()},
        more=more,
        threshold=threshold,
        act_step=act_step,
        levels=layer.out,
    )


def _kind(layer: Layer) -> type[akida.Layer]:
    if isinstance(layer.group.core, nn.Dense):
        return akida.FullyConnected
    if layer.group.depthwise:
        return akida.SeparableConvolutional
    return akida.Convolutional if layer.image is None else akida.InputConvolutional


def _decoded(layer: Layer, parts: Parts) -> Numbers | None:
    """A last layer without activation: what is no whole number of potentials is added on the host."""
    alpha = np.array([float(row.alpha) or 1.0 for row in parts[2]])
    beta = np.array([float(row.beta) for row in parts[2]])
    threshold, act_step = decoding(alpha, beta)
    factor = decoding_factor(float(alpha.max()))
    if act_step.max() * factor >= largest_decoding_step(layer):
        return None
    whole = np.abs(-beta / alpha - threshold) <= WHOLE
    numbers = _numbers(layer, parts, threshold=threshold, act_step=(act_step * factor).astype(np.float32))
    numbers = evolve(numbers, factor=factor)
    why = "" if layer.x.trained is not None else "what it reads has no levels of the source"
    name, origin = _named(layer)
    kept = Kept(layer=name, origin=origin, filters=len(alpha), exact=len(alpha), why=why)
    if whole.all():
        return evolve(numbers, kept=kept)
    return evolve(numbers, threshold=np.zeros(len(alpha), np.int64), shift=beta, kept=kept)
