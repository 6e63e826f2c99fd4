# SPDX-License-Identifier: Apache-2.0
"""The filter and threshold memories of a convolution or separable layer, both ways.

The filter memory has rows of 50 bits, sent as two words a row: bits 31..0, then 49..32. Each layout is
one array of bit positions, by which both `encode` and `decode` go (docs/akd1000/memories.md). Kernels are
in the chip's orientation here: turned by half a turn from the text's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from attrs import frozen

from akc.base.diagnostics import error
from akc.targets.akida1.np_memory import cdiv, conv_lines, pointwise_rows
from akc.targets.akida1.program.container import Words
from akc.targets.akida1.program.number_forms import (
    OFF_THRESHOLD,
    Integers,
    read_steps,
    read_thresholds,
    stored_steps,
    stored_thresholds,
)

ROW_BITS = 50
LINE_ROWS = 8
THRESHOLD_BITS, STEP_BITS = 20, 20
CODE_BITS = {1: 1, 2: 2, 4: 4}


# -- rows ------------------------------------------------------------------------------------------


def rows_to_words(bits: Integers) -> Words:
    """0/1 bits [rows * 50] to two words a row."""
    rows = np.zeros((bits.size // ROW_BITS, 64), np.uint8)
    rows[:, :ROW_BITS] = bits.reshape(-1, ROW_BITS)
    return np.packbits(rows, axis=1, bitorder="little").view("<u4").reshape(-1).astype(np.uint32)


def words_to_rows(words: Words) -> Integers:
    """The way back; raises DiagnosticError AKC0611 for half a row."""
    if len(words) % 2:
        raise error("AKC0611", f"a filter memory of {len(words)} words ends within a row")
    as_bytes = np.ascontiguousarray(words, "<u4").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(as_bytes, axis=1, bitorder="little")[:, :ROW_BITS].reshape(-1)


def _scatter(bits: Integers, positions: Integers, digits: Integers) -> None:
    """Write digits [channels, ...] at the positions [...] of each channel's bits [channels, n]."""
    bits[:, positions.reshape(-1)] = digits.reshape(len(bits), -1)


def _gather(bits: Integers, positions: Integers) -> Integers:
    """Digits [channels, ...] at the positions [...]."""
    return bits[:, positions.reshape(-1)].reshape(len(bits), *positions.shape)


# -- convolution -----------------------------------------------------------------------------------


@frozen
class _Packed:
    """A layout of 1- and 2-bit weights: `per_row` planes of `slot` bits in a row."""

    per_row: int
    slot: int


_PACKED = {3: _Packed(5, 10), 5: _Packed(2, 25), 7: _Packed(1, 49)}


def _grid(*sizes: int) -> list[Integers]:
    """An index for each axis, ready to be combined."""
    return list(np.ogrid[tuple(slice(size) for size in sizes)])


def _positions(computed: Any) -> Integers:
    return np.asarray(computed)


