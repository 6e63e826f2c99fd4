# SPDX-License-Identifier: Apache-2.0
"""How thresholds and steps are stored, and the orders of weights between text and chip."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from akc.base.diagnostics import error

Integers = npt.NDArray[Any]

OFF_THRESHOLD = 0x80000
"""Stored in place of the threshold where the activation is off: the smallest number of 20 bits."""
STEP_FRACTION = 16
"""Steps are kept in sixteenths."""


def stored_thresholds(thresholds: Integers, bits: int) -> Integers:
    """Two's complement in `bits` bits, int64; raises DiagnosticError AKC0612."""
    _check("threshold", thresholds, -(1 << bits - 1), (1 << bits - 1) - 1)
    return thresholds.astype(np.int64) & (1 << bits) - 1


def stored_steps(steps: Integers, bits: int) -> Integers:
    """floor(16 step), int64; raises DiagnosticError AKC0612 outside [1, 2**bits)."""
    _check("act_step", steps, 1 / STEP_FRACTION, np.nextafter(2**bits / STEP_FRACTION, 0))
    return np.floor(steps.astype(np.float64) * STEP_FRACTION).astype(np.int64)


def _check(what: str, values: Integers, low: float, high: float) -> None:
    bad = np.flatnonzero(~((values >= low) & (values <= high)))
    if bad.size:
        raise error("AKC0612", f"{what} {values[bad[0]]} (value {bad[0]}) is not within {low:g} to {high:.10g}")


def read_thresholds(words: Integers, bits: int) -> Integers:
    """Back from two's complement, int32."""
    values = words.astype(np.int64) & (1 << bits) - 1
    return np.where(values >> (bits - 1), values - (1 << bits), values).astype(np.int32)


def read_steps(words: Integers, bits: int) -> Integers:
    """Back from sixteenths, float32 (exact up to 24 bits)."""
    return ((words.astype(np.int64) & (1 << bits) - 1) / STEP_FRACTION).astype(np.float32)


# -- orders ----------------------------------------------------------------------------------------


def dense_to_chip(weights: Integers, shape: tuple[int, ...]) -> Integers:
    """[units, (d0, d1, channel)] to the chip's input order: channel slowest, d0 fastest."""
    d0, d1, channels = shape
    if d0 * d1 == 1:
        return weights
    return weights.reshape(-1, d0, d1, channels).transpose(0, 3, 2, 1).reshape(weights.shape)


def dense_from_chip(weights: Integers, shape: tuple[int, ...]) -> Integers:
    """The way back."""
    d0, d1, channels = shape
    if d0 * d1 == 1:
        return weights
    return weights.reshape(-1, channels, d1, d0).transpose(0, 3, 2, 1).reshape(weights.shape)


def flipped(kernels: Integers) -> Integers:
    """Kernels [n, k0, k1, ...] turned by half a turn: mesh layers convolve, the text cross-correlates."""
    return kernels[:, ::-1, ::-1]
