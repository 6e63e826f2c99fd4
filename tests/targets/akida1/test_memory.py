# SPDX-License-Identifier: Apache-2.0
"""Memory formulas: values worked out by hand from the layouts of docs/akd1000/memories.md, and their edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akc.targets.akd1000 import AKD1000
from akc.targets.akida1 import np_memory as memory
from akc.targets.akida1.layers import LayerFacts, layers_of
from akc.targets.akida1.tiles import tiling
from tests.targets.akida1.chips import network


def first(*arguments: object) -> LayerFacts:
    module = network(*arguments)  # type: ignore[arg-type]
    return layers_of(module, module.net.sequences[0], AKD1000)[0]


@pytest.mark.parametrize(
    ("kernel", "bits", "filters", "lines"),
    [
        # 24 two-bit filters a row, 8 rows a line
        (1, 2, 192, 1), (1, 2, 193, 2), (1, 4, 192, 2),
        # 5 planes of 9 weights a row; two planes a filter with a sign
        (3, 1, 40, 1), (3, 1, 41, 2), (3, 2, 40, 2), (3, 4, 16, 2), (3, 4, 24, 4),
        # 2 planes a row of 25 weights; 16 rows a group of 8 with 4 bits
        (5, 1, 16, 1), (5, 2, 8, 1), (5, 4, 8, 2),
        # one plane of 49 weights a row; 42 rows a group of 8 with 4 bits, an even number of lines
        (7, 1, 8, 1), (7, 2, 8, 2), (7, 4, 8, 6), (7, 4, 16, 12),
    ],
)  # fmt: skip
def test_lines_of_a_convolution(kernel: int, bits: int, filters: int, lines: int) -> None:
    assert memory.conv_lines(kernel, bits, filters) == lines


def test_a_group_of_8_filters_costs_as_much_as_one() -> None:
    for kernel, bits in memory.CONV_LINES:
        assert memory.conv_lines(kernel, bits, 1) == memory.conv_lines(kernel, bits, 8)


def test_the_pointwise_part_packs_full_groups() -> None:
    assert [memory.pointwise_rows(4, n) for n in (1, 7, 8, 9, 12, 16, 24, 25)] == [1, 1, 1, 2, 2, 2, 2, 3]
    assert [memory.pointwise_rows(2, n) for n in (1, 8, 16, 24, 25, 48)] == [1, 1, 1, 1, 2, 2]


def test_separable_bytes() -> None:
    # 16 channels, 3x3, 4 bits: 2 lines of 8 rows depthwise, 2 rows a channel pointwise, 50 bits a row
    assert memory.separable_bytes(3, 4, 16, 16) == 2 * 50 + 16 * 2 * 50 // 8


def test_dense_words_and_external_rounding() -> None:
    assert memory.dense_words(784, 4, 10) == 10 * (4 + 6 * 25)
    small, large = first((1, 1, 57334), "u1", ("dense", 9, "u1")), first((1, 1, 57334), "u1", ("dense", 10, "u1"))
    assert memory.external_bytes(small) == 4 * 9 * (4 + 1792)
    assert memory.external_bytes(large) == 4 * cdiv16(10 * (4 + 1792))


def cdiv16(words: int) -> int:
    return (words + 15) // 16 * 16


def test_a_map_has_whole_bytes_per_row_and_channel() -> None:
    assert memory.map_bytes(3, 2, 5, 2) == 2 * 8
    assert memory.map_bytes(5, 1, 3, 4) == 12


def test_the_halo_is_counted_whole_on_each_side_that_is_not_the_edge() -> None:
    assert [memory.with_halo(a, b, 10, 3) for a, b in ((0, 10), (0, 5), (5, 10), (4, 6), (5, 8))] == [10, 8, 8, 8, 9]


@pytest.mark.parametrize(("rows", "tiles"), [(672, 1), (673, 2)])
def test_the_input_memory_to_the_byte(rows: int, tiles: int) -> None:
    """A row of 32 columns, 4 channels and 4 bits has 64 bytes: 672 rows fill 43,008, though in tiles of 256."""
    layer = first((32, rows, 4), "u4", ("convolution", 4, 1, "i4"))
    assert memory.map_bytes(32, rows, 4, 4) == 64 * rows
    assert (64 * rows <= memory.INPUT_BYTES) == (tiles == 1)
    assert tiling(layer) is not None


@given(st.integers(1, 200), st.integers(1, 700), st.integers(1, 60), st.sampled_from([1, 3, 5, 7]))
def test_tiles_cover_the_map_and_fit(d0: int, d1: int, channels: int, kernel: int) -> None:
    layer = first((d0, d1, channels), "u4", ("convolution", 1, kernel, "i4"))
    tiles = tiling(layer)
    if tiles is None:
        return
    assert [a for a, _ in tiles.d0] == [0, *(b for _, b in tiles.d0[:-1])] and tiles.d0[-1][1] == d0
    assert [a for a, _ in tiles.d1] == [0, *(b for _, b in tiles.d1[:-1])] and tiles.d1[-1][1] == d1
    for part0, part1 in tiles.tiles:
        assert part0[1] - part0[0] <= 32 and part1[1] - part1[0] <= 256
        assert memory.tile_bytes(layer, part0, part1) <= memory.INPUT_BYTES
