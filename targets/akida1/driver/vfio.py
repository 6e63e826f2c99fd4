# SPDX-License-Identifier: Apache-2.0
"""The part of the Linux VFIO interface that takes a card: container, group, device, regions.

Numbers and layouts are those of the kernel's own header linux/vfio.h; tests/conformance/test_kernel_header.py
compiles against it and compares. No memory is mapped for the card's DMA: akc moves all data through its BARs.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import Protocol

from attrs import define, field, frozen

from akc.targets.faults import CannotOpen, DeviceGone, ShortTransfer

_TYPE, _BASE = ord(";") << 8, 100
IOCTLS: dict[str, int] = {
    "VFIO_GET_API_VERSION": _TYPE | _BASE,
    "VFIO_CHECK_EXTENSION": _TYPE | _BASE + 1,
    "VFIO_SET_IOMMU": _TYPE | _BASE + 2,
    "VFIO_GROUP_GET_STATUS": _TYPE | _BASE + 3,
    "VFIO_GROUP_SET_CONTAINER": _TYPE | _BASE + 4,
    "VFIO_GROUP_GET_DEVICE_FD": _TYPE | _BASE + 6,
    "VFIO_DEVICE_GET_INFO": _TYPE | _BASE + 7,
    "VFIO_DEVICE_GET_REGION_INFO": _TYPE | _BASE + 8,
}
"""Request numbers by the header's names."""

API_VERSION, TYPE1_IOMMU = 0, 1
GROUP_VIABLE, DEVICE_IS_PCI, REGION_MAPS = 1 << 0, 1 << 1, 1 << 2
CONFIG_REGION = 7
"""Region numbers 0 to 5 are the BARs, 7 is the configuration space."""

GROUP_STATUS = struct.Struct("<II")
"""argsz, flags."""
DEVICE_INFO = struct.Struct("<IIII")
"""argsz, flags, num_regions, num_irqs: the part that every kernel has."""
REGION_INFO = struct.Struct("<IIIIQQ")
"""argsz, flags, index, cap_offset, size, offset."""

CONTAINER = "/dev/vfio/vfio"
PCI_DEVICES = Path("/sys/bus/pci/devices")


class Window(Protocol):
    """Bytes that can be read and written at offsets: a BAR or the configuration space."""

    size: int

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset."""

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset."""

    def close(self) -> None:
        """Let go of it."""


class FileWindow:
    """A region reached with pread and pwrite. Raises DeviceGone, ShortTransfer."""

    def __init__(self, file: int, size: int, offset: int) -> None:
        self._file, self.size, self._offset = file, size, offset

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset."""
        try:
            data = os.pread(self._file, size, self._offset + offset)
        except OSError as fault:
            raise _gone("read", offset, fault) from None
        if len(data) != size:
            raise ShortTransfer(f"the card gave {len(data)} of {size} bytes at {offset:#x}")
        return data

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset."""
        try:
            count = os.pwrite(self._file, data, self._offset + offset)
        except OSError as fault:
            raise _gone("written", offset, fault) from None
        if count != len(data):
            raise ShortTransfer(f"the card took {count} of {len(data)} bytes at {offset:#x}")

    def close(self) -> None:
        """The file is closed by who opened it."""


def _gone(what: str, offset: int, fault: OSError) -> DeviceGone:
    return DeviceGone(f"the card cannot be {what} at {offset:#x}: {fault.strerror}", "it was removed or unbound")