@lru_cache(maxsize=64)
def filter_positions(kernel: int, bits: int, filters: int) -> Integers:
    """Bit of each digit within a channel: [filters, a, j, digits], a along d0 and j along d1.

    Digits of a weight: 1 bit: is it 1; 2 bits: is it +1, is it -1; 4 bits: three bits of the
    magnitude, is it positive.
    """
    f, a, j, digit = _grid(filters, kernel, kernel, CODE_BITS[bits])
    if kernel == 1:
        per_row, slot = (12, 4) if bits == 4 else (24, 2)
        return _positions(ROW_BITS * (f // per_row) + slot * (f % per_row) + digit + 0 * (a + j))
    if bits < 4:
        packed = _PACKED[kernel]
        plane = f * bits + digit
        return _positions(
            ROW_BITS * (plane // packed.per_row) + packed.slot * (plane % packed.per_row) + j * kernel + a
        )
    return _positions(_WIDE[kernel](f // 8, f % 8, j) + 4 * a + digit)


_WIDE: dict[int, Callable[[Integers, Integers, Integers], Integers]] = {
    3: lambda g, i, j: ROW_BITS * (6 * g + 2 * j + i // 4) + 12 * (i % 4),
    5: lambda g, i, j: ROW_BITS * 16 * g + 160 * j + 20 * i,
    7: lambda g, i, j: ROW_BITS * (42 * g + 6 * j + 2 * (i // 3)) + 28 * (i % 3),
}


def encode_filters(weights: Integers, bits: int) -> Words:
    """Words of a convolution's weights [filters, a, j, channels]."""
    filters, kernel, _, channels = weights.shape
    memory = np.zeros((channels, LINE_ROWS * ROW_BITS * conv_lines(kernel, bits, filters)), np.uint8)
    _scatter(memory, filter_positions(kernel, bits, filters), np.moveaxis(_digits(weights, bits), 3, 0))
    return rows_to_words(memory.reshape(-1))


def decode_filters(words: Words, kernel: int, bits: int, filters: int) -> Integers:
    """int8 weights [filters, a, j, channels]; raises DiagnosticError AKC0611."""
    per_channel = LINE_ROWS * ROW_BITS * conv_lines(kernel, bits, filters)
    memory = words_to_rows(words)
    if not filters or not memory.size or memory.size % per_channel:
        raise error("AKC0611", f"a filter memory of {len(words)} words holds no whole channels")
    digits = _gather(memory.reshape(-1, per_channel), filter_positions(kernel, bits, filters))
    return np.moveaxis(_values(digits, bits), 0, 3)


def _digits(weights: Integers, bits: int) -> Integers:
    """Weights [...] to digits [..., digits]."""
    if bits == 1:
        return weights[..., None]
    if bits == 2:
        return np.stack([weights == 1, weights == -1], axis=-1)
    magnitude = np.abs(weights.astype(np.int8))
    return np.stack([magnitude & 1, magnitude >> 1 & 1, magnitude >> 2 & 1, weights > 0], axis=-1)


def _values(digits: Integers, bits: int) -> Integers:
    d = digits.astype(np.int8)
    if bits == 1:
        return d[..., 0]
    if bits == 2:
        return d[..., 0] - d[..., 1]
    magnitude = d[..., 0] + 2 * d[..., 1] + 4 * d[..., 2]
    return np.where(d[..., 3], magnitude, -magnitude).astype(np.int8)


# -- separable -------------------------------------------------------------------------------------

_DEPTHWISE_ROWS = {(5, 2): 1, (7, 2): 3, (3, 4): 1, (5, 4): 3, (7, 4): 7}
"""(kernel, bits) and rows of a channel; 3x3 with 2 bits puts two channels in a row."""


def depthwise_rows(kernel: int, bits: int, channels: int) -> int:
    """Rows of the depthwise part."""
    return cdiv(channels, 2) if (kernel, bits) == (3, 2) else channels * _DEPTHWISE_ROWS[kernel, bits]


@lru_cache(maxsize=64)
def depthwise_positions(kernel: int, bits: int, channels: int) -> Integers:
    """Bit of each digit in the memory: [channels, a, j, digits]; two's complement, columns side by side."""
    c, a, j, digit = _grid(channels, kernel, kernel, bits)
    if (kernel, bits) == (3, 2):
        return _positions(ROW_BITS * (c // 2) + 18 * (c % 2) + 6 * j + 2 * a + digit)
    columns = ROW_BITS // (kernel * bits)
    row = _DEPTHWISE_ROWS[kernel, bits] * c + j // columns
    return _positions(ROW_BITS * row + (j % columns) * kernel * bits + a * bits + digit)


@lru_cache(maxsize=64)
def pointwise_positions(bits: int, filters: int) -> Integers:
    """Bit of each digit within a channel: [filters, digits]."""
    f, digit = _grid(filters, bits)
    per_row = 48 // bits
    return _positions(ROW_BITS * (f // per_row) + bits * (f % per_row) + digit)


def _complement(values: Integers, bits: int) -> Integers:
    """Two's complement digits, lowest first, on a new last axis."""
    digits: Integers = (values.astype(np.int8)[..., None] >> np.arange(bits, dtype=np.int8)) & 1
    return digits


def _from_complement(digits: Integers) -> Integers:
    bits = digits.shape[-1]
    scale = np.array([1 << n for n in range(bits - 1)] + [-(1 << bits - 1)], np.int8)
    values: Integers = (digits.astype(np.int8) * scale).sum(axis=-1, dtype=np.int8)
    return values


def encode_depthwise(weights: Integers, bits: int) -> Words:
    """Words of the depthwise weights [channels, a, j]."""
    channels, kernel, _ = weights.shape
    memory = np.zeros((1, ROW_BITS * depthwise_rows(kernel, bits, channels)), np.uint8)
    _scatter(memory, depthwise_positions(kernel, bits, channels), _complement(weights, bits))
    return rows_to_words(memory.reshape(-1))


def decode_depthwise(words: Words, kernel: int, bits: int, channels: int) -> Integers:
    """int8 weights [channels, a, j]; raises DiagnosticError AKC0611."""
    memory = words_to_rows(words)
    if memory.size != ROW_BITS * depthwise_rows(kernel, bits, channels):
        raise error("AKC0611", f"a depthwise memory of {len(words)} words does not hold {channels} channels")
    return _from_complement(_gather(memory[None], depthwise_positions(kernel, bits, channels))[0])


def encode_pointwise(weights: Integers, bits: int) -> Words:
    """Words of the pointwise weights [filters, channels]."""
    filters, channels = weights.shape
    memory = np.zeros((channels, ROW_BITS * pointwise_rows(bits, filters)), np.uint8)
    _scatter(memory, pointwise_positions(bits, filters), _complement(weights.T, bits))
    return rows_to_words(memory.reshape(-1))


def decode_pointwise(words: Words, bits: int, filters: int) -> Integers:
    """int8 weights [filters, channels]; raises DiagnosticError AKC0611."""
    per_channel = ROW_BITS * pointwise_rows(bits, filters)
    memory = words_to_rows(words)
    if not filters or not memory.size or memory.size % per_channel:
        raise error("AKC0611", f"a pointwise memory of {len(words)} words holds no whole channels")
    return _from_complement(_gather(memory.reshape(-1, per_channel), pointwise_positions(bits, filters))).T


def pointwise_start(kernel: int, bits: int, channels: int) -> int:
    """Where the pointwise part starts, in units of 8 rows."""
    return cdiv(depthwise_rows(kernel, bits, channels), LINE_ROWS)


# -- thresholds ------------------------------------------------------------------------------------


def encode_thresholds(thresholds: Integers, steps: Integers, activation: bool) -> Words:
    """Two words a filter: threshold (0x80000 with the activation off) and floor(16 step)."""
    words = np.empty((len(thresholds), 2), np.uint32)
    words[:, 0] = stored_thresholds(thresholds, THRESHOLD_BITS) if activation else OFF_THRESHOLD
    words[:, 1] = stored_steps(steps, STEP_BITS)
    return words.reshape(-1)


def decode_thresholds(words: Words) -> tuple[Integers, Integers]:
    """(thresholds int32, steps float32)."""
    if len(words) % 2:
        raise error("AKC0611", f"a threshold memory of {len(words)} words ends within a filter")
    pairs = words.reshape(-1, 2)
    return read_thresholds(pairs[:, 0], THRESHOLD_BITS), read_steps(pairs[:, 1], STEP_BITS)
