# SPDX-License-Identifier: Apache-2.0
"""Windows over d0 and d1 of arrays [n, d0, d1, channels], as views."""

from __future__ import annotations

from math import ceil

import numpy as np

from akc.sim.registry import Array, Kernel

Pair = tuple[int, ...]

UNROLLED_BYTES = 1 << 22
"""Windows are unrolled for as many samples at a time as fit this, about what a processor's cache holds."""


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Cells before and after an axis so that ceil(size / stride) windows fit; the odd one comes after."""
    total = max((ceil(size / stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def padded(x: Array, before: Pair, after: Pair, value: float) -> Array:
    """A constant border around d0 and d1; the very same array if there is none."""
    if not any((*before, *after)):
        return x
    n, d0, d1, channels = x.shape
    out = np.full((n, d0 + before[0] + after[0], d1 + before[1] + after[1], channels), value, x.dtype)
    out[:, before[0] : before[0] + d0, before[1] : before[1] + d1] = x
    return out


def windows(x: Array, size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Every whole window: a view [n, out0, out1, size0, size1, channels]."""
    n, d0, d1, channels = x.shape
    out = [(d - (k - 1) * h - 1) // s + 1 for d, k, s, h in zip((d0, d1), size, stride, dilation)]
    sn, s0, s1, sc = x.strides
    strides = (sn, s0 * stride[0], s1 * stride[1], s0 * dilation[0], s1 * dilation[1], sc)
    return np.lib.stride_tricks.as_strided(x, (n, out[0], out[1], size[0], size[1], channels), strides, writeable=False)


def flat_windows(x: Array, size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> tuple[Array, tuple[int, int, int]]:
    """The windows as rows [n * out0 * out1, size0 * size1 * channels], and (n, out0, out1)."""
    view = windows(x, size, stride, dilation)
    n, out0, out1 = view.shape[:3]
    return view.reshape(n * out0 * out1, -1), (n, out0, out1)


def in_chunks(kernel: Kernel, bytes_per_sample: int) -> Kernel:
    """The same kernel, called with a few samples at a time so that what it unrolls stays small."""
    count = max(1, UNROLLED_BYTES // max(bytes_per_sample, 1))

    def chunked(x: Array) -> Array:
        if len(x) <= count:
            return kernel(x)
        return np.concatenate([kernel(x[i : i + count]) for i in range(0, len(x), count)])

    return chunked
