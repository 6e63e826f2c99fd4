# SPDX-License-Identifier: Apache-2.0
"""The emulated DMA controllers: a register file, a ring of descriptors, and work done the moment it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
from attrs import frozen

from akc.targets.akida1.driver.chip_registers import dma, known_offsets
from akc.targets.akida1.driver.dma import Layout
from akc.targets.akida1.emulator.device_memory import Memory
from akc.targets.faults import BadDescriptor, UnknownRegister

OFFSETS = known_offsets("dma")
EMPTY_RING = 0x00FF00FF
"""Register 0x04 after a reset: both indices are 0xff."""
READ_ONLY = frozenset((0x10, 0x14, 0x18, 0x1C, 0x20, 0x28, 0x2C, 0x30, 0x50))
CONTROL, DESCRIPTORS, MONITOR = dma("run").offset, dma("last").offset, dma("clear_status").offset
NOT_ON_THIS_CHIP = {CONTROL: ("hardware_run", "big_endian"), DESCRIPTORS: ("chained",)}
"""Modes that the emulator refuses, by register: programs of this chip never use them."""

Handler = Callable[[Mapping[str, int]], None]
OUTBOUND = 1


@frozen(eq=False)
class Job:
    """A descriptor of an input controller, and the words or rows of pixels that it pointed at."""

    fields: Mapping[str, int]
    payload: npt.NDArray[Any]


class Controller:
    """One controller. `handler` gets each descriptor as fields by name and does its work, or leaves it in `waiting`.

    finish: does all waiting work; called before anything that it would change is read.
    """

    def __init__(self, name: str, layout: Layout, memory: Memory, handler: Handler, finish: Callable[[], None]) -> None:
        self.name, self.layout, self.memory, self.handler, self.finish = name, layout, memory, handler, finish
        self.held = False
        """Fault injection: descriptors stay in the ring."""
        self.registers: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """As after power-on; jobs that wait are lost."""
        self.waiting: list[Job] = []
        self.registers = dict.fromkeys(OFFSETS, 0) | {dma("last").offset: EMPTY_RING}

    def get(self, name: str) -> int:
        """A field's value."""
        field = dma(name)
        return field.get(self.registers[field.offset])

    def put(self, name: str, value: int) -> None:
        """Set a field."""
        field = dma(name)
        self.registers[field.offset] = field.put(self.registers[field.offset], value)

    def read(self, offset: int) -> int:
        """A register; raises UnknownRegister."""
        if offset not in OFFSETS:
            raise UnknownRegister(f"the {self.name} DMA has no register {offset:#x}")
        if offset in READ_ONLY:
            self.finish()
        return self.registers[offset]

    def write(self, offset: int, value: int) -> None:
        """A register; starts the work that became due. Raises UnknownRegister, BadDescriptor."""
        if offset not in OFFSETS or offset in READ_ONLY:
            what = "read-only" if offset in READ_ONLY else "no"
            raise UnknownRegister(f"{offset:#x} is {what} register of the {self.name} DMA")
        if offset not in (CONTROL, DESCRIPTORS):
            self.finish()
        self.registers[offset] = value
        if offset == MONITOR and self.get("clear_status"):
            self.put("clear_status", 0)
            self.registers[dma("raw_status").offset] = 0
        if offset in (CONTROL, DESCRIPTORS):
            self._start(offset)

    def _start(self, offset: int) -> None:
        """What a write to the control or descriptor register sets going."""
        if offset == CONTROL and self.get("soft_reset"):
            self.reset()
        for name in NOT_ON_THIS_CHIP[offset]:
            if self.get(name):
                raise UnknownRegister(f"{name} of the {self.name} DMA is not known to work on this chip")
        self.work()

    def work(self) -> None:
        """Consume descriptors up to the last valid one, if running."""
        while not self.held and self.get("run") and self.get("current") != self.get("last"):
            index = self.get("current") + 1
            index = 0 if index > self.get("highest") else index
            self.put("current", index)
            self.handler(self._descriptor(index))
            self._finish()

    def _descriptor(self, index: int) -> Mapping[str, int]:
        if self.get("descriptor_size") * 32 != self.layout.size:
            raise BadDescriptor(f"descriptors of the {self.name} DMA have {self.layout.size} bytes")
        data = self.memory.read(self.get("ring") + index * self.layout.size, self.layout.size)
        try:
            return self.layout.unpack(data)
        except ValueError as fault:
            raise BadDescriptor(f"descriptor {index} of the {self.name} DMA: {fault}") from None

    def _finish(self) -> None:
        """Raise the outbound status, and its masked copy unless the mask is set."""
        self.put("raw_status", self.get("raw_status") | OUTBOUND)
        if not self.get("mask_outbound"):
            self.put("outbound_done", 1)

    def count(self, cycles: int) -> None:
        """Show a job's clock cycles, if the timer is on."""
        if self.get("timer_on"):
            self.put("timer", min(cycles, 0xFFFFFFFF))
