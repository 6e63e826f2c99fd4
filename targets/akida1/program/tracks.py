# SPDX-License-Identifier: Apache-2.0
"""Tracks: blocks back to back, each a DMA header of two words and its payload (docs/akd1000/program.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from attrs import frozen

from akc.base.diagnostics import error
from akc.targets.akida1.program.container import Place, Record, Words
from akc.targets.akida1.program.registers import Field, RegisterBlock

HEADER = RegisterBlock(
    "dma",
    0,
    2,
    "DMA header in front of each block",
    (
        Field(
            0, 0, 4, "unit", "what is written: 0 filters or image memory, 4 thresholds, 6 dense weights, 8 registers"
        ),
        Field(0, 6, 2, "front_end", "2: the image front end, with column, row and ids 0"),
        Field(0, 8, 8, "ids", "one bit: the id of the NP"),
        Field(0, 16, 8, "row", "row of the NP"),
        Field(0, 24, 8, "column", "column of the NP"),
        Field(1, 0, 16, "address", "first register, or first row of filters in units of 8"),
        Field(1, 16, 15, "length", "payload words"),
        Field(1, 31, 1, "extended", "a long payload; never set on an AKD1000", 0, "constant"),
    ),
)
HEADER_WORDS = HEADER.length
FILTERS, THRESHOLDS, DENSE_WEIGHTS, REGISTERS = 0, 4, 6, 8
UNIT_NAMES = {FILTERS: "filters", THRESHOLDS: "thresholds", DENSE_WEIGHTS: "weights", REGISTERS: "registers"}
TRACK_WORDS = 65535
"""A track has a length of 16 bits."""
FRONT_END = 2


@frozen
class Part:
    """Words [start, end) of a block's payload that hold one thing: weights, thresholds, registers, ...

    count, stride: the same again, `count` times in all, `stride` words apart.
    """

    what: str
    start: int
    end: int
    count: int = 1
    stride: int = 0


@frozen(eq=False)
class Block:
    """A payload for one place: None is the image front end. parts: what its words are, for the byte map."""

    place: Place | None
    unit: int
    address: int
    words: Words
    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        """Words with the header."""
        return len(self.words) + HEADER_WORDS

    @property
    def header(self) -> Words:
        """The two header words."""
        target = {"front_end": FRONT_END} if self.place is None else _target(self.place)
        return HEADER.encode({"unit": self.unit, "address": self.address, "length": len(self.words), **target})


def _target(place: Place) -> dict[str, int]:
    return {"column": place.column, "row": place.row, "ids": 1 << place.id}


def whole(what: str, words: Words) -> tuple[Part, ...]:
    """The parts of a payload that holds one thing."""
    return (Part(what, 0, len(words)),)


def pack(blocks: Iterable[Block]) -> tuple[tuple[Block, ...], ...]:
    """The blocks of a record, cut into tracks: one that would overflow a track starts the next."""
    tracks: list[list[Block]] = [[]]
    filled = 0
    for block in blocks:
        if filled + block.size > TRACK_WORDS and tracks[-1]:
            tracks.append([])
            filled = 0
        tracks[-1].append(block)
        filled += block.size
    return tuple(tuple(track) for track in tracks)


def track_words(blocks: Iterable[Block]) -> Words:
    """A track: header and payload of each block."""
    return np.concatenate([part for block in blocks for part in (block.header, block.words)])


def unpack(words: Words) -> Iterator[Block]:
    """The blocks of a track; raises DiagnosticError AKC0610 or AKC0611."""
    position = 0
    while position < len(words):
        if position + HEADER_WORDS > len(words):
            raise error("AKC0610", f"a track ends in the middle of a DMA header, at word {position}")
        head = words[position : position + HEADER_WORDS]
        fields = HEADER.decode(head)
        start, length = position + HEADER_WORDS, fields["length"]
        if start + length > len(words):
            raise error("AKC0610", f"a block of {length} words at word {position} of a track leaves the track")
        yield Block(_read_target(head, fields), fields["unit"], fields["address"], words[start : start + length])
        position = start + length


def _read_target(head: Words, fields: dict[str, int]) -> Place | None:
    ids = fields["ids"]
    if fields["extended"] or HEADER.unnamed(head) or fields["unit"] not in UNIT_NAMES:
        raise error("AKC0611", f"a DMA header {int(head[0]):08x} {int(head[1]):08x} is of no known kind")
    if fields["front_end"] == FRONT_END and not (ids or fields["column"] or fields["row"]):
        return None
    if fields["front_end"] or ids == 0 or ids & (ids - 1):
        raise error("AKC0611", f"a DMA header {int(head[0]):08x} names not one NP")
    return Place(fields["column"], fields["row"], ids.bit_length() - 1)


def record_blocks(record: Record) -> list[Block]:
    """All blocks of a record, over its tracks."""
    return [block for track in record.tracks for block in unpack(track)]
