# SPDX-License-Identifier: Apache-2.0
"""Padding of sliding windows that a source gives by a word."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

Pair = tuple[tuple[int, ...], tuple[int, ...]]


def adaptive_same_padding(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], upper: bool = True
) -> Pair:
    """Padding before and after that gives ceil(size / stride) windows; the odd cell goes after if `upper`.

    >>> adaptive_same_padding((28, 28), (3, 3), (2, 2), (1, 1))
    ((0, 0), (1, 1))
    """
    totals = [
        max((ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in zip(sizes, kernel, stride, dilation)
    ]
    small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (small, large) if upper else (large, small)


def no_padding(axes: int) -> Pair:
    """No padding on any axis."""
    return (0,) * axes, (0,) * axes
