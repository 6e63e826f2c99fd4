# SPDX-License-Identifier: Apache-2.0
"""Event formats: the field positions, and that what the chip would write is what the driver reads."""

from __future__ import annotations

import numpy as np
import pytest

from akc.targets.akida1.driver.events import (
    CNP,
    DENSE,
    FNP,
    HRC,
    OUTPUT_FORMATS,
    Events,
    decode_output,
    dense_output_type,
    encode_input,
    read_flat_levels,
    read_spatial_levels,
)


def words(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    return np.frombuffer(data, "<u4").astype(np.uint32)


def test_flat_input_events() -> None:
    map = np.zeros((1, 1, 40), np.uint8)
    map[0, 0, [1, 5, 31]] = 3, 15, 7
    assert words(encode_input(map, FNP)).tolist() == [1, 0x80000003, 5, 0x8000000F, 31, 0x80000007]


def test_spatial_input_events_come_in_scan_order() -> None:
    map = np.zeros((3, 4, 2), np.uint8)
    map[2, 0, 1], map[0, 3, 0] = 9, 4
    assert words(encode_input(map, CNP)).tolist() == [3 << 16, 4 << 16, 2, 9 << 16 | 1]


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        (FNP, (1, 1, 40), [42, 0x80000001]),
        (CNP, (3, 4, 2), [4 << 16 | 3, 1 << 16 | 2]),
    ],
)
def test_an_empty_input_is_one_event_just_outside(kind: int, shape: tuple[int, int, int], expected: list[int]) -> None:
    assert words(encode_input(np.zeros(shape, np.uint8), kind)).tolist() == expected


def test_an_image_goes_as_its_bytes() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert encode_input(image, DENSE) == bytes(range(24))


@pytest.mark.parametrize("kind", [FNP, CNP])
def test_reading_input_events_undoes_writing_them(kind: int) -> None:
    rng = np.random.default_rng(kind)
    shape = (1, 1, 300) if kind == FNP else (7, 9, 11)
    map = (rng.integers(0, 16, shape) * (rng.random(shape) < 0.3)).astype(np.uint8)
    events = (read_flat_levels if kind == FNP else read_spatial_levels)(words(encode_input(map, kind)))
    back = np.zeros(shape, np.uint8)
    back[events.d0, events.d1, events.channel] = events.value
    np.testing.assert_array_equal(back, map)


@pytest.mark.parametrize(
    ("kind", "activation", "low", "high"),
    [
        (FNP, True, 0, 15),
        (FNP, False, -(2**25), 2**25 - 1),
        (CNP, True, 0, 255),
        (CNP, False, -(2**19), 2**19 - 1),
        (HRC, True, 0, 15),
    ],
)
def test_output_events_keep_every_number(kind: int, activation: bool, low: int, high: int) -> None:
    shape = (1, 1, 500) if kind == FNP else (13, 6, 17)
    map = np.random.default_rng(1).integers(low, high + 1, shape).astype(np.int32)
    map[0, 0, :4] = 0, low, high, 1
    write = OUTPUT_FORMATS[kind, activation].write
    assert write is not None
    back = decode_output(write(Events.of(map)), shape, kind, activation)
    np.testing.assert_array_equal(back, map)


def test_image_potentials_have_their_sign_in_word_0() -> None:
    pair = np.array([0xF0000000 | 2 << 16 | 1, 0xFFFFE << 12 | 3], np.uint32)
    map = decode_output(pair, (4, 4, 4), HRC, False)
    assert map is not None and map[1, 2, 3] == -2


def test_impossible_outputs_are_none() -> None:
    assert decode_output(np.zeros(3, np.uint32), (1, 1, 4), FNP, True) is None
    assert decode_output(np.array([4, 1], np.uint32), (1, 1, 4), FNP, True) is None


def test_dense_outputs_of_later_chips() -> None:
    assert [dense_output_type(bits).str for bits in (4, 8, 32)] == ["|u1", "|i1", "<i4"]
