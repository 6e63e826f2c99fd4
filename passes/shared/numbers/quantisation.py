# SPDX-License-Identifier: Apache-2.0
"""From real numbers to levels, thresholds and steps.

A level q stands for x = step * q + offset. With y = alpha * P + beta (P the integer potential), a layer
reaches level k where P > threshold + (k - 1) * e, e = act_step * 16 / 2**bits (docs/akd1000/arithmetic.md);
rounding y to the nearest level puts the first threshold half a step above the bottom.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.targets import Registers

Floats = npt.NDArray[np.float64]


INT32 = 2**31 - 1

TIE = 1e-4
"""A threshold this little below a whole number is that number: fits on samples leave such differences."""


@frozen
class Levels:
    """What levels of a value stand for: x = step * level + offset."""

    step: float
    offset: float
    bits: int

    @property
    def top(self) -> int:
        """The highest level."""
        return int(2**self.bits - 1)

    @classmethod
    def spanning(cls, low: float, high: float, bits: int) -> Levels:
        """Levels from `low` to `high`."""
        width = high - low if high > low else 1.0
        return cls(width / (2**bits - 1), low, bits)


def threshold_and_step(
    alpha: Floats, beta: Floats, out: Levels, registers: Registers
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Threshold and act_step of each filter for y = alpha * P + beta, alpha > 0.

    act_step is a whole number of sixteenths. Where that moves the levels, the threshold moves by as much the
    other way at the middle level. A threshold beyond its register is cut.
    """
    step = out.step / alpha
    sixteenths = np.clip(np.rint(step * 2**out.bits), 1, registers.sixteenths)
    first = (out.offset + out.step / 2 - beta) / alpha
    centre = (out.top - 1) / 2 * (step - sixteenths / 2**out.bits)
    threshold = np.floor(first + centre + TIE)
    return np.clip(threshold, -registers.threshold, registers.threshold).astype(np.int64), sixteenths / 16


def decoding(alpha: Floats, beta: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Threshold and act_step with which (P - threshold) / act_step is alpha * P + beta."""
    threshold = np.clip(np.rint(-beta / alpha), -INT32, INT32)
    return threshold.astype(np.int64), (1 / alpha).astype(np.float32)


def smallest_scale(gain: Floats, beta: Floats, out: Levels, registers: Registers) -> Floats:
    """The weight step below which threshold or act_step leave their range; gain is alpha / weight step."""
    by_step = out.step * 2**out.bits / registers.sixteenths
    by_threshold = np.abs(out.offset + out.step / 2 - beta) / registers.threshold
    return np.asarray(np.maximum(by_step, by_threshold) / gain)


SHRINKS = np.linspace(0.7, 1.0, 31)
"""Shares of the range of an input that its levels may span."""

INNER_SHRINKS = np.linspace(0.25, 1.0, 31)
"""The same for values of the host between layers, which have long tails."""


def input_levels(
    low: float, high: float, bits: int, x: npt.NDArray[np.float32] | None, inner: bool = False
) -> tuple[float, int, Levels]:
    """Step, zero point and meaning of the levels of a net's input, or of a value of the host between layers (inner).

    Levels are clip(round(x / step) + zero_point). What a level stands for is fitted to the values that it
    gets (all of `x`; without samples, both ends of the range and all between alike), since a whole zero
    point cannot put both ends of a signed range onto levels.
    """
    if low >= 0 and _counts(high, bits, x):
        return 1.0, 0, Levels(1.0, 0.0, bits)
    values = _typical(low, high) if x is None else _thinned(x)
    best: tuple[float, float, int, Levels] | None = None
    widest = max(high, 0.0) - min(low, 0.0) or 1.0
    shrinks = INNER_SHRINKS if inner and x is not None else SHRINKS
    for step in widest / (2**bits - 1) * (shrinks if bits < 8 else SHRINKS[-1:]):
        exact = -min(low, 0.0) / step
        for zero in sorted({int(np.floor(exact)), int(np.ceil(exact))}):
            levels, error = _fitted(values, step, zero, bits)
            if best is None or error < best[0]:
                best = (error, step, zero, levels)
    assert best is not None
    return best[1:]


def shifted_levels(
    shift: float, low: float, high: float, bits: int, x: npt.NDArray[np.float32] | None
) -> tuple[float, int, int, Levels]:
    """input_levels for values that are others plus `shift`, a positive number: step, zero point, shift / step, levels.

    shift / step is a whole number, so that what the host rounds are the others.
    """
    step, zero, _ = input_levels(low, high, bits, x)
    values = _typical(low, high) if x is None else _thinned(x)
    steps = sorted({max(1, int(np.floor(shift / step))), max(1, int(np.ceil(shift / step)))})
    found = [(shift / count, zero, count, *_fitted(values, shift / count, zero, bits)) for count in steps]
    return min(found, key=lambda row: row[4])[:4]


def _counts(high: float, bits: int, x: npt.NDArray[np.float32] | None) -> bool:
    """Whether values are whole numbers that levels can hold as they are: spikes and their sums."""
    if x is None:
        return bool(high == 2**bits - 1)
    return bool(high <= 2**bits - 1 and high >= 1 and (x == np.rint(x)).all())


def _typical(low: float, high: float) -> Floats:
    return np.concatenate([np.full(500, low), np.linspace(low, high, 1000), np.full(250, high)])


def _thinned(x: npt.NDArray[np.float32]) -> Floats:
    """About 100,000 of the values, spread evenly: over the channels, too, which follow each other."""
    flat = x.reshape(-1)
    stride = max(1, flat.size // 100_000)
    while gcd(stride, x.shape[-1]) > 1:
        stride += 1
    return flat[::stride].astype(np.float64)


def quantized(x: npt.NDArray[np.floating], step: float, zero: int, bits: int) -> npt.NDArray[np.floating]:
    """The levels of x."""
    return np.asarray(np.clip(np.rint(x / step) + zero, 0, 2**bits - 1))


def _fitted(x: Floats, step: float, zero: int, bits: int) -> tuple[Levels, float]:
    """The straight line through (level, x) with the least square error, and that error."""
    level = quantized(x, step, zero, bits)
    spread = level.var()
    slope = float(((level - level.mean()) * (x - x.mean())).mean() / spread) if spread > 0 else step
    slope = slope if slope > 0 else step
    offset = float(x.mean() - slope * level.mean())
    return Levels(slope, offset, bits), float(((x - slope * level - offset) ** 2).mean())
