# SPDX-License-Identifier: Apache-2.0
"""What the emulated layers compute, written from docs/akd1000/arithmetic.md and from nothing else.

The simulator (akc.sim) has an arithmetic of its own, so that their agreement proves both; no code is shared. Maps
are int64 [n, d0, d1, channels], kernels as in the text. Speed is not the aim here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from akc.ir.ops.akida import FullyConnected, InputConvolutional, SeparableConvolutional
from akc.targets.akida1.emulator.layer import DecodedLayer

Map = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

LOWEST, HIGHEST = -(1 << 19), (1 << 19) - 1
"""Ends of the numbers of 20 bits."""
NOTHING = np.int64(-(1 << 62))
"""Less than any potential: a padded cell of a max pool."""


def compute(layer: DecodedLayer, x: Map) -> Map:
    """Levels of a layer, or potentials where its activation is off."""
    potentials = _pooled(layer, _potentials(layer, x))
    if not layer.fields.get("activation", True):
        return potentials
    return _levels(potentials, _vector(layer, "threshold"), _vector(layer, "act_step"), layer.fields["act_bits"])


def _vector(layer: DecodedLayer, name: str) -> Array:
    return layer.weights[name][0]


# -- potentials ------------------------------------------------------------------------------------


def _potentials(layer: DecodedLayer, x: Map) -> Map:
    weights = layer.weights["weights"][0].astype(np.int64)
    if layer.kind is FullyConnected:
        sums = _product(x.reshape(len(x), -1), weights)
        return np.clip(sums, LOWEST, HIGHEST)[:, None, None, :]
    stride = layer.fields.get("stride", (1, 1))
    border = layer.fields["padding_value"] if layer.kind is InputConvolutional else 0
    same = layer.fields.get("padding", "same") == "same"
    kernel = (weights.shape[1], weights.shape[2])
    x = _bordered(x, kernel, stride, same, border)
    if layer.kind is not SeparableConvolutional:
        return _sum_over_kernel(x, kernel, stride, lambda part, u, v: _product(part, weights[:, u, v]))
    depthwise = _sum_over_kernel(x, kernel, stride, lambda part, u, v: part * weights[:, u, v])
    return _product(depthwise, layer.weights["pointwise"][0].astype(np.int64))


def _product(x: Array, weights: Array) -> Map:
    """Sums over the last axis of both.

    In float64, whose products are fast, and exact here: levels and pixels are below 2^8, weights below 2^7, inputs
    below 2^18, and the sums of a depthwise part below 2^21, so that no sum reaches 2^53.
    """
    return (x.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)


def _sum_over_kernel(x: Map, kernel: tuple[int, int], stride: tuple[int, int], term: Any) -> Map:
    """The sum of a term for every place of the kernel, each from the cells that it sees."""
    rows, columns = ((x.shape[1 + axis] - kernel[axis]) // stride[axis] + 1 for axis in (0, 1))
    total: Any = 0
    for u in range(kernel[0]):
        for v in range(kernel[1]):
            ends = u + (rows - 1) * stride[0] + 1, v + (columns - 1) * stride[1] + 1
            total = total + term(x[:, u : ends[0] : stride[0], v : ends[1] : stride[1]], u, v)
    return np.asarray(total)


def border(size: int, window: int, step: int) -> tuple[int, int]:
    """Cells of padding=same in front of an axis and behind it: as many outputs as steps, the odd cell comes after."""
    outputs = -(-size // step)
    missing = max((outputs - 1) * step + window - size, 0)
    return missing // 2, missing - missing // 2


def _bordered(x: Map, window: tuple[int, int], step: tuple[int, int], same: bool, value: int | np.int64) -> Map:
    """The map with its padding around it."""
    if not same:
        return x
    sides = [border(x.shape[1 + axis], window[axis], step[axis]) for axis in (0, 1)]
    return np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=value)


# -- pooling ---------------------------------------------------------------------------------------


def _pooled(layer: DecodedLayer, potentials: Map) -> Map:
    pool = layer.fields.get("pool", "none")
    if pool == "average":
        return _global_sum(potentials)
    if pool != "max" or tuple(layer.fields["pool_size"]) == (1, 1):
        return potentials
    return _largest(layer.fields, potentials)


def _global_sum(potentials: Map) -> Map:
    """The sum of all cells, d1 fastest, cut to 20 bits after each."""
    n, d0, d1, filters = potentials.shape
    total = np.zeros((n, filters), np.int64)
    for i in range(d0):
        for j in range(d1):
            total = np.clip(total + potentials[:, i, j], LOWEST, HIGHEST)
    return total[:, None, None, :]


def _largest(fields: Mapping[str, Any], potentials: Map) -> Map:
    """The largest potential of each window, cut to 20 bits; a window is padded as the layer is."""
    size, step = fields["pool_size"], fields["pool_stride"]
    x = _bordered(potentials, size, step, fields.get("padding", "same") == "same", NOTHING)
    rows, columns = ((x.shape[1 + axis] - size[axis]) // step[axis] + 1 for axis in (0, 1))
    largest = np.full((len(x), rows, columns, x.shape[3]), NOTHING)
    for u in range(size[0]):
        for v in range(size[1]):
            ends = u + (rows - 1) * step[0] + 1, v + (columns - 1) * step[1] + 1
            largest = np.maximum(largest, x[:, u : ends[0] : step[0], v : ends[1] : step[1]])
    return np.clip(largest, LOWEST, HIGHEST)


# -- activation ------------------------------------------------------------------------------------


def _levels(potentials: Map, thresholds: Array, steps: Array, bits: int) -> Map:
    """Levels of `bits` bits: steps of sixteenths above the threshold, rounded up."""
    above = (potentials - thresholds.astype(np.int64)).astype(np.int32).astype(np.int64)
    sixteenths = np.floor(steps.astype(np.float64) * 16).astype(np.int64)
    counted = ((above << bits) - 1) % (1 << 28) // sixteenths + 1
    return np.where(above <= 0, 0, np.minimum(counted, (1 << bits) - 1))
