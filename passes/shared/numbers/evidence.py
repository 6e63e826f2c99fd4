# SPDX-License-Identifier: Apache-2.0
"""What calibration samples say about one layer: moments of its input levels and of its float result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.sim.exact import FLOAT_BITS, SUM_BITS, whole

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

ROWS = 16384
"""Windows beyond this number are thinned out evenly."""

TRUST = 0.02
"""Share of the mean input variance that holds adjusted weights to the source's; more where samples are few."""

SLOPES = (0.8, 1.25)
"""How far, as a factor, a measured slope may be from the computed one to be believed."""


@frozen(eq=False, kw_only=True)
class Evidence:
    """Means, covariances and count of samples.

    x_mean: [..., inputs] and y_mean: [..., rows], means of input levels q and of float results y; moments: covariance
    of q [..., inputs, inputs]; cross: covariance of y and q [..., rows, inputs]. Axes in front are layers of their own,
    seen side by side: the kernels of a depthwise layer.
    """

    x_mean: Floats
    y_mean: Floats
    moments: Floats
    cross: Floats
    count: int

    @classmethod
    def of(cls, x: Array, y: Array) -> Evidence:
        """From levels [..., samples, inputs] and float results [..., samples, rows]; sums are exact in any order."""
        count, levels = x.shape[-2], x.astype(np.float64, order="C")
        x_mean = levels.mean(axis=-2)
        moments = levels.swapaxes(-1, -2) @ levels / count - x_mean[..., :, None] * x_mean[..., None, :]
        room = SUM_BITS - int(x.max(initial=1)).bit_length() - count.bit_length()
        y_mean = y.mean(axis=-2, dtype=np.float64)
        missed, power = whole(y - y_mean[..., None, :], min(room, FLOAT_BITS), -2)
        products = missed.swapaxes(-1, -2) @ levels / count
        cross = (products - missed.mean(axis=-2)[..., :, None] * x_mean[..., None, :]) * power.swapaxes(-1, -2)
        return cls(x_mean=x_mean, y_mean=y_mean, moments=moments, cross=cross, count=count)

    def adjusted(self, matrix: Floats) -> Floats:
        """Weights for y = matrix @ q that make good what the layers in front have lost (ridge regression)."""
        inputs = self.x_mean.shape[-1]
        ridge = self.variances.mean(axis=-1) * (TRUST + inputs / self.count) + 1e-12
        missed = self.cross - matrix @ self.moments
        held = self.moments + ridge[..., None, None] * np.eye(inputs)
        adjusted: Floats = matrix + np.linalg.solve(held, missed.swapaxes(-1, -2)).swapaxes(-1, -2)
        return adjusted

    @property
    def variances(self) -> Floats:
        """Of each input [..., inputs]."""
        return np.asarray(np.diagonal(self.moments, axis1=-2, axis2=-1))

    def line(self, whole: Floats, alpha: Floats) -> tuple[Floats, Floats]:
        """Slope and bias, of one layer, with which slope * (whole @ q) + bias is nearest to y (alpha: as computed)."""
        spread = np.einsum("rk,kl,rl->r", whole, self.moments, whole, optimize=True)
        slope = (self.cross * whole).sum(axis=1) / np.maximum(spread, 1e-12)
        believed = (slope > SLOPES[0] * alpha) & (slope < SLOPES[1] * alpha)
        slope = np.where(believed, slope, alpha)
        bias: Floats = self.y_mean - slope * (whole @ self.x_mean)
        return slope, bias


def thinned(rows: Array) -> Array:
    """At most ROWS rows, spread evenly; the same rows for arrays of the same length."""
    if len(rows) <= ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, ROWS).astype(np.int64)]