class MappedWindow:
    """A BAR mapped into memory, accessed in whole words."""

    def __init__(self, file: int, size: int, offset: int) -> None:
        self.size = size
        self._map = mmap.mmap(file, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
        self._words = memoryview(self._map).cast("I")

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset."""
        first, last = offset // 4, -(-(offset + size) // 4)
        block = b"".join(self._words[i].to_bytes(4, "little") for i in range(first, last))
        return block[offset - 4 * first :][:size]

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset; words that are filled only partly are read first."""
        first, last = offset // 4, -(-(offset + len(data)) // 4)
        head, tail = offset - 4 * first, 4 * last - offset - len(data)
        before = self.read(4 * first, head) if head else b""
        after = self.read(offset + len(data), tail) if tail else b""
        block = before + data + after
        for i in range(first, last):
            self._words[i] = int.from_bytes(block[4 * (i - first) : 4 * (i - first) + 4], "little")

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()


# -- taking the card -------------------------------------------------------------------------------


def iommu_group(address: str, pci: Path = PCI_DEVICES) -> str:
    """The IOMMU group of a PCI address; raises CannotOpen with the way out."""
    card = pci / address
    if not card.exists():
        raise CannotOpen(f"there is no PCI device {address}", "`akc devices` lists what there is")
    if not (card / "iommu_group").exists():
        raise CannotOpen(
            f"{address} is in no IOMMU group", "turn the IOMMU on: in the firmware, and intel_iommu=on for the kernel"
        )
    if not (card / "driver").exists() or (card / "driver").resolve().name != "vfio-pci":
        raise CannotOpen(
            f"{address} is not bound to vfio-pci",
            f"echo vfio-pci > {card}/driver_override",
            f"unbind its driver, then echo {address} > /sys/bus/pci/drivers_probe",
        )
    return (card / "iommu_group").resolve().name


@frozen
class Step:
    """What to say when a call fails: the sentence, and help by error number (0 for any other)."""

    failed: str
    help: dict[int, str]

    def fault(self, fault: OSError) -> CannotOpen:
        """The diagnostic for an error of this step."""
        help = self.help.get(fault.errno or 0, self.help.get(0, ""))
        return CannotOpen(f"{self.failed}: {fault.strerror}", *([help] if help else []))


OPEN_CONTAINER = Step(
    f"{CONTAINER} cannot be opened",
    {
        errno.ENOENT: "load the module: sudo modprobe vfio-pci",
        errno.ENODEV: "load the module: sudo modprobe vfio-pci",
        errno.EACCES: f"sudo chmod 666 {CONTAINER}, as distributions do",
    },
)
IOMMU_HELP = "intel_iommu=on or amd_iommu=on for the kernel, then sudo modprobe vfio_iommu_type1"
USE_CONTAINER = Step(f"{CONTAINER} is no VFIO container", {})
OPEN_GROUP = Step(
    "/dev/vfio/{group} cannot be opened",
    {
        errno.ENOENT: "bind the card to vfio-pci first; `akc devices` says how it is bound",
        errno.EACCES: "sudo chown $USER /dev/vfio/{group}",
        errno.EBUSY: "another program holds this IOMMU group",
    },
)
GET_STATUS = Step("IOMMU group {group} has no status", {})
SET_CONTAINER = Step(
    "IOMMU group {group} does not join the container",
    {errno.EBUSY: "another program holds this IOMMU group", errno.EINVAL: "it is in another container already"},
)
SET_IOMMU = Step(
    "the IOMMU of group {group} cannot be used",
    {
        errno.EPERM: "the platform lacks interrupt remapping; the kernel log says what vfio_iommu_type1 misses",
        errno.ENODEV: "load the module: sudo modprobe vfio_iommu_type1",
        0: "the kernel log says what vfio_iommu_type1 misses",
    },
)
GET_DEVICE = Step(
    "IOMMU group {group} does not give {address}",
    {errno.ENODEV: "the card is not in this group any more: it was unbound or reset", errno.EBUSY: "it is in use"},
)
GET_INFO = Step("{address} does not describe itself", {})


@define
class Card:
    """A card taken through VFIO: its open files and windows. Raises CannotOpen where something is in the way."""

    address: str
    group: str
    files: list[int] = field(factory=list)
    windows: list[Window] = field(factory=list)

    @classmethod
    def take(cls, address: str, group: str) -> Card:
        """Container, group, IOMMU, device, in the order that linux/vfio.h asks for."""
        card = cls(address, group)
        try:
            card._take()
        except BaseException:
            card.close()
            raise
        return card

    def _take(self) -> None:
        container = self._open(CONTAINER, OPEN_CONTAINER)
        version = self._call(USE_CONTAINER, container, "VFIO_GET_API_VERSION", 0)
        if version != API_VERSION:
            raise CannotOpen(f"{CONTAINER} speaks version {version} of VFIO, akc speaks {API_VERSION}")
        if not self._call(USE_CONTAINER, container, "VFIO_CHECK_EXTENSION", TYPE1_IOMMU):
            raise CannotOpen("the kernel has no IOMMU that VFIO can use", IOMMU_HELP)
        group = self._open(f"/dev/vfio/{self.group}", OPEN_GROUP)
        status = bytearray(GROUP_STATUS.pack(GROUP_STATUS.size, 0))
        self._call(GET_STATUS, group, "VFIO_GROUP_GET_STATUS", status)
        if not GROUP_STATUS.unpack(status)[1] & GROUP_VIABLE:
            raise CannotOpen(f"IOMMU group {self.group} is not viable", "bind every device of the group to vfio-pci")
        self._call(SET_CONTAINER, group, "VFIO_GROUP_SET_CONTAINER", bytearray(struct.pack("<i", container)))
        self._call(SET_IOMMU, container, "VFIO_SET_IOMMU", TYPE1_IOMMU)
        device = self._call(GET_DEVICE, group, "VFIO_GROUP_GET_DEVICE_FD", bytearray(self.address.encode() + b"\0"))
        self.files.append(device)
        info = bytearray(DEVICE_INFO.pack(DEVICE_INFO.size, 0, 0, 0))
        self._call(GET_INFO, device, "VFIO_DEVICE_GET_INFO", info)
        _, flags, regions, _ = DEVICE_INFO.unpack(info)
        if not flags & DEVICE_IS_PCI or regions <= CONFIG_REGION:
            raise CannotOpen(f"{self.address} is no PCI device for VFIO: flags {flags:#x}, {regions} regions")

    def _open(self, path: str, step: Step) -> int:
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as fault:
            raise self._named(step).fault(fault) from None
        self.files.append(file)
        return file

    def _call(self, step: Step, file: int, name: str, argument: int | bytearray) -> int:
        try:
            if isinstance(argument, int):
                return int(fcntl.ioctl(file, IOCTLS[name], argument))
            return int(fcntl.ioctl(file, IOCTLS[name], argument, True))
        except OSError as fault:
            raise self._named(step).fault(fault) from None

    def _named(self, step: Step) -> Step:
        names = {"group": self.group, "address": self.address}
        return Step(step.failed.format(**names), {n: text.format(**names) for n, text in step.help.items()})

    def window(self, region: int, name: str) -> Window:
        """A region by its number: mapped where the kernel allows it."""
        request = bytearray(REGION_INFO.pack(REGION_INFO.size, 0, region, 0, 0, 0))
        failed = Step(f"{name} of {self.address} is not described", {})
        self._call(failed, self.files[-1], "VFIO_DEVICE_GET_REGION_INFO", request)
        _, flags, _, _, size, offset = REGION_INFO.unpack(request)
        if not size:
            raise CannotOpen(f"{name} of {self.address} is not there", "the card did not come up: reboot, check power")
        try:
            kind = MappedWindow if flags & REGION_MAPS else FileWindow
            window = kind(self.files[-1], size, offset)
        except (OSError, ValueError) as fault:
            raise CannotOpen(f"{name} of {self.address} ({size:#x} bytes) cannot be mapped: {fault}") from None
        self.windows.append(window)
        return window

    def close(self) -> None:
        """Unmap and close everything; harmless when called twice."""
        while self.windows:
            self.windows.pop().close()
        while self.files:
            os.close(self.files.pop())
