# SPDX-License-Identifier: Apache-2.0
"""DMA descriptors and configuration headers as tables of fields, written and read by the same rows.

A descriptor is a list of little-endian words. Sources: docs/akd1000/runtime.md, section descriptors.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cached_property

from attrs import frozen


@frozen
class Part:
    """A field of a descriptor: word, low bit, width, name, and the value it always has, if any."""

    word: int
    low: int
    width: int
    name: str
    always: int | None = None


@frozen(slots=False)
class Layout:
    """A kind of descriptor: its words and its fields."""

    name: str
    words: int
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Size of a descriptor in its ring."""
        return self.words * 4

    def pack(self, **values: int) -> bytes:
        """The descriptor's bytes; raises ValueError where a value does not fit its field."""
        words = [0] * self.words
        for part in self.parts:
            value = part.always if part.always is not None else values.pop(part.name)
            if not 0 <= value < 1 << part.width:
                raise ValueError(f"{self.name}.{part.name} has {part.width} bits, {value} does not fit")
            words[part.word] |= value << part.low
        if values:
            raise ValueError(f"{self.name} has no field {', '.join(values)}")
        return b"".join(word.to_bytes(4, "little") for word in words)

    def unpack(self, data: bytes) -> Mapping[str, int]:
        """Fields by name; raises ValueError where a fixed field or an unused bit has another value."""
        words = struct.unpack(f"<{self.words}I", data[: self.size])
        if any(word & ~known for word, known in zip(words, self.known_bits, strict=True)):
            raise ValueError(f"{self.name} has bits set outside its fields: {[hex(w) for w in words]}")
        values = {part.name: words[part.word] >> part.low & (1 << part.width) - 1 for part in self.parts}
        for name, always in self.fixed.items():
            if values[name] != always:
                raise ValueError(f"{self.name}.{name} is {always} in a descriptor, found {values[name]}")
        return values

    @cached_property
    def known_bits(self) -> tuple[int, ...]:
        """The bits of each word that belong to a field."""
        known = [0] * self.words
        for part in self.parts:
            known[part.word] |= ((1 << part.width) - 1) << part.low
        return tuple(known)

    @cached_property
    def fixed(self) -> Mapping[str, int]:
        """Fields that always have the same value."""
        return {part.name: part.always for part in self.parts if part.always is not None}


CONFIG = Layout(
    "config",
    8,
    (
        Part(0, 0, 4, "version", 1),
        Part(0, 28, 1, "write"),
        Part(1, 0, 32, "source"),
        Part(2, 0, 16, "words"),
        Part(3, 0, 32, "destination"),
    ),
)
"""write: 1 plays a track; 0 reads what the 2-word header at `source` addresses into `destination`."""

EVENT = Layout(
    "event",
    8,
    (
        Part(0, 0, 4, "version", 1),
        Part(0, 13, 1, "no_inbound_interrupt", 1),
        Part(0, 16, 16, "job"),
        Part(1, 0, 32, "input"),
        Part(2, 0, 24, "words"),
        Part(3, 0, 32, "output"),
        Part(4, 16, 10, "learn_class"),
    ),
)
"""learn_class: label + 1, 0 for none."""

HRC = Layout(
    "hrc",
    16,
    (
        Part(0, 0, 4, "version", 1),
        Part(0, 13, 1, "no_inbound_interrupt", 1),
        Part(0, 16, 16, "job"),
        Part(1, 0, 32, "input"),
        Part(2, 0, 16, "row_bytes"),
        Part(2, 16, 16, "rows"),
        Part(3, 0, 16, "stride_bytes"),
        Part(3, 16, 16, "row_bytes_high"),
        Part(4, 0, 16, "window_row_bytes"),
        Part(4, 16, 16, "window_rows"),
        Part(5, 0, 32, "overlap", 0),
        Part(6, 0, 32, "offset", 0),
        Part(7, 0, 32, "output"),
        Part(8, 16, 10, "learn_class"),
    ),
)

HEADER = Layout(
    "header",
    2,
    (
        Part(0, 0, 4, "unit"),
        Part(0, 6, 2, "select"),
        Part(0, 8, 4, "np_mask"),
        Part(0, 16, 8, "row"),
        Part(0, 24, 8, "column"),
        Part(1, 0, 16, "address"),
        Part(1, 16, 14, "words"),
        Part(1, 31, 1, "long"),
    ),
)
"""Two words before each block of a track. unit: 0 filters, 4 fire thresholds, 6 FNP weights, 8 registers;
select 0b10 is the HRC; `long` multiplies the length by 16."""

REGISTERS_UNIT, FNP_WEIGHTS_UNIT = 8, 6
HEADER_WORDS = 2


def np_header(place: tuple[int, int, int], unit: int, words: int) -> bytes:
    """The header that addresses `words` words of a unit of one NP (column, row, id)."""
    column, row, number = place
    return HEADER.pack(column=column, row=row, np_mask=1 << number, unit=unit, select=0, address=0, words=words, long=0)
