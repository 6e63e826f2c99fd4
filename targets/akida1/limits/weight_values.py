# SPDX-License-Identifier: Apache-2.0
"""Tests of the numbers in weights, thresholds and steps; elided weights pass (docs/akd1000/arithmetic.md)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from akc.ir.module import Array, Module
from akc.ir.ops.akida import SeparableConvolutional
from akc.targets.akida1.layers import LayerFacts

Test = Callable[[LayerFacts, Module], object]
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _array(module: Module, name: str | None) -> Array | None:
    """The numbers of a weight; None where there are none to look at."""
    return None if name is None or module.weights[name].elided else module.array(name)


def all_zero(layer: LayerFacts, module: Module) -> object:
    """Whether a kernel holds nothing but zeros."""
    names = (layer.op.weights, getattr(layer.op, "pointwise", None))
    arrays = [array for array in (_array(module, name) for name in names) if array is not None]
    return "0" if any(not array.any() for array in arrays) else None


def learning_ones(layer: LayerFacts, module: Module) -> object:
    """A unit of a learning layer with another number of ones than num_weights, which is looked at by itself."""
    learning = getattr(layer.op, "learning", None)
    values = _array(module, layer.op.weights)
    if learning is None or values is None or layer.weight_bits != 1 or learning.num_weights > layer.inputs:
        return None
    ones = values.sum(axis=1, dtype=np.int64)
    wrong = np.flatnonzero(ones != learning.num_weights)
    return None if not wrong.size else f"{ones[wrong[0]]} in unit {wrong[0]}, num_weights is {learning.num_weights}"


def threshold_outside(bits: int) -> Test:
    """A threshold that the register cannot hold. Without activation it is not loaded."""

    def test(layer: LayerFacts, module: Module) -> object:
        values = _array(module, layer.op.threshold)
        if values is None or not layer.op.activation:
            return None
        return _first(values, (values < -(2 ** (bits - 1))) | (values >= 2 ** (bits - 1)))

    return test


def step_too_small(layer: LayerFacts, module: Module) -> object:
    """A step below 1/16, or none at all (nan)."""
    values = _array(module, layer.op.act_step)
    return None if values is None else _first(values, ~(values.astype(np.float64) >= 1 / 16))


def step_too_large(bits: int) -> Test:
    """A step that has more than `bits` bits in sixteenths; a dense layer without activation does not load it."""

    def test(layer: LayerFacts, module: Module) -> object:
        values = _array(module, layer.op.act_step)
        if values is None or (layer.kind == "dense" and not layer.op.activation):
            return None
        return _first(values, values >= 2 ** (bits - 4))

    return test


def _first(values: Array, bad: Array) -> object:
    """The first value at fault, with its index; None if there is none."""
    at = np.flatnonzero(bad)
    return f"{values[at[0]]} (value {at[0]})" if at.size else None


def potential_beyond(bits: int) -> Test:
    """A potential that some input can drive out of `bits` bits, where simulator and chip need not agree."""

    def test(layer: LayerFacts, module: Module) -> object:
        bounds = potential_bounds(layer, module)
        if bounds is None:
            return None
        low, high = bounds
        inside = -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
        return None if inside else f"{high if high >= -low else low:,}"

    return test


def potential_bounds(layer: LayerFacts, module: Module) -> tuple[int, int] | None:
    """Smallest and largest potential over all filters and all inputs; None where weights are elided.

    A global average is a sum, so its bounds are those of one pixel times the number of pixels.
    """
    if any(
        module.weights[name].elided for name in (layer.op.weights, getattr(layer.op, "pointwise", layer.op.weights))
    ):
        return None
    low, high = _weight_sums(layer, module)
    pixels = layer.outputs(0) * layer.outputs(1) if layer.pool == "average" else 1
    largest = 2**layer.input_bits - 1
    return int(low.min()) * largest * pixels, int(high.max()) * largest * pixels


def _weight_sums(layer: LayerFacts, module: Module) -> tuple[Floats, Floats]:
    """Sum of the negative and of the positive weights of each filter."""
    low, high = _sums(module.array(layer.op.weights))
    if not isinstance(layer.op, SeparableConvolutional):
        return low, high
    pointwise = module.array(layer.op.pointwise).astype(np.float64)
    positive, negative = np.maximum(pointwise, 0), np.minimum(pointwise, 0)
    return positive @ low + negative @ high, positive @ high + negative @ low


def _sums(weights: Array) -> tuple[Floats, Floats]:
    flat = weights.reshape(weights.shape[0], -1)
    return (
        np.minimum(flat, 0).sum(axis=1, dtype=np.float64),
        np.maximum(flat, 0).sum(axis=1, dtype=np.float64),
    )
