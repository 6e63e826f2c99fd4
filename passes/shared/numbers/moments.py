# SPDX-License-Identifier: Apache-2.0
"""Mean and spread of a value, channel by channel, for ranges without samples."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from attrs import frozen

Floats = np.ndarray[Any, np.dtype[np.float64]]

SPREAD = 3.0
"""A value is taken to lie within this many standard deviations of its mean."""

QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / 64) for i in range(64)])


@frozen(eq=False)
class Moments:
    """Mean and variance of a value, per channel or unit (last axis); its range is never left."""

    mean: Floats
    variance: Floats
    low: float
    high: float

    @property
    def channel_tops(self) -> Floats:
        """The largest value that each channel reaches."""
        return np.minimum(self.mean + SPREAD * np.sqrt(self.variance), self.high)

    @property
    def range(self) -> tuple[float, float]:
        """Where the values lie, cut at what is possible at all."""
        low = float((self.mean - SPREAD * np.sqrt(self.variance)).min())
        top = float(self.channel_tops.max())
        return min(max(low, self.low), top), top

    @property
    def drawn(self) -> Floats:
        """Values as they may occur, [64, channels]: each channel's normal quantiles, cut at what is possible."""
        drawn = self.mean + np.sqrt(self.variance) * QUANTILES[:, None]
        return np.asarray(np.clip(drawn, self.low, self.high))

    @property
    def typical(self) -> Floats:
        """The same in one row."""
        return self.drawn.T.ravel()


def spread_over(x: Moments, size: int) -> Moments:
    """After a flatten: channels run fastest, so their moments repeat; else the average for all."""
    if size % len(x.mean) == 0:
        repeats = size // len(x.mean)
        return Moments(np.tile(x.mean, repeats), np.tile(x.variance, repeats), x.low, x.high)
    whole = x.variance.mean() + x.mean.var()
    return Moments(np.full(size, x.mean.mean()), np.full(size, whole), x.low, x.high)


def through_function(x: Moments, function: Callable[[Floats], Floats]) -> Moments:
    """Moments behind a function of each element, from the values that x may have; function: [n, channels]."""
    results = np.asarray(function(x.drawn), np.float64)
    low, high = (end if np.isfinite(end) else float(edge) for end, edge in zip((x.low, x.high), _ends(x)))
    ends = np.asarray(function(np.linspace(low, high, 257)[:, None] * np.ones(len(x.mean))), np.float64)
    return Moments(results.mean(axis=0), results.var(axis=0), float(ends.min()), float(ends.max()))


def _ends(x: Moments) -> tuple[float, float]:
    reach = 2 * SPREAD * np.sqrt(x.variance)
    return float((x.mean - reach).min()), float((x.mean + reach).max())
