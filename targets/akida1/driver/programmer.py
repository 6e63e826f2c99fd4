# SPDX-License-Identifier: Apache-2.0
"""Putting a program on the chip: its tracks one by one, weights of FNP2, the learning layer, the event gateway."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from akc.targets.akida1.driver.bus import Bus
from akc.targets.akida1.driver.chip_registers import EPG, FNP2_ADDRESS
from akc.targets.akida1.driver.controller import Controller
from akc.targets.akida1.driver.dma import CONFIG, FNP_WEIGHTS_UNIT, HEADER_WORDS, REGISTERS_UNIT, np_header
from akc.targets.akida1.driver.plan import LearningInfo, Place, ProgramInfo, RecordInfo, Span
from akc.targets.akida1.driver.scratch import Scratch
from akc.targets.faults import BadInput, WrongState


class Programmer:
    """Plays the tracks of one program.

    data: program_data, or the chip address where it already lies (then nothing is copied).
    """

    def __init__(self, bus: Bus, config: Controller, scratch: Scratch, info: ProgramInfo, data: bytes | int) -> None:
        self.bus, self.config, self.scratch = bus, config, scratch
        self.info, self.data = info, data
        self.learned_at = 0
        """Chip address of a learning FNP2's weights."""

    def program(self, learning: bool, progress: Callable[[int, int], None]) -> None:
        """Play every record in order, then the learning layer, then the event gateway."""
        records = self.info.records
        for number, record in enumerate(records):
            progress(number, len(records))
            self._play_record(record)
        if self.info.learning is not None:
            self.play_learning_registers(learning)
            self._play_record(self.info.learning.weights, learned=True)
        for offset, value in self.info.epg_tracks:
            self.bus.write32(self.bus.register_base + EPG + offset, value)
        progress(len(records), len(records))

    def _play_record(self, record: RecordInfo, learned: bool = False) -> None:
        for track in record.tracks:
            self._play(track)
        if record.external is not None:
            address = self._place(record.external.span)
            self.bus.write32(self.bus.register_base + FNP2_ADDRESS + 4 * record.external.place[2], address)
            if learned:
                self.learned_at = address

    def _play(self, span: Span) -> None:
        address = self._place(span)
        self.config.process(CONFIG.pack(write=1, source=address, words=span.words, destination=0))
        if not isinstance(self.data, int):
            self.scratch.free(address)

    def _place(self, span: Span) -> int:
        """Chip address of a span of program_data; copies it unless it is there already."""
        if isinstance(self.data, int):
            return self.data + span.offset
        block = self.data[span.offset : span.offset + 4 * span.words]
        address = self.scratch.allocate(len(block))
        self.bus.write(address, block)
        return address

    def _learning(self) -> LearningInfo:
        if self.info.learning is None:
            raise WrongState(
                "this program does not learn",
                "give the last layer learning=akida_unsupervised(...) and build it again",
            )
        return self.info.learning

    def play_learning_registers(self, learning: bool) -> None:
        """Switch the learning layer to learning or inference."""
        layer = self._learning()
        self._play(layer.learning if learning else layer.inference)

    def learned_words(self) -> int:
        """32-bit words of `read_learned`."""
        weights = self._learning().weights
        return weights.external.span.words if weights.external is not None else weights.tracks[0].words

    def read_learned(self) -> bytes:
        """The learning layer's weights as they are now; on an FNP3 behind the two words of their header."""
        layer = self._learning()
        words = self.learned_words()
        if layer.weights.external is not None:
            return self.bus.read(self.learned_at, 4 * words)
        words -= HEADER_WORDS
        header = np_header(layer.place, FNP_WEIGHTS_UNIT, words)
        return header + self.read_block(header, words)

    def write_learned(self, data: bytes) -> None:
        """Put back what `read_learned` gave. Raises BadInput where the size or the header differs."""
        layer = self._learning()
        words = self.learned_words()
        if len(data) != 4 * words:
            raise BadInput(f"learned weights of this program have {4 * words} bytes, found {len(data)}")
        if layer.weights.external is not None:
            self.bus.write(self.learned_at, data)
            return
        if data[:8] != np_header(layer.place, FNP_WEIGHTS_UNIT, words - HEADER_WORDS):
            raise BadInput("these learned weights are of another layer", "their first two words name their place")
        address = self.scratch.allocate(len(data))
        self.bus.write(address, data)
        self.config.process(CONFIG.pack(write=1, source=address, words=words, destination=0))
        self.scratch.free(address)

    def read_block(self, header: bytes, words: int) -> bytes:
        """What a 2-word header addresses, read back through the configuration DMA."""
        source = self.scratch.allocate(len(header))
        destination = self.scratch.allocate(4 * words)
        descriptor = CONFIG.pack(write=0, source=source, words=HEADER_WORDS, destination=destination)
        self.bus.write(source, header)
        self.config.process(descriptor)
        block = self.bus.read(destination, 4 * words)
        self.scratch.free(destination)
        self.scratch.free(source)
        return block

    def read_registers(self, place: Place, count: int) -> npt.NDArray[np.uint32]:
        """The first `count` registers of an NP."""
        return np.frombuffer(self.read_block(np_header(place, REGISTERS_UNIT, count), count), "<u4").astype(np.uint32)
