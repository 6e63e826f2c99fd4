# SPDX-License-Identifier: Apache-2.0
"""Samples that are pictures, as PNG inside the page."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from akc.ir.module import Array

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LARGEST = 128
"""Cells along an axis of a sample that is shown."""


def picture(sample: Array) -> str | None:
    """A data URI of a sample in grey or colour, its smallest value black and its largest white; None for no picture.

    sample: [height, width], or that with an axis of 1 or 3 channels in front of it or behind it.
    """
    pixels = _pixels(sample)
    if pixels is None:
        return None
    low, high = float(pixels.min()), float(pixels.max())
    bytes_ = ((pixels - low) * (255 / (high - low) if high > low else 0)).round().astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(_png(bytes_)).decode()


def _pixels(sample: Array) -> Pixels | None:
    """[height, width, 1 or 3] as float64."""
    if sample.ndim == 2:
        sample = sample[:, :, None]
    elif sample.ndim == 3 and sample.shape[0] in (1, 3):
        sample = np.moveaxis(sample, 0, 2)
    if sample.ndim != 3 or sample.shape[2] not in (1, 3):
        return None
    if not all(4 <= n <= LARGEST for n in sample.shape[:2]) or not np.isfinite(sample.astype(np.float64)).all():
        return None
    return sample.astype(np.float64)


def _png(pixels: Array) -> bytes:
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
