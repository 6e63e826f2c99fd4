# SPDX-License-Identifier: Apache-2.0
"""The registers a driver touches, as rows: top level, DMA controllers, event gateway, interrupts.

Sources (docs/akd1000/runtime.md): `traced` rows were exercised by the vendor's openly shipped engine
against a recording bus, with the same accesses from this driver; `source` rows were only read there.
The registers of the neural processors are in akc.targets.akida1.program.registers.
"""

from __future__ import annotations

from attrs import field, frozen


@frozen
class Field:
    """Bits of a register: (block, offset, low bit, width, name, meaning, known from)."""

    block: str
    offset: int
    low: int
    width: int
    name: str
    meaning: str
    known: str
    mask: int = field(init=False, repr=False)
    """The field's bits in place."""

    @mask.default
    def _bits_in_place(self) -> int:
        return ((1 << self.width) - 1) << self.low

    def get(self, word: int) -> int:
        """The field's value in a register word."""
        return (word & self.mask) >> self.low

    def put(self, word: int, value: int) -> int:
        """The word with the field set; raises ValueError where the value does not fit."""
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"{self.name} has {self.width} bits, {value} does not fit")
        return word & ~self.mask | value << self.low


EVENT_DMA, HRC_DMA, CONFIG_DMA = 0x20000, 0x28000, 0x30000
"""Offsets of the three DMA controllers, which share the rows of block "dma"."""
EPG = 0x40000
"""Offset of the event gateway, programmed by the program's own (offset, value) pairs."""
FNP2_ADDRESS = 0x10
"""Offset of the FNP2 weight addresses, one word for each of the four ids of node (4, 1)."""
INTERRUPT_ENABLE, INTERRUPT_MASK = 0x70000, 0x70004

EPG_OFFSETS = (0x00, 0x0C, 0x10, 0x14, 0x18, 0x1C)
"""Offsets in the event gateway that programs write."""

