# SPDX-License-Identifier: Apache-2.0
"""Descriptors and headers: known words, and both directions on random fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akc.targets.akida1.driver.chip_registers import FIELDS, dma
from akc.targets.akida1.driver.dma import CONFIG, EVENT, HEADER, HRC, Layout, np_header

LAYOUTS = (CONFIG, EVENT, HRC, HEADER)


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def test_the_words_of_a_traced_run() -> None:
    assert words(CONFIG.pack(write=1, source=0x24000040, words=3, destination=0)) == [
        0x10000001,
        0x24000040,
        3,
        *[0] * 5,
    ]
    event = EVENT.pack(job=1, input=0x240000F0, words=6, output=0x24000080, learn_class=0)
    assert words(event) == [0x00012001, 0x240000F0, 6, 0x24000080, 0, 0, 0, 0]


def test_the_header_of_an_np() -> None:
    assert words(np_header((4, 1, 3), 6, 100)) == [0x04010806, 100 << 16]


def test_sizes_in_the_ring() -> None:
    assert [layout.size for layout in (CONFIG, EVENT, HRC)] == [32, 32, 64]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_fields_do_not_overlap(layout: Layout) -> None:
    taken: set[tuple[int, int]] = set()
    for part in layout.parts:
        bits = {(part.word, bit) for bit in range(part.low, part.low + part.width)}
        assert part.word < layout.words and part.low + part.width <= 32
        assert not bits & taken
        taken |= bits


@given(data=st.data(), layout=st.sampled_from(LAYOUTS))
def test_unpack_undoes_pack(data: st.DataObject, layout: Layout) -> None:
    free = [part for part in layout.parts if part.always is None]
    values = {part.name: data.draw(st.integers(0, (1 << part.width) - 1)) for part in free}
    packed = layout.pack(**values)
    assert len(packed) == layout.size
    assert {name: layout.unpack(packed)[name] for name in values} == values


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"config\.words has 16 bits"):
        CONFIG.pack(write=1, source=0, words=1 << 16, destination=0)
    with pytest.raises(ValueError, match="config has no field length"):
        CONFIG.pack(write=1, source=0, words=1, destination=0, length=2)


def test_unknown_bits_are_refused() -> None:
    event = bytearray(EVENT.pack(job=1, input=0, words=2, output=0, learn_class=0))
    event[28] = 1
    with pytest.raises(ValueError, match="bits set outside"):
        EVENT.unpack(bytes(event))
    with pytest.raises(ValueError, match=r"event\.version is 1"):
        EVENT.unpack(bytes(32))


def test_register_fields_do_not_overlap() -> None:
    taken: set[tuple[str, int, int]] = set()
    for field in FIELDS.values():
        bits = {(field.block, field.offset, bit) for bit in range(field.low, field.low + field.width)}
        assert not bits & taken, field
        taken |= bits
        assert field.known in ("traced", "source", "AKD1500")


def test_a_register_field_is_cut_to_its_width() -> None:
    assert dma("last").put(0xFFFFFFFF, 3) == 0xFF03FFFF
    assert dma("last").get(0x12345678) == 0x34
    with pytest.raises(ValueError, match="last has 8 bits"):
        dma("last").put(0, 256)
