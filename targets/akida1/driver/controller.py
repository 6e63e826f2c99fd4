# SPDX-License-Identifier: Apache-2.0
"""One DMA controller: reset, descriptor ring, run, status. Every set of a field reads the register first."""

from __future__ import annotations

from akc.targets.akida1.driver.bus import Bus
from akc.targets.akida1.driver.chip_registers import Field, dma
from akc.targets.akida1.driver.dma import Layout
from akc.targets.akida1.driver.scratch import Scratch
from akc.targets.faults import TimedOut

HEADER_BYTES = 32
"""Bytes in front of each output."""
CONFIGURE_SECONDS = 5.0
"""How long one track may take."""
EAGER_POLLS = 100
"""Status reads before the driver starts to sleep between them."""


def set_fields(bus: Bus, address: int, values: dict[Field, int]) -> None:
    """Read a register, set fields of it, write it back."""
    word = bus.read32(address)
    for field, value in values.items():
        word = field.put(word, value)
    bus.write32(address, word)


class Controller:
    """A DMA controller of the chip and its ring of descriptors in device memory."""

    def __init__(self, bus: Bus, offset: int, layout: Layout, scratch: Scratch) -> None:
        self.bus, self.layout, self.scratch = bus, layout, scratch
        self.base = bus.register_base + offset
        self.ring: int | None = None

    def set(self, *values: tuple[str, int]) -> None:
        """Set fields of one register, named as in the table of registers."""
        fields = {dma(name): value for name, value in values}
        set_fields(self.bus, self.base + dma(values[0][0]).offset, fields)

    def get(self, name: str) -> int:
        """A field's value."""
        field = dma(name)
        return field.get(self.bus.read32(self.base + field.offset))

    def write(self, name: str, word: int) -> None:
        """Write the whole register that a field is in."""
        self.bus.write32(self.base + dma(name).offset, word)

    def allocate_ring(self, count: int) -> None:
        """Memory for `count` descriptors."""
        self.ring = self.scratch.allocate(count * self.layout.size)

    def free_ring(self) -> None:
        """Give the ring's memory back, if there is a ring."""
        if self.ring is not None:
            self.scratch.free(self.ring)
            self.ring = None

    def reset(self, count: int) -> None:
        """Soft reset, then the ring's address and size."""
        assert self.ring is not None
        self.write("soft_reset", dma("soft_reset").put(0, 1))
        self.write("ring", self.ring)
        self.write("descriptor_size", dma("highest").put(self.layout.size // 32, count - 1))

    def set_header(self, enabled: bool) -> None:
        """Whether outputs get a header in front."""
        self.set(("output_header", int(enabled)), ("header_flag", 1), ("header_bytes", HEADER_BYTES))

    def mask(self) -> None:
        """Let only the end of the outbound side through."""
        self.set(("mask_outbound", 0), ("mask_inbound", 1), ("mask_external", 1), ("mask_burst", 1))

    def run(self, enabled: bool) -> None:
        """Start or stop; interrupts are on either way."""
        self.set(("run", int(enabled)), ("interrupt", 1))

    def set_timer(self, enabled: bool) -> None:
        """Whether clock cycles are counted."""
        self.set(("timer_on", int(enabled)))

    def pipeline(self, enabled: bool) -> None:
        """Whether a job may start before the outputs of the one before are written."""
        self.set(("buffer_end", int(enabled)))

    def clear(self) -> None:
        """Clear the status register."""
        self.set(("clear_status", 1))

    def push(self, descriptor: bytes) -> None:
        """Write a descriptor behind the last one and hand it to the controller."""
        assert self.ring is not None
        count = self.get("highest") + 1
        address = self.base + dma("last").offset
        word = self.bus.read32(address)
        index = dma("last").get(word) + 1
        index = 0 if index >= count else index
        self.bus.write(self.ring + index * self.layout.size, descriptor)
        self.bus.write32(address, dma("last").put(word, index))

    def start_as_input(self, count: int) -> None:
        """Reset, header on, masks, stopped: how an input controller waits for jobs."""
        self.reset(count)
        self.set_header(True)
        self.mask()
        self.run(False)

    def start_as_config(self, count: int) -> None:
        """Reset and the single-pass settings of the configuration controller."""
        self.reset(count)
        self.mask()
        for name in ("replay", "burst", "start_delay"):
            self.write(name, 0)
        self.set_header(False)
        self.set_timer(True)

    def process(self, descriptor: bytes) -> None:
        """Push a descriptor, run until it is done, stop. Raises TimedOut."""
        self.push(descriptor)
        self.run(True)
        self._wait()
        self.clear()
        self.run(False)

    def _wait(self) -> None:
        end = self.bus.clock() + CONFIGURE_SECONDS
        polls = 0
        while not self.get("outbound_done"):
            polls += 1
            if polls > EAGER_POLLS:
                self.bus.sleep(0.001)
            if self.bus.clock() > end:
                raise TimedOut(
                    f"the configuration DMA did not finish a transfer within {CONFIGURE_SECONDS:g} s",
                    "program the device again; if it stays silent, unload and load its kernel module",
                )
