# SPDX-License-Identifier: Apache-2.0
"""How many bytes a share of a layer needs in the memories of an NP (docs/akd1000/placement.md).

All formulas give the sizes that the vendor's SDK 2.19.3 reports as `mem_info`, whole bytes.
"""

from __future__ import annotations

from attrs import frozen

from akc.targets.akida1.layers import LayerFacts

INPUT_BYTES = 43008
"""Input memory of an NP: two blocks, so that a map of half the size can be double buffered."""
DOUBLE_BUFFER_BYTES = INPUT_BYTES // 2
WEIGHT_BYTES = 44800
"""Filter memory of a CNP: 7168 rows of 50 bits."""
WEIGHT_LINES = 256
"""Lines of 8 rows that one channel may take."""
FNP3_BYTES = 43008
"""Weight memory of an FNP3: 48 of every 50 bits are used."""
FNP2_ROUNDING_WORDS = 16383
"""An FNP2's external weights are padded to 64 bytes from this many words on."""


def cdiv(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


@frozen
class Lines:
    """Lines of 8 rows of 50 bits that a channel takes for g groups of 8 filters: factor * cdiv(above * g, below)."""

    factor: int
    above: int
    below: int

    def of(self, groups: int) -> int:
        """The number of lines."""
        return self.factor * cdiv(self.above * groups, self.below)


CONV_LINES: dict[tuple[int, int], Lines] = {
    (1, 1): Lines(1, 1, 24),
    (1, 2): Lines(1, 1, 24),
    (1, 4): Lines(2, 1, 24),
    (3, 1): Lines(1, 1, 5),
    (3, 2): Lines(1, 2, 5),
    (3, 4): Lines(2, 3, 8),
    (5, 1): Lines(1, 1, 2),
    (5, 2): Lines(1, 1, 1),
    (5, 4): Lines(2, 1, 1),
    (7, 1): Lines(1, 1, 1),
    (7, 2): Lines(1, 2, 1),
    (7, 4): Lines(2, 21, 8),
}
"""(kernel, weight bits) and the lines of a convolution."""

DEPTHWISE_LINES: dict[tuple[int, int], tuple[int, int]] = {
    (3, 2): (1, 16),
    (3, 4): (1, 8),
    (5, 2): (1, 8),
    (5, 4): (3, 8),
    (7, 2): (3, 8),
    (7, 4): (7, 8),
}
"""(kernel, weight bits) and lines per channel, as a fraction, of the depthwise part of a separable layer."""

DENSE_WORDS = {1: 1, 2: 2, 4: 6}
"""Weight bits and words per unit and 32 inputs of a fully connected layer."""


def conv_lines(kernel: int, bits: int, filters: int) -> int:
    """Lines of 8 rows that each channel of a convolution takes."""
    return CONV_LINES[kernel, bits].of(cdiv(filters, 8))


def pointwise_rows(bits: int, filters: int) -> int:
    """Rows that each channel of the pointwise part takes: full groups of 8 packed, the rest in a row of its own."""
    return cdiv(8 * (filters // 8), 48 // bits) + int(filters % 8 > 0)


def separable_bytes(kernel: int, bits: int, channels: int, filters: int) -> int:
    """Filter memory of a separable layer: depthwise part of all channels, pointwise part of these filters."""
    above, below = DEPTHWISE_LINES[kernel, bits]
    return 50 * cdiv(above * channels, below) + cdiv(50 * channels * pointwise_rows(bits, filters), 8)


def dense_words(inputs: int, bits: int, units: int) -> int:
    """Weight memory of a fully connected layer, in 32-bit words."""
    return units * (4 + DENSE_WORDS[bits] * cdiv(inputs, 32))


def weight_bytes(layer: LayerFacts, filters: int) -> int:
    """Weight memory that this many filters (or units) of a conv, separable or dense layer take."""
    kernel, bits = layer.kernel[0], layer.weight_bits
    if layer.kind == "conv":
        return 50 * layer.channels * conv_lines(kernel, bits, filters)
    if layer.kind == "separable":
        return separable_bytes(kernel, bits, layer.channels, filters)
    return 4 * dense_words(layer.inputs, bits, filters)


def external_bytes(layer: LayerFacts) -> int:
    """Bytes outside the chip that a dense layer on an FNP2 needs."""
    words = dense_words(layer.inputs, layer.weight_bits, layer.filters)
    return 4 * (cdiv(words, 16) * 16 if words >= FNP2_ROUNDING_WORDS else words)


def filters_fit(layer: LayerFacts, filters: int) -> bool:
    """Whether this many filters of a conv or separable layer fit in the filter memory of a CNP."""
    if layer.kind == "conv" and conv_lines(layer.kernel[0], layer.weight_bits, filters) > WEIGHT_LINES:
        return False
    return weight_bytes(layer, filters) <= WEIGHT_BYTES


def filter_channels(kernel: int, bits: int) -> int:
    """Input channels of a convolution of which a single filter fits the filter memory of a CNP."""
    lines = conv_lines(kernel, bits, 1)
    return 0 if lines > WEIGHT_LINES else WEIGHT_BYTES // (50 * lines)


def map_bytes(columns: int, rows: int, channels: int, bits: int) -> int:
    """Input memory of a map of columns (d0) x rows (d1): whole bytes per row and channel, whole words per row."""
    return rows * 4 * cdiv(channels * cdiv(columns * bits, 8), 4)


def with_halo(start: int, stop: int, size: int, halo: int) -> int:
    """Length of the interval with a halo on each side that is not the map's edge, counted whole even beyond it."""
    return stop - start + halo * ((start > 0) + (stop < size))


def tile_bytes(layer: LayerFacts, d0: tuple[int, int], d1: tuple[int, int]) -> int:
    """Input memory of the share [start, stop) on d0 and d1, halo included."""
    columns = with_halo(*d0, layer.size[0], layer.halo)
    rows = with_halo(*d1, layer.size[1], layer.halo)
    return map_bytes(columns, rows, layer.channels, layer.input_bits)


def input_bytes(layer: LayerFacts, d0: tuple[int, int], d1: tuple[int, int]) -> int:
    """Input memory of a share: the map of a conv or separable layer, one bit per input of a dense one."""
    return 4 * cdiv(layer.inputs, 32) if layer.kind == "dense" else tile_bytes(layer, d0, d1)
