# SPDX-License-Identifier: Apache-2.0
"""The bus over VFIO: a card bound to vfio-pci, driven without the vendor's kernel module. Experimental.

Nobody has run this on silicon. It rests on two public sources: the Linux VFIO interface, and the
address translation that the vendor's open kernel module writes when it takes the card
(docs/akd1000/runtime.md): without it the card's windows show nothing of the chip.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from attrs import frozen

from akc.targets.akd1000.driver.bus import MEMORY_BASE, REGISTER_BASE, REGISTER_SIZE, Bus
from akc.targets.akd1000.driver.errors import CannotOpen, DeviceGone, WrongIdentification
from akc.targets.akd1000.driver.lock import DeviceLock
from akc.targets.akd1000.driver.registers import CONFIG_DMA, dma

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

COMMAND, COMMAND_MEMORY_AND_MASTER = 0x04, 0x06
SETTLE_SECONDS = 1.0
PROTECTED_BYTES = 0x100
"""The first bytes of device memory belong to the endpoint's DMA lists."""


class Window(Protocol):
    """Bytes that can be read and written at offsets: a BAR or the configuration space."""

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset."""

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset."""


def read_word(window: Window, offset: int) -> int:
    """A little-endian 32-bit word."""
    return int(struct.unpack("<I", window.read(offset, 4))[0])


def write_word(window: Window, offset: int, value: int) -> None:
    """Write a little-endian 32-bit word."""
    window.write(offset, struct.pack("<I", value))


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
        self._registers, self._memory, self._close = registers, memory, close
        self.scratch_base = MEMORY_BASE + PROTECTED_BYTES
        self.scratch_size = memory.size - PROTECTED_BYTES
        if registers.size < REGISTER_SIZE:
            raise CannotOpen(f"BAR 0 has {registers.size:#x} bytes, the registers take {REGISTER_SIZE:#x}")
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
        if found == 0xFFFFFFFF or found & empty != empty:
            raise WrongIdentification(
                f"the configuration DMA's ring indices read {found:#010x} after a soft reset, not {empty:#010x}",
                "BAR 0 does not show the chip's registers: the address translation is not in force",
            )

    def read32(self, address: int) -> int:
        """A register, through BAR 0."""
        return read_word(self._registers, address - REGISTER_BASE)

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


# -- the Linux interface ---------------------------------------------------------------------------

_TYPE = ord(";") << 8
_VFIO = {
    "api_version": _TYPE | 100,
    "set_iommu": _TYPE | 102,
    "group_status": _TYPE | 103,
    "set_container": _TYPE | 104,
    "device_fd": _TYPE | 106,
    "region_info": _TYPE | 108,
}
"""ioctl numbers of linux/vfio.h."""
_TYPE1_IOMMU, _VIABLE = 1, 1
CONFIG_REGION = 7


@frozen
class RegionInfo:
    """What VFIO says of a region: flags, size, and its offset in the device file."""

    flags: int
    size: int
    offset: int


class FileWindow:
    """A region reached with pread and pwrite: the configuration space."""

    def __init__(self, file: int, info: RegionInfo) -> None:
        self._file, self._info, self.size = file, info, info.size

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset; raises DeviceGone."""
        data = os.pread(self._file, size, self._info.offset + offset)
        if len(data) != size:
            raise DeviceGone(f"the card gave {len(data)} of {size} bytes of its configuration space")
        return data

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset."""
        os.pwrite(self._file, data, self._info.offset + offset)


class MappedWindow:
    """A BAR mapped into memory, accessed in whole words."""

    def __init__(self, file: int, info: RegionInfo) -> None:
        self.size = info.size
        self._map = mmap.mmap(file, info.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=info.offset)
        self._words = memoryview(self._map).cast("I")

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset."""
        first, last = offset // 4, -(-(offset + size) // 4)
        block = b"".join(self._words[i].to_bytes(4, "little") for i in range(first, last))
        return block[offset - 4 * first :][:size]

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset; words that are filled only partly are read first."""
        first, last = offset // 4, -(-(offset + len(data)) // 4)
        block = bytearray(self.read(4 * first, 4 * (last - first)))
        block[offset - 4 * first : offset - 4 * first + len(data)] = data
        for i in range(first, last):
            self._words[i] = int.from_bytes(block[4 * (i - first) : 4 * (i - first) + 4], "little")

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()


def region_info(device: int, index: int) -> RegionInfo:
    """Ask VFIO about a region of a device file."""
    request = bytearray(struct.pack("<IIIIQQ", 32, 0, index, 0, 0, 0))
    fcntl.ioctl(device, _VFIO["region_info"], request, True)
    _, flags, _, _, size, offset = struct.unpack("<IIIIQQ", request)
    return RegionInfo(flags, size, offset)


def iommu_group(address: str, pci: Path = Path("/sys/bus/pci/devices")) -> str:
    """The IOMMU group of a PCI address; raises CannotOpen with the way out."""
    link = pci / address / "iommu_group"
    if not (pci / address).exists():
        raise CannotOpen(f"there is no PCI device {address}", "`akc devices` lists what there is")
    if not link.exists():
        raise CannotOpen(f"{address} is in no IOMMU group", "turn the IOMMU on: intel_iommu=on or amd_iommu=on")
    driver = pci / address / "driver"
    if not driver.exists() or driver.resolve().name != "vfio-pci":
        raise CannotOpen(
            f"{address} is not bound to vfio-pci",
            f"echo vfio-pci > {pci}/{address}/driver_override",
            f"unbind its driver, then echo {address} > /sys/bus/pci/drivers_probe",
        )
    return link.resolve().name


def open_vfio(address: str) -> VfioBus:
    """The bus of the card at a PCI address such as 0000:01:00.0. Raises CannotOpen, DeviceBusy."""
    group_number = iommu_group(address)
    lock = DeviceLock(f"vfio:{address}")
    files: list[int] = []
    try:
        device = _open_device(address, group_number, files)
        bars = [MappedWindow(device, region_info(device, index)) for index in (0, 4)]
        config = FileWindow(device, region_info(device, CONFIG_REGION))

        def close() -> None:
            for bar in bars:
                bar.close()
            _close(files, lock)

        return VfioBus(bars[0], bars[1], config, close)
    except OSError as fault:
        _close(files, lock)
        raise CannotOpen(f"VFIO does not give {address}: {fault}", "is /dev/vfio/" + group_number + " yours?") from None
    except BaseException:
        _close(files, lock)
        raise


def _open_device(address: str, group_number: str, files: list[int]) -> int:
    """Container, group, IOMMU, device, in the order that linux/vfio.h asks for."""
    container = os.open("/dev/vfio/vfio", os.O_RDWR | os.O_CLOEXEC)
    files.append(container)
    group = os.open(f"/dev/vfio/{group_number}", os.O_RDWR | os.O_CLOEXEC)
    files.append(group)
    status = bytearray(struct.pack("<II", 8, 0))
    fcntl.ioctl(group, _VFIO["group_status"], status, True)
    if not struct.unpack("<II", status)[1] & _VIABLE:
        raise CannotOpen(f"IOMMU group {group_number} is not viable", "bind every device of the group to vfio-pci")
    fcntl.ioctl(group, _VFIO["set_container"], struct.pack("<i", container))
    fcntl.ioctl(container, _VFIO["set_iommu"], _TYPE1_IOMMU)
    device: int = fcntl.ioctl(group, _VFIO["device_fd"], bytearray(address.encode() + b"\0"), True)
    files.append(device)
    return device


def _close(files: list[int], lock: DeviceLock) -> None:
    while files:
        os.close(files.pop())
    lock.release()
