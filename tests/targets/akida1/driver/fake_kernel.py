# SPDX-License-Identifier: Apache-2.0
"""A Linux kernel of our own below the buses: VFIO's container, group and device files, and the nodes of the
vendor's kernel module, all in front of an emulated chip.

It answers open, close, ioctl, pread, pwrite and mmap for the paths it has and passes every other call on.
Rules are the kernel's: calls out of order, wrong sizes and unknown requests get the errors that it would give.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define, field

from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver import bus_akida, lock, vfio
from akc.targets.akida1.driver.bus import MEMORY_BASE, REGISTER_BASE
from akc.targets.akida1.emulator.bus import EmulatorBus

U32, U64 = ctypes.c_uint32, ctypes.c_uint64
ALL_ONES = 0xFFFFFFFF
BAR_SIZE = 0x400000
FIRST_FILE = 100_000
REAL: dict[str, Any] = {"open": os.open, "close": os.close, "pread": os.pread, "pwrite": os.pwrite, "mmap": mmap.mmap}


class GroupStatus(ctypes.Structure):
    """struct vfio_group_status."""

    _fields_ = (("argsz", U32), ("flags", U32))


class DeviceInfo(ctypes.Structure):
    """struct vfio_device_info up to what the first kernels had."""

    _fields_ = (("argsz", U32), ("flags", U32), ("num_regions", U32), ("num_irqs", U32))


class RegionInfo(ctypes.Structure):
    """struct vfio_region_info."""

    _fields_ = (
        ("argsz", U32),
        ("flags", U32),
        ("index", U32),
        ("cap_offset", U32),
        ("size", U64),
        ("offset", U64),
    )


def fail(number: int) -> OSError:
    """An error as a system call gives it."""
    return OSError(number, os.strerror(number))


# -- memory that is seen through a mapping ---------------------------------------------------------


@define(eq=False)
class Mapping:
    """What mmap gives: words that ask the device behind them at every access."""

    load: Callable[[int], int]
    store: Callable[[int, int], None]
    size: int
    open: bool = True

    def cast(self, kind: str) -> Mapping:
        """As of memoryview: only words can be had."""
        assert kind == "I", kind
        return self

    def __getitem__(self, index: int) -> int:
        assert self.open and 0 <= index < self.size // 4, index
        return self.load(4 * index)

    def __setitem__(self, index: int, value: int) -> None:
        assert self.open and 0 <= index < self.size // 4, index
        self.store(4 * index, value)

    def release(self) -> None:
        """As of memoryview."""

    def close(self) -> None:
        """As of mmap."""
        self.open = False


# -- the card --------------------------------------------------------------------------------------


@define
class Card:
    """The PCI side of the card: configuration space with its translation unit, three windows, the chip behind them."""

    chip: EmulatorBus = Factory(lambda: EmulatorBus(AKD1000))
    identity: int = 0xBCA11E7C
    present: bool = True
    translates: bool = True
    """Whether writes to the translation unit stay."""
    accesses: int = 0
    gone_after: int | None = None
    """Fault: after so many accesses to the windows the card is gone."""
    config: dict[int, int] = field(factory=dict)
    viewports: dict[int, dict[int, int]] = field(factory=dict)

    def count(self) -> None:
        """One access."""
        self.accesses += 1
        if self.gone_after is not None and self.accesses > self.gone_after:
            self.present = False

    def read_config(self, offset: int) -> int:
        """A configuration word."""
        if not self.present:
            return ALL_ONES
        if offset == 0:
            return self.identity
        if 0x904 <= offset <= 0x918:
            return self.viewports.get(self.config.get(0x900, 0), {}).get(offset, 0)
        return self.config.get(offset, 0)

    def write_config(self, offset: int, value: int) -> None:
        """A configuration word; the translation unit shows one region at a time, as its viewport says."""
        if offset >= 0x100 and not self.translates:
            return
        if 0x904 <= offset <= 0x918:
            self.viewports.setdefault(self.config.get(0x900, 0), {})[offset] = value
        else:
            self.config[offset] = value

    def target(self, bar: int) -> int | None:
        """The chip address that a window shows, if one of the enabled regions matches it."""
        for region in self.viewports.values():
            control = region.get(0x908, 0)
            if control >> 30 == 0b11 and control >> 8 & 7 == bar:
                return region.get(0x918, 0)
        return None

    def load(self, bar: int, offset: int) -> int:
        """A word of a window."""
        self.count()
        target = self.target(bar)
        if not self.present or not self.config.get(4, 0) & 2:
            return ALL_ONES
        if target is None:
            return 0
        if target == REGISTER_BASE:
            return self.chip.read32(target + offset)
        return int.from_bytes(self.chip.read(target + offset, 4), "little")

    def store(self, bar: int, offset: int, value: int) -> None:
        """Write a word of a window."""
        self.count()
        target = self.target(bar)
        if not self.present or target is None or not self.config.get(4, 0) & 2:
            return
        if target == REGISTER_BASE:
            self.chip.write32(target + offset, value)
        else:
            assert offset >= 0x100, "the first bytes belong to the endpoint"
            self.chip.write(target + offset, value.to_bytes(4, "little"))


# -- the kernel ------------------------------------------------------------------------------------


@define
class File:
    """An open file of the fake: which path, and what became of it."""

    path: str
    container: int | None = None
    iommu: bool = False


@define
class Kernel:
    """The system calls. `refuse` maps a call or request by name to the error that it gives."""

    card: Card = Factory(Card)
    address: str = "0000:01:00.0"
    group: str = "17"
    node: str = "/dev/akida0"
    refuse: dict[str, int] = field(factory=dict)
    answers: dict[str, int] = field(factory=dict)
    """Results of requests in place of the usual ones."""
    viable: bool = True
    device_flags: int = 0b11
    region_flags: int = 0b111
    sizes: dict[int, int] = field(factory=lambda: {0: BAR_SIZE, 2: BAR_SIZE, 4: BAR_SIZE, 7: 4096})
    short: int | None = None
    """Fault: reads and writes of device memory stop after so many bytes."""
    files: dict[int, File] = field(factory=dict)
    calls: list[str] = field(factory=list)
    transfers: list[tuple[int, int]] = field(factory=list)

    def _refused(self, name: str) -> None:
        self.calls.append(name)
        if name in self.refuse:
            raise fail(self.refuse[name])

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """open(2)."""
        if path not in ("/dev/vfio/vfio", f"/dev/vfio/{self.group}", self.node):
            return int(REAL["open"](path, flags, mode))
        assert flags & os.O_RDWR and flags & os.O_CLOEXEC
        self._refused(f"open {path}")
        return self._new(File(path))

    def _new(self, file: File) -> int:
        number = FIRST_FILE + len(self.calls)
        self.files[number] = file
        return number

    def close(self, number: int) -> None:
        """close(2)."""
        if number >= FIRST_FILE:
            del self.files[number]
        else:
            REAL["close"](number)

    # -- ioctl -------------------------------------------------------------------------------------

    def ioctl(self, number: int, request: int, argument: Any = 0, mutate: bool = True) -> int:
        """ioctl(2) on VFIO's files. Raises what the kernel would."""
        if number < FIRST_FILE:
            raise AssertionError("no ioctl of another file is made")
        name = REQUESTS.get(request)
        if name is None:
            raise fail(errno.ENOTTY)
        self._refused(name)
        if name in self.answers:
            return self.answers[name]
        result: int = getattr(self, f"_{name.lower()}")(self.files[number], argument)
        return result

    def _vfio_get_api_version(self, file: File, argument: int) -> int:
        assert file.path == "/dev/vfio/vfio"
        return 0

    def _vfio_check_extension(self, file: File, argument: int) -> int:
        return int(argument in (1, 3))

    def _vfio_group_get_status(self, file: File, argument: bytearray) -> int:
        status = GroupStatus.from_buffer(argument)
        if status.argsz < ctypes.sizeof(GroupStatus):
            raise fail(errno.EINVAL)
        status.flags = int(self.viable) | (file.container is not None) << 1
        return 0

    def _vfio_group_set_container(self, file: File, argument: bytearray) -> int:
        number = ctypes.c_int32.from_buffer(argument).value
        if file.container is not None or self.files[number].path != "/dev/vfio/vfio":
            raise fail(errno.EINVAL)
        if not self.viable:
            raise fail(errno.EPERM)
        file.container = number
        return 0

    def _vfio_set_iommu(self, file: File, argument: int) -> int:
        joined = [f for f in self.files.values() if f.container is not None and self.files[f.container] is file]
        if not joined or file.iommu or argument not in (1, 3):
            raise fail(errno.EINVAL)
        file.iommu = True
        return 0

    def _vfio_group_get_device_fd(self, file: File, argument: bytearray) -> int:
        if file.container is None or not self.files[file.container].iommu:
            raise fail(errno.EINVAL)
        if bytes(argument).split(b"\0")[0].decode() != self.address or argument[-1:] != b"\0":
            raise fail(errno.ENODEV)
        return self._new(File("device"))

    def _vfio_device_get_info(self, file: File, argument: bytearray) -> int:
        info = DeviceInfo.from_buffer(argument)
        if file.path != "device" or info.argsz < ctypes.sizeof(DeviceInfo):
            raise fail(errno.EINVAL)
        info.flags, info.num_regions, info.num_irqs = self.device_flags, 9, 5
        return 0

    def _vfio_device_get_region_info(self, file: File, argument: bytearray) -> int:
        info = RegionInfo.from_buffer(argument)
        if file.path != "device" or info.argsz < ctypes.sizeof(RegionInfo) or info.index >= 9:
            raise fail(errno.EINVAL)
        info.flags = self.region_flags if info.index != 7 else 0b011
        info.size, info.offset = self.sizes.get(info.index, 0), info.index << 40
        return 0

    # -- reads, writes, mappings -------------------------------------------------------------------

    def pread(self, number: int, size: int, position: int) -> bytes:
        """pread(2)."""
        if number < FIRST_FILE:
            return bytes(REAL["pread"](number, size, position))
        self._refused("pread")
        if self.files[number].path == self.node:
            self._check_transfer(size, position)
            return self.card.chip.read(position, size)[: self.short]
        words = range(position - position % 4, position + size, 4)
        block = b"".join(self._load(word).to_bytes(4, "little") for word in words)
        return block[position % 4 :][:size][: self.short]

    def pwrite(self, number: int, data: bytes, position: int) -> int:
        """pwrite(2)."""
        if number < FIRST_FILE:
            return int(REAL["pwrite"](number, data, position))
        self._refused("pwrite")
        if self.files[number].path == self.node:
            self._check_transfer(len(data), position)
            self.card.chip.write(position, data[: self.short])
            return len(data[: self.short])
        region, offset = position >> 40, position & (1 << 40) - 1
        if region == 7 and len(data) == 2:
            self.card.write_config(offset, int.from_bytes(data, "little"))
            return 2
        assert not offset % 4 and not len(data) % 4
        for i in range(0, len(data), 4):
            self._store(position + i, int.from_bytes(data[i : i + 4], "little"))
        return len(data[: self.short])

    def _load(self, position: int) -> int:
        region, offset = position >> 40, position & (1 << 40) - 1
        return self.card.read_config(offset) if region == 7 else self.card.load(region, offset)

    def _store(self, position: int, value: int) -> None:
        region, offset = position >> 40, position & (1 << 40) - 1
        if region == 7:
            self.card.write_config(offset, value)
        else:
            self.card.store(region, offset, value)

    def _check_transfer(self, size: int, position: int) -> None:
        """The module's rules for read and write at chip addresses."""
        self.transfers.append((position, size))
        self.card.count()
        if not self.card.present:
            raise fail(errno.ENODEV)
        if size % 4 or position % 4 or (position < MEMORY_BASE + 0x100 and position + size >= MEMORY_BASE):
            raise fail(errno.EINVAL)

    def mmap(self, number: int, size: int, flags: int = 1, protection: int = 3, offset: int = 0) -> Any:
        """mmap(2)."""
        if number < FIRST_FILE:
            return REAL["mmap"](number, size, flags, protection, offset=offset)
        self._refused("mmap")
        assert flags == mmap.MAP_SHARED and protection == mmap.PROT_READ | mmap.PROT_WRITE
        if self.files[number].path == self.node:
            if offset or size > BAR_SIZE:
                raise fail(errno.EINVAL)
            return Mapping(self._load_register, self._store_register, size)
        region = offset >> 40
        if not self.region_flags & 4 or region not in (0, 2, 4) or size > self.sizes[region] or offset % 4096:
            raise fail(errno.EINVAL)
        return Mapping(
            lambda place: self.card.load(region, place), lambda place, v: self.card.store(region, place, v), size
        )

    def _load_register(self, place: int) -> int:
        self.card.count()
        return self.card.chip.read32(REGISTER_BASE + place) if self.card.present else ALL_ONES

    def _store_register(self, place: int, value: int) -> None:
        self.card.count()
        if self.card.present:
            self.card.chip.write32(REGISTER_BASE + place, value)


