# SPDX-License-Identifier: Apache-2.0
"""Reading FlatBuffers that may be damaged: every offset is checked before it is used.

A buffer is read by slot numbers, without generated code. Any fault raises a DiagnosticError with the
byte position; nothing here loops longer than the buffer is. Programs of the chip and the vendor's model
files are read with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from attrs import define, frozen

from akc.base.diagnostics import error

Array = npt.NDArray[Any]

SIZE_PREFIX = 4
"""Bytes of the size in front of a size-prefixed buffer."""


@define
class Buffer:
    """The bytes of one FlatBuffer; name: what messages call it.

    left: how many more tables may be visited, so that tables which point at each other many times
    over cannot keep the reader busy; prefix: bytes in front of the root's offset; code, inside, help: of a fault.
    """

    name: str
    data: bytes
    left: int = 0
    prefix: int = SIZE_PREFIX
    code: str = "AKC0610"
    inside: str = ""
    help: str = "write the program again from its source; a download may have been cut short"

    def __attrs_post_init__(self) -> None:
        self.left = len(self.data) // 4

    def fail(self, position: int, what: str) -> NoReturn:
        """Raise the fault."""
        raise error(self.code, f"{self.name} is damaged at byte {position}{self.inside}: {what}", help=self.help)

    def scalar(self, position: int, form: str) -> Any:
        """One little-endian number."""
        return self.numbers(position, form)[0]

    def numbers(self, position: int, form: str) -> tuple[Any, ...]:
        """A few little-endian numbers in struct notation."""
        size = struct.calcsize("<" + form)
        if position < 0 or position + size > len(self.data):
            self.fail(position, "a field lies beyond the end")
        return struct.unpack_from("<" + form, self.data, position)

    def forward(self, position: int) -> int:
        """The place that the unsigned offset at `position` points to."""
        offset = self.scalar(position, "I")
        if offset < 4 or position + offset + 4 > len(self.data):
            self.fail(position, f"an offset of {offset} leads outside")
        return int(position + offset)

    def elements(self, position: int, size: int) -> tuple[int, int]:
        """(first byte, count) of the vector at `position`, all of it inside the buffer."""
        count = self.scalar(position, "I")
        if position + 4 + count * size > len(self.data):
            self.fail(position, f"a vector of {count} elements does not fit")
        return position + 4, int(count)

    def table(self, position: int) -> Table:
        """The table at a position."""
        self.left -= 1
        if self.left < 0:
            self.fail(position, "tables overlap")
        start = position - self.scalar(position, "i")
        if start < 0 or start + 4 > len(self.data):
            self.fail(position, "the field list of a table lies outside")
        size, length = self.numbers(start, "HH")
        if size < 4 or size % 2 or start + size > len(self.data) or position + length > len(self.data):
            self.fail(start, "a table has an impossible size")
        slots = self.numbers(start + 4, f"{(size - 4) // 2}H")
        if any(slot and not 4 <= slot < length for slot in slots):
            self.fail(start, "a field lies outside of its table")
        return Table(self, position, slots)

    def root(self) -> Table:
        """The root table."""
        return self.table(self.forward(self.prefix))


@frozen
class Table:
    """A table of a buffer: its place and the offsets of its fields by slot, 0 for absent ones."""

    buffer: Buffer
    position: int
    slots: tuple[int, ...]

    def at(self, slot: int) -> int | None:
        """Where a field is; None if it is absent."""
        offset = self.slots[slot] if slot < len(self.slots) else 0
        return self.position + offset if offset else None

    def number(self, slot: int, form: str, default: Any = 0) -> Any:
        """A scalar field."""
        place = self.at(slot)
        return default if place is None else self.buffer.scalar(place, form)

    def structure(self, slot: int, form: str) -> tuple[Any, ...] | None:
        """An inline struct."""
        place = self.at(slot)
        return None if place is None else self.buffer.numbers(place, form)

    def _follow(self, slot: int, then: Callable[[int], Any]) -> Any:
        place = self.at(slot)
        return None if place is None else then(self.buffer.forward(place))

    def table(self, slot: int) -> Table | None:
        """A table that a field points to."""
        found: Table | None = self._follow(slot, self.buffer.table)
        return found

    def need(self, slot: int, what: str) -> Table:
        """A table that must be there."""
        found = self.table(slot)
        if found is None:
            self.buffer.fail(self.position, f"there is no {what}")
        return found

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables; empty if absent."""

        def follow(position: int) -> list[Table]:
            first, count = self.buffer.elements(position, 4)
            return [self.buffer.table(self.buffer.forward(first + 4 * i)) for i in range(count)]

        return self._follow(slot, follow) or []

    def vector(self, slot: int, kind: str) -> Array | None:
        """A vector of numbers (a little-endian numpy kind, such as "u4"); None if absent."""
        element = np.dtype(kind).newbyteorder("<")

        def follow(position: int) -> Array:
            first, count = self.buffer.elements(position, element.itemsize)
            return np.frombuffer(self.buffer.data, element, count, first).astype(np.dtype(kind))

        found: Array | None = self._follow(slot, follow)
        return found

    def structures(self, slot: int, form: str) -> list[tuple[Any, ...]] | None:
        """A vector of structs; None if absent."""
        size = struct.calcsize("<" + form)

        def follow(position: int) -> list[tuple[Any, ...]]:
            first, count = self.buffer.elements(position, size)
            return [self.buffer.numbers(first + size * i, form) for i in range(count)]

        found: list[tuple[Any, ...]] | None = self._follow(slot, follow)
        return found

    def string(self, slot: int) -> str | None:
        """A string; None if absent."""

        def follow(position: int) -> str:
            first, count = self.buffer.elements(position, 1)
            return self.buffer.data[first : first + count].decode("utf-8", "replace")

        found: str | None = self._follow(slot, follow)
        return found


def split_sized(data: bytes, name: str) -> tuple[bytes, bytes]:
    """(one size-prefixed buffer, what follows it); raises AKC0610."""
    buffer = Buffer(name, data)
    size = buffer.scalar(0, "I") + 4
    if size > len(data) or size < 12:
        buffer.fail(0, f"its size field says {size} bytes, {len(data)} are there")
    return data[:size], data[size:]
