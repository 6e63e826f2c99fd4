# SPDX-License-Identifier: Apache-2.0
"""The bus over VFIO: a card bound to vfio-pci, driven without the vendor's kernel module. Experimental.

Nobody has run this on silicon. It rests on two public sources: the Linux VFIO interface, and the
address translation that the vendor's open kernel module writes when it takes the card
(docs/akd1000/runtime.md): without it the card's windows show nothing of the chip.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from akc.targets.akida1.driver.bus import MEMORY_BASE, REGISTER_BASE, REGISTER_SIZE, Bus
from akc.targets.akida1.driver.chip_registers import CONFIG_DMA, dma
from akc.targets.akida1.driver.lock import DeviceLock
from akc.targets.akida1.driver.vfio import CONFIG_REGION, PCI_DEVICES, Card, Window, iommu_group
from akc.targets.faults import CannotOpen, DeviceGone, WrongIdentification

# -- address translation ---------------------------------------------------------------------------

VIEWPORT, TARGET_LOW, TARGET_HIGH, CONTROL_2 = 0x900, 0x918, 0x904, 0x908
"""Offsets in the extended configuration space of the endpoint's translation unit (iATU)."""

ENDPOINT_BASE = 0xF8C00000
"""Chip address of the endpoint's own registers."""

TRANSLATION: tuple[tuple[int, int], ...] = tuple(
    write
    for region, (bar, target) in enumerate(((0, REGISTER_BASE), (2, ENDPOINT_BASE), (4, MEMORY_BASE)))
    for write in (
        (VIEWPORT, 0x80000000 | region),
        (TARGET_HIGH, 0),
        (TARGET_LOW, target),
        (CONTROL_2, 0xC0080000 | bar << 8),
    )
)
"""(offset, value) in order: inbound region n sends a BAR to a chip address."""

IDENTITY = 0xBCA11E7C
"""First configuration word of the card: device 0xbca1 of vendor 0x1e7c."""
COMMAND, COMMAND_MEMORY_AND_MASTER = 0x04, 0x06
ALL_ONES = 0xFFFFFFFF
SETTLE_SECONDS = 1.0
PROTECTED_BYTES = 0x100
"""The first bytes of device memory belong to the endpoint's DMA lists."""
LEAST_MEMORY = 1 << 20
"""Bytes of device memory without which no program of any size fits."""


def read_word(window: Window, offset: int) -> int:
    """A little-endian 32-bit word."""
    return int(struct.unpack("<I", window.read(offset, 4))[0])


def write_word(window: Window, offset: int, value: int) -> None:
    """Write a little-endian 32-bit word."""
    window.write(offset, struct.pack("<I", value))


def check_identity(config: Window, address: str) -> None:
    """No other card's configuration space is written to. Raises WrongIdentification, CannotOpen."""
    word = read_word(config, 0)
    if word != IDENTITY:
        raise WrongIdentification(
            f"{address} is {word & 0xFFFF:04x}:{word >> 16:04x}, an AKD1000 is 1e7c:bca1", "`akc devices` lists cards"
        )
    if config.size < TARGET_LOW + 4:
        raise CannotOpen(
            f"the configuration space of {address} has {config.size} bytes, the address translation lies beyond",
            "the kernel does not see the extended configuration space of this slot (MMCONFIG)",
        )


def set_translation(config: Window) -> None:
    """Turn on memory space and bus mastering, then point the three BARs at the chip.

    Raises CannotOpen where a write does not stay, as when vfio-pci keeps these offsets to itself.
    """
    command = struct.unpack("<H", config.read(COMMAND, 2))[0]
    config.write(COMMAND, struct.pack("<H", command | COMMAND_MEMORY_AND_MASTER))
    for offset, value in TRANSLATION:
        write_word(config, offset, value)
        found = read_word(config, offset)
        if found != value:
            raise CannotOpen(
                f"configuration word {offset:#x} reads {found:#010x} after {value:#010x} was written",
                "bind the vendor's kernel module once, unbind it, and bind vfio-pci again without a reset between",
            )


class VfioBus(Bus):
    """A chip through three windows: registers (BAR 0), device memory (BAR 4), configuration space."""

    description = "VFIO/NSoC_v2"

    def __init__(
        self, registers: Window, memory: Window, config: Window, close: Callable[[], None] = lambda: None
    ) -> None:
        """Program the address translation, wait, and check that a chip answers."""
        self._registers, self._memory, self._config, self._close = registers, memory, config, close
        self.scratch_base = MEMORY_BASE + PROTECTED_BYTES
        self.scratch_size = memory.size - PROTECTED_BYTES
        for name, window, least in (("BAR 0", registers, REGISTER_SIZE), ("BAR 4", memory, LEAST_MEMORY)):
            if window.size < least:
                raise CannotOpen(f"{name} has {window.size:#x} bytes, at least {least:#x} are needed")
        set_translation(config)
        self.sleep(SETTLE_SECONDS)
        self._check()

    def _check(self) -> None:
        """A soft reset of the configuration DMA must set both ring indices to 0xff; plain memory would not."""
        control, indices = REGISTER_BASE + CONFIG_DMA, REGISTER_BASE + CONFIG_DMA + dma("last").offset
        empty = dma("last").mask | dma("current").mask
        self.write32(indices, 0)
        self.write32(control, dma("soft_reset").put(0, 1))
        found = self.read32(indices)
        if found == ALL_ONES or found & empty != empty:
            raise WrongIdentification(
                f"the configuration DMA's ring indices read {found:#010x} after a soft reset, not {empty:#010x}",
                "BAR 0 does not show the chip's registers: the address translation is not in force",
            )

    def read32(self, address: int) -> int:
        """A register, through BAR 0. All ones mean that nothing may answer any more: then the card is asked."""
        word = read_word(self._registers, address - REGISTER_BASE)
        if word == ALL_ONES and read_word(self._config, 0) != IDENTITY:
            raise DeviceGone("the card does not answer any more", "it lost its link or power; reboot or rescan the bus")
        return word

    def write32(self, address: int, value: int) -> None:
        """A register, through BAR 0."""
        write_word(self._registers, address - REGISTER_BASE, value)

    def read(self, address: int, size: int) -> bytes:
        """Device memory, through BAR 4 (no DMA, slow)."""
        return self._memory.read(address - MEMORY_BASE, size)

    def write(self, address: int, data: bytes) -> None:
        """Device memory, through BAR 4."""
        self._memory.write(address - MEMORY_BASE, data)

    def close(self) -> None:
        """Let go of the card."""
        self._close()


# -- opening ---------------------------------------------------------------------------------------


def open_vfio(address: str, pci: Path = PCI_DEVICES) -> VfioBus:
    """The bus of the card at a PCI address such as 0000:01:00.0, or 01:00.0 for short.

    Raises CannotOpen, DeviceBusy, WrongIdentification.
    """
    address = address if address.count(":") > 1 else f"0000:{address}"
    group = iommu_group(address, pci)
    lock = DeviceLock(f"vfio:{address}")
    try:
        card = Card.take(address, group)
    except BaseException:
        lock.release()
        raise

    def close() -> None:
        card.close()
        lock.release()

    try:
        config = card.window(CONFIG_REGION, "the configuration space")
        check_identity(config, address)
        return VfioBus(card.window(0, "BAR 0"), card.window(4, "BAR 4"), config, close)
    except BaseException:
        close()
        raise
