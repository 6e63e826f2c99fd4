# SPDX-License-Identifier: Apache-2.0
"""Weights to whole numbers: how large one step is, and which neighbour each weight goes to.

Matrices are [..., rows, inputs], a row for each filter or unit; scales are [..., rows]. Axes in front are problems of
their own, solved side by side: the kernels of a depthwise layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from akc.ir.types import ELEMENT_TYPES

Floats = npt.NDArray[np.float64]

WEIGHT_TYPES = {1: "u1", 2: "i2", 4: "i4", 8: "i8"}
"""The element type that holds weights of so many bits."""

SHARES = np.linspace(0.2, 1.0, 33)
"""Shares of the largest weight that are tried as the largest representable one."""

DAMPING = 0.01
"""Share of the mean input variance that is added to every input's, so that the inverse exists."""

BLOCK = 128
"""Columns that are rounded before their error is spread over the columns behind them."""


def limits(bits: int) -> tuple[int, int]:
    """Smallest and largest weight of so many bits; 8-bit weights are used symmetrically."""
    row = ELEMENT_TYPES[WEIGHT_TYPES[bits]]
    return max(row.low or 0, -(row.high or 0)), row.high or 0


def round_nearest(matrix: Floats, scale: Floats, bits: int) -> Floats:
    """Each weight to the nearest legal whole number of steps."""
    rounded: Floats = np.clip(np.rint(matrix / scale[..., None]), *limits(bits))
    return rounded


def largest_scale(matrix: Floats, bits: int) -> Floats:
    """The step at which the largest weight of each row is just representable."""
    reach = matrix.max(axis=-1) if limits(bits)[0] == 0 else np.abs(matrix).max(axis=-1)
    return np.asarray(np.where(reach > 0, reach, 1.0) / limits(bits)[1])


EXACT = 1e-6
"""How far from whole numbers of steps, in steps, weights may be that a step represents exactly."""


def exact_scale(matrix: Floats, bits: int) -> Floats:
    """The step of each row that represents all of its weights exactly; nan where there is none."""
    low, high = limits(bits)
    largest = largest_scale(matrix, bits) * high
    found = np.full(matrix.shape[:-1], np.nan)
    for count in range(1, high + 1):
        whole = matrix / (largest / count)[..., None]
        near = np.abs(whole - np.clip(np.rint(whole), low, high)).max(axis=-1, initial=0.0) <= EXACT
        found = np.where(near & np.isnan(found), largest / count, found)
    return found


def least_error_scale(matrix: Floats, bits: int, importance: Floats, per_layer: bool) -> Floats:
    """The step with the smallest square error of the rounded weights, each weighed by `importance` [..., inputs]."""
    largest = largest_scale(matrix, bits)
    if per_layer:
        largest = np.broadcast_to(largest.max(axis=-1, keepdims=True), largest.shape)

    def lost(scale: Floats) -> Any:
        return ((matrix - round_nearest(matrix, scale, bits) * scale[..., None]) ** 2 @ importance[..., None])[..., 0]

    errors = np.array([lost(largest * share) for share in SHARES])
    if per_layer:
        errors = np.broadcast_to(errors.sum(axis=-1, keepdims=True), errors.shape)
    return np.asarray(largest * SHARES[errors.argmin(axis=0)])


def round_with_feedback(matrix: Floats, scale: Floats, bits: int, moments: Floats) -> Floats:
    """Round column by column; what a column loses is made good in the columns not yet rounded.

    moments: second moments of the inputs [..., inputs, inputs]. The correction runs through their inverse
    (Frantar et al., GPTQ, 2022), columns with the largest moment first.
    """
    order = np.argsort(-np.diagonal(moments, axis1=-2, axis2=-1), axis=-1, kind="stable")
    back = np.argsort(order, axis=-1, kind="stable")
    ordered = np.take_along_axis(np.take_along_axis(moments, order[..., :, None], -2), order[..., None, :], -1)
    upper = _inverse_factor(ordered)
    rest = np.take_along_axis(matrix, order[..., None, :], -1)
    rounded = np.zeros_like(rest)
    for start in range(0, rest.shape[-1], BLOCK):
        stop = min(start + BLOCK, rest.shape[-1])
        lost = np.zeros((*scale.shape, stop - start))
        for column in range(start, stop):
            rounded[..., column] = np.clip(np.rint(rest[..., column] / scale), *limits(bits))
            missed = rest[..., column] - rounded[..., column] * scale
            lost[..., column - start] = missed / upper[..., column, column, None]
            rest[..., column:stop] -= lost[..., column - start, None] * upper[..., column, None, column:stop]
        rest[..., stop:] -= lost @ upper[..., start:stop, stop:]
    return np.take_along_axis(rounded, back[..., None, :], -1)


def _inverse_factor(moments: Floats) -> Any:
    """The upper Cholesky factor of the inverse of the damped moments."""
    diagonal = np.diagonal(moments, axis1=-2, axis2=-1)
    damping = DAMPING * diagonal.mean(axis=-1) + 1e-12
    damped = moments + np.eye(moments.shape[-1]) * damping[..., None, None]
    return np.linalg.cholesky(np.linalg.inv(damped)).swapaxes(-1, -2)