REQUESTS = {
    0x3B64: "VFIO_GET_API_VERSION",
    0x3B65: "VFIO_CHECK_EXTENSION",
    0x3B66: "VFIO_SET_IOMMU",
    0x3B67: "VFIO_GROUP_GET_STATUS",
    0x3B68: "VFIO_GROUP_SET_CONTAINER",
    0x3B6A: "VFIO_GROUP_GET_DEVICE_FD",
    0x3B6B: "VFIO_DEVICE_GET_INFO",
    0x3B6C: "VFIO_DEVICE_GET_REGION_INFO",
}
"""Request numbers on x86 and Arm, written out; the header's own are compared in tests/conformance."""


def install(kernel: Kernel, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put the fake below the buses until the test ends; lock files go to `folder`."""
    monkeypatch.setattr(lock.tempfile, "gettempdir", lambda: str(folder))
    for name in ("open", "close", "pread", "pwrite"):
        monkeypatch.setattr(os, name, getattr(kernel, name))
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    monkeypatch.setattr(mmap, "mmap", kernel.mmap)
    for module in (vfio, bus_akida):
        monkeypatch.setattr(module, "memoryview", _view, raising=False)


def _view(mapping: Any) -> Any:
    return mapping if isinstance(mapping, Mapping) else builtins.memoryview(mapping)


def sysfs(folder: Path, address: str = "0000:01:00.0", group: str = "17", driver: str = "vfio-pci") -> Path:
    """A /sys/bus/pci/devices with the card in it."""
    card = folder / "devices" / address
    card.mkdir(parents=True)
    for link, name in (("iommu_group", group), ("driver", driver)):
        (folder / name).mkdir(exist_ok=True)
        (card / link).symlink_to(folder / name)
    return folder / "devices"
