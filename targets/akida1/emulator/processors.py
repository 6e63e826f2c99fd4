# SPDX-License-Identifier: Apache-2.0
"""The emulated mesh as memories: what configuration transfers write, and the rules for writing it.

Nothing is computed here. A processor keeps its registers and the blocks of each of its memories;
akc.targets.akida1.emulator.network makes sense of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import define, field, frozen

from akc.targets.akida1.chip import Chip
from akc.targets.akida1.driver.dma import HEADER, HEADER_WORDS
from akc.targets.akida1.program.registers import FNP, HRC_BLOCKS
from akc.targets.faults import BadDescriptor, ProgrammedTwice, UnknownRegister

Words = npt.NDArray[np.uint32]
Place = tuple[int, int, int]

FILTERS, FIRE_THRESHOLDS, FNP_WEIGHTS, REGISTERS = 0, 4, 6, 8
"""Units of a processor that a header can address."""
NP_UNITS = (FILTERS, FIRE_THRESHOLDS, FNP_WEIGHTS, REGISTERS)
HRC_SELECT = 0b10
LONG_FACTOR = 16
NP_REGISTERS = FNP.length
LEARNING_WORDS = frozenset((36, 37, 38))
"""Registers in which the learning and the inference block of one layer differ."""
HRC_REGISTERS = frozenset(b.address + i for b in HRC_BLOCKS for i in range(b.length))
HRC_MEMORY_SELECT, HRC_MEMORY_DATA = 0x20, 0x28


@frozen
class Block:
    """Words written to one unit from an address (in the unit's own step)."""

    address: int
    words: Words


@define
class Processor:
    """The registers of an NP (None before they are written) and the blocks of its memories."""

    place: Place
    registers: Words | None = None
    memories: dict[int, list[Block]] = field(factory=dict)

    def write(self, unit: int, address: int, words: Words) -> None:
        """One block. Raises ProgrammedTwice, UnknownRegister."""
        if unit == REGISTERS:
            self._write_registers(address, words)
            return
        blocks = self.memories.setdefault(unit, [])
        for number, block in enumerate(blocks):
            if (block.address, len(block.words)) == (address, len(words)) and unit == FNP_WEIGHTS:
                blocks[number] = Block(address, words)
                return
            if _overlap(unit, block, address, len(words)):
                raise ProgrammedTwice(f"memory {unit} of NP {self.place} is filled twice at {address:#x}")
        blocks.append(Block(address, words))

    def _write_registers(self, address: int, words: Words) -> None:
        if address != 0 or len(words) != NP_REGISTERS:
            raise UnknownRegister(
                f"NP {self.place} has {NP_REGISTERS} registers from 0, found {len(words)} from {address:#x}"
            )
        if self.registers is not None:
            changed = set(np.flatnonzero(self.registers != words).tolist())
            if not changed <= LEARNING_WORDS:
                raise ProgrammedTwice(
                    f"NP {self.place} is programmed twice without a mesh reset (registers {sorted(changed)} differ)"
                )
        self.registers = words

    def read(self, unit: int, address: int, count: int) -> Words:
        """Words of registers or of a block that was written as a whole."""
        if unit == REGISTERS:
            if address + count > NP_REGISTERS:
                raise UnknownRegister(f"NP {self.place} has {NP_REGISTERS} registers, {address + count} are asked for")
            held = self.registers if self.registers is not None else np.zeros(NP_REGISTERS, np.uint32)
            return held[address : address + count]
        for block in self.memories.get(unit, []):
            if block.address == address and count <= len(block.words):
                return block.words[:count]
        raise BadDescriptor(f"memory {unit} of NP {self.place} holds no {count} words at {address:#x}")


UNIT_STEPS = {FILTERS: 16}
"""Words that one step of a block address covers."""


def _overlap(unit: int, block: Block, address: int, count: int) -> bool:
    step = UNIT_STEPS.get(unit, 1)
    first, second = block.address * step, address * step
    return first < second + count and second < first + len(block.words)


@define
class ImageFrontEnd:
    """The HRC: its registers by address, and its memories (weight banks 0 to 2, "thresholds")."""

    registers: dict[int, int] = field(factory=dict)
    memories: dict[str, Words] = field(factory=dict)
    loads: int = 0
    """How many times the loading bit went up."""

    def write(self, unit: int, address: int, words: Words) -> None:
        """One block. Raises UnknownRegister, ProgrammedTwice, BadDescriptor."""
        if unit == REGISTERS:
            self._write_registers(address, words)
        elif unit == 0 and address == HRC_MEMORY_DATA:
            self._write_memory(words)
        else:
            raise BadDescriptor(f"the image front end has no unit {unit} at {address:#x}")

    def _write_registers(self, address: int, words: Words) -> None:
        for number, word in enumerate(words.tolist()):
            if address + number not in HRC_REGISTERS:
                raise UnknownRegister(f"the image front end has no register {address + number:#x}")
            self.registers[address + number] = word

    def _write_memory(self, words: Words) -> None:
        select = self.registers.get(HRC_MEMORY_SELECT, 0)
        banks = [b for b in range(3) if select >> b & 1]
        names = ["thresholds"] if select >> 31 else [str(b) for b in banks]
        if len(names) != 1:
            raise BadDescriptor(f"the image front end's memory select {select:#x} names {len(names)} memories")
        if not self.registers.get(0x08, 0) & 1:
            raise BadDescriptor("the image front end's memories are filled while its loading bit is clear")
        if names[0] in self.memories:
            raise ProgrammedTwice(f"memory {names[0]} of the image front end is filled twice without a reset")
        self.memories[names[0]] = words


class Fabric:
    """All processors and the image front end, as configuration transfers see them."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.changes = 0
        """Counts configuration writes: whoever decoded the mesh knows when it is stale."""
        self.reset_mesh()
        self.reset_image()

    def reset_mesh(self) -> None:
        """Forget every processor."""
        self.processors: dict[Place, Processor] = {}
        self.changes += 1

    def reset_image(self) -> None:
        """Forget the image front end."""
        self.image = ImageFrontEnd()
        self.changes += 1

    def play(self, track: Words) -> int:
        """Carry out a track, block by block; gives the payload words written. Raises BadDescriptor and others."""
        position = payload = 0
        while position < len(track):
            header = read_header(track[position : position + HEADER_WORDS])
            first = position + HEADER_WORDS
            count = block_words(header)
            if first + count > len(track):
                raise BadDescriptor(f"a block of {count} words at word {position} does not end in its track")
            self._write(header, track[first : first + count])
            position, payload = first + count, payload + count
        self.changes += 1
        return payload

    def _write(self, header: Mapping[str, int], words: Words) -> None:
        if header["select"] == HRC_SELECT:
            self.image.write(header["unit"], header["address"], words)
            return
        for place in addressed(header, self.chip):
            processor = self.processors.setdefault(place, Processor(place))
            processor.write(header["unit"], header["address"], words)

    def read(self, track: Words) -> Words:
        """What a read header addresses."""
        header = read_header(track)
        if header["select"] == HRC_SELECT:
            raise BadDescriptor("reading the image front end back is not known")
        place, *more = addressed(header, self.chip)
        if more:
            raise BadDescriptor("a read addresses one processor")
        processor = self.processors.get(place) or Processor(place)
        return processor.read(header["unit"], header["address"], block_words(header))


def read_header(words: Words) -> Mapping[str, int]:
    """The fields of a header; raises BadDescriptor."""
    if len(words) < HEADER_WORDS:
        raise BadDescriptor("a track ends inside a header")
    try:
        header = HEADER.unpack(words.astype("<u4").tobytes())
    except ValueError as fault:
        raise BadDescriptor(str(fault)) from None
    if block_words(header) == 0:
        raise BadDescriptor("a header announces no words")
    return header


def block_words(header: Mapping[str, int]) -> int:
    """Words behind a header."""
    return header["words"] * (LONG_FACTOR if header["long"] else 1)


def addressed(header: Mapping[str, int], chip: Chip) -> list[Place]:
    """The processors that a header names; raises BadDescriptor where the mesh has none there."""
    places = [(header["column"], header["row"], n) for n in range(4) if header["np_mask"] >> n & 1]
    missing = [p for p in places if p not in chip.by_place]
    if not places or missing or header["select"] or header["unit"] not in NP_UNITS:
        raise BadDescriptor(
            f"a header names {missing or places or 'no processor'}, unit {header['unit']}, select {header['select']:#b}"
        )
    return places
