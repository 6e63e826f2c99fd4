# SPDX-License-Identifier: Apache-2.0
"""The emulated DMA controllers: a register file, a ring of descriptors, and work done the moment it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from akc.targets.akd1000.driver.dma import Layout
from akc.targets.akd1000.driver.errors import BadDescriptor, UnknownRegister
from akc.targets.akd1000.driver.registers import dma, known_offsets
from akc.targets.akd1000.emulator.memory import Memory

OFFSETS = known_offsets("dma")
EMPTY_RING = 0x00FF00FF
"""Register 0x04 after a reset: both indices are 0xff."""
READ_ONLY = frozenset((0x10, 0x14, 0x18, 0x1C, 0x20, 0x28, 0x2C, 0x30, 0x50))
NOT_ON_THIS_CHIP = ("chained", "hardware_run", "big_endian")
"""Modes that the emulator refuses: programs of this chip never use them."""

Handler = Callable[[Mapping[str, int]], None]
OUTBOUND = 1


class Controller:
    """One controller. `handler` gets each descriptor as fields by name and does its work."""

    def __init__(self, name: str, layout: Layout, memory: Memory, handler: Handler) -> None:
        self.name, self.layout, self.memory, self.handler = name, layout, memory, handler
        self.held = False
        """Fault injection: descriptors stay in the ring."""
        self.registers: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
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
        return self.registers[offset]

    def write(self, offset: int, value: int) -> None:
        """A register; starts the work that became due. Raises UnknownRegister, BadDescriptor."""
        if offset not in OFFSETS or offset in READ_ONLY:
            what = "read-only" if offset in READ_ONLY else "no"
            raise UnknownRegister(f"{offset:#x} is {what} register of the {self.name} DMA")
        self.registers[offset] = value
        if self.get("soft_reset"):
            self.reset()
        if self.get("clear_status"):
            self.put("clear_status", 0)
            self.registers[dma("raw_status").offset] = 0
        for name in NOT_ON_THIS_CHIP:
            if self.get(name):
                raise UnknownRegister(f"{name} of the {self.name} DMA is not known to work on this chip")
        self.work()

    def work(self) -> None:
        """Consume descriptors up to the last valid one, if running."""
        while self.get("run") and not self.held and self.get("current") != self.get("last"):
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