_ROWS: tuple[Field, ...] = (
    Field("top", 0x00, 0, 8, "minor", "minor revision; the whole word is 0 on AKD1000", "traced"),
    Field("top", 0x00, 8, 8, "major", "major revision", "traced"),
    Field("top", 0x00, 16, 8, "product", "product", "traced"),
    Field("top", 0x00, 24, 8, "vendor", "vendor", "traced"),
    Field("top", 0x04, 0, 1, "rewind", "rewind mode, not used", "source"),
    Field("top", 0x04, 1, 2, "multi_pass", "partial reconfiguration, 1 = on", "traced"),
    Field("top", 0x04, 8, 1, "logic_reset", "reset of the processors' logic", "traced"),
    Field("top", 0x04, 9, 1, "core_reset", "reset of the core, DMA controllers included", "traced"),
    Field("top", 0x04, 10, 1, "mesh_reset", "reset of the mesh and its configuration", "traced"),
    Field("top", 0x04, 12, 1, "image_reset", "reset of the image side (HRC)", "traced"),
    Field("top", 0x04, 16, 3, "clock_off", "clock power-downs, not used", "source"),
    Field("top", 0x04, 20, 1, "clock_off_2", "clock power-down, not used", "source"),
    Field("top", 0x10, 0, 32, "fnp2_address_0", "where the weights of FNP2 (4, 1, 0) lie", "traced"),
    Field("top", 0x14, 0, 32, "fnp2_address_1", "where the weights of FNP2 (4, 1, 1) lie", "source"),
    Field("top", 0x18, 0, 32, "fnp2_address_2", "where the weights of FNP2 (4, 1, 2) lie", "source"),
    Field("top", 0x1C, 0, 32, "fnp2_address_3", "where the weights of FNP2 (4, 1, 3) lie", "source"),
    Field("interrupts", INTERRUPT_ENABLE, 0, 1, "enable", "global interrupt enable", "traced"),
    Field("interrupts", INTERRUPT_MASK, 0, 1, "mask_event", "1 masks the event DMA", "traced"),
    Field("interrupts", INTERRUPT_MASK, 5, 1, "mask_hrc", "1 masks the HRC DMA", "traced"),
    Field("dma", 0x00, 0, 4, "version", "version of the controller", "source"),
    Field("dma", 0x00, 8, 1, "run", "works on the ring while 1", "traced"),
    Field("dma", 0x00, 9, 1, "soft_reset", "resets the controller", "traced"),
    Field("dma", 0x00, 10, 1, "interrupt", "interrupt enable", "traced"),
    Field("dma", 0x00, 11, 1, "hardware_run", "run by hardware, not used", "source"),
    Field("dma", 0x00, 20, 2, "big_endian", "byte orders, not used", "source"),
    Field("dma", 0x00, 23, 1, "valid_fifo", "not used", "source"),
    Field("dma", 0x00, 24, 1, "output_header", "writes a header before the outputs", "traced"),
    Field("dma", 0x00, 25, 1, "header_flag", "always set to 1", "traced"),
    Field("dma", 0x00, 26, 6, "header_bytes", "bytes of the header, 32", "traced"),
    Field("dma", 0x04, 0, 8, "current", "index of the last descriptor consumed, 0xff after reset", "source"),
    Field("dma", 0x04, 16, 8, "last", "index of the last valid descriptor, 0xff after reset", "traced"),
    Field("dma", 0x04, 31, 1, "chained", "chained burst, not used", "source"),
    Field("dma", 0x08, 0, 32, "ring", "address of the descriptor ring", "traced"),
    Field("dma", 0x0C, 0, 5, "descriptor_size", "in units of 32 bytes", "traced"),
    Field("dma", 0x0C, 16, 8, "highest", "highest index of the ring", "traced"),
    Field("dma", 0x10, 0, 4, "descriptor_version", "", "source"),
    Field("dma", 0x10, 16, 16, "job", "id of the last finished job", "traced"),
    Field("dma", 0x14, 0, 32, "input_address", "of the current job", "source"),
    Field("dma", 0x18, 0, 32, "output_address", "of the current job", "source"),
    Field("dma", 0x1C, 0, 32, "output_words", "of the last job", "source"),
    Field("dma", 0x20, 0, 16, "input_words", "of the last job", "source"),
    Field("dma", 0x24, 0, 1, "clear_status", "clears the status register", "traced"),
    Field("dma", 0x24, 1, 1, "clear_counter", "not used", "source"),
    Field("dma", 0x24, 2, 1, "clear_jobs", "not used", "source"),
    Field("dma", 0x24, 8, 2, "buffer_end", "what ends a buffer: 0 outbound, 1 inbound (pipelining)", "traced"),
    Field("dma", 0x24, 12, 1, "counter_on", "not used", "source"),
    Field("dma", 0x24, 13, 1, "timer_on", "counts clock cycles of a buffer", "traced"),
    Field("dma", 0x24, 14, 1, "jobs_on", "job id fifo, not used", "source"),
    Field("dma", 0x24, 16, 1, "mask_outbound", "", "traced"),
    Field("dma", 0x24, 17, 1, "mask_inbound", "", "traced"),
    Field("dma", 0x24, 18, 1, "mask_external", "", "traced"),
    Field("dma", 0x24, 19, 1, "mask_burst", "", "traced"),
    Field("dma", 0x28, 0, 4, "raw_status", "outbound, inbound, external, burst done", "source"),
    Field("dma", 0x28, 16, 1, "outbound_done", "after the mask", "traced"),
    Field("dma", 0x28, 17, 3, "masked_status", "inbound, external, burst done after their masks", "source"),
    Field("dma", 0x2C, 0, 32, "counter", "buffer counter", "source"),
    Field("dma", 0x30, 0, 32, "timer", "clock cycles", "traced"),
    Field("dma", 0x38, 0, 10, "start_delay", "before a descriptor starts", "traced"),
    Field("dma", 0x38, 16, 8, "end_delay", "after an inbound payload", "source"),
    Field("dma", 0x3C, 0, 8, "highest_extra", "highest index with the extra descriptor, multi-pass only", "source"),
    Field("dma", 0x3C, 12, 1, "extra_on", "multi-pass only", "source"),
    Field("dma", 0x50, 0, 32, "job_fifo", "not used", "source"),
    Field("dma", 0x70, 0, 32, "replay", "burst and replay modes, multi-pass only", "traced"),
    Field(
        "dma", 0x98, 0, 31, "clear_words", "dense outputs: words of an output buffer, which the chip clears", "AKD1500"
    ),
    Field("dma", 0x98, 31, 1, "clear_output", "dense outputs: 1", "AKD1500"),
    Field("dma", 0x74, 0, 32, "burst", "descriptors per burst, loops, multi-pass only", "traced"),
)

FIELDS: dict[tuple[str, str], Field] = {(row.block, row.name): row for row in _ROWS}
"""Every row by (block, name)."""


def top(name: str) -> Field:
    """A field of the top-level registers."""
    return FIELDS["top", name]


def dma(name: str) -> Field:
    """A field of a DMA controller; its offset counts from the controller's."""
    return FIELDS["dma", name]


def known_offsets(block: str) -> frozenset[int]:
    """Offsets of a block that have at least one row."""
    return frozenset(row.offset for row in _ROWS if row.block == block)
