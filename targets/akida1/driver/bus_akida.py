# SPDX-License-Identifier: Apache-2.0
"""The bus over /dev/akidaN of the vendor's open kernel module: pread and pwrite at chip addresses, mmap for registers.

Facts from the module's public source (docs/akd1000/runtime.md): the file position is the chip
address, transfers go through the endpoint's DMA in words, offset 0 of a mapping is the register base.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from akc.targets.akida1.driver.bus import REGISTER_BASE, REGISTER_SIZE, Bus
from akc.targets.akida1.driver.lock import DeviceLock
from akc.targets.faults import CannotOpen, DeviceGone, ShortTransfer, TimedOut

GONE = {5: "EIO", 6: "ENXIO", 19: "ENODEV", 9: "EBADF"}
"""Error numbers that mean the device is no longer there."""
TIMED_OUT = 110
ALL_ONES = 0xFFFFFFFF
CHUNK = 1 << 20
"""Bytes a call; the module cuts them further."""

OPEN_HELP = {
    2: ("the kernel module made no such node: `dmesg | grep akida` says why", "`akc devices` lists what there is"),
    13: ("the udev rule of the module gives mode 0666; without it: sudo chmod 666 PATH", ""),
    16: ("another program holds the device", ""),
}
"""What to do about an error number of open."""


class AkidaBus(Bus):
    """A chip behind a node of the kernel module. Raises CannotOpen, DeviceBusy."""

    description = "PCIe/NSoC_v2"

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = DeviceLock(path)
        self._file = -1
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._map = mmap.mmap(self._file, REGISTER_SIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except (OSError, ValueError) as fault:
            self._release()
            number = getattr(fault, "errno", None) or 0
            help = (text.replace("PATH", path) for text in OPEN_HELP.get(number, ()) if text)
            raise CannotOpen(f"{path} cannot be opened: {fault}", *help) from None
        self._registers = memoryview(self._map).cast("I")

    def read32(self, address: int) -> int:
        """A register, through the mapping. All ones mean that nothing answers any more."""
        value = self._registers[self._index(address)]
        if value == ALL_ONES:
            self._check_alive()
        return value

    def write32(self, address: int, value: int) -> None:
        """A register, through the mapping."""
        self._registers[self._index(address)] = value

    def _index(self, address: int) -> int:
        offset = address - REGISTER_BASE
        if offset % 4 or not 0 <= offset < REGISTER_SIZE:
            raise ValueError(f"{address:#x} is no register")
        return offset // 4

    def _check_alive(self) -> None:
        if self._registers[0] == ALL_ONES:
            raise DeviceGone(f"{self.path} reads all ones", "the card lost its link or power; reboot or rescan the bus")

    def read(self, address: int, size: int) -> bytes:
        """Device memory; the transfer covers whole words."""
        start = address - address % 4
        end = address + size + -(address + size) % 4
        block = b"".join(self._read_chunk(a, min(CHUNK, end - a)) for a in range(start, end, CHUNK))
        return block[address - start : address - start + size]

    def _read_chunk(self, address: int, size: int) -> bytes:
        with self._errors("read", address):
            data = os.pread(self._file, size, address)
        if len(data) != size:
            raise ShortTransfer(f"{self.path} gave {len(data)} of {size} bytes at {address:#010x}")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Device memory; words at the edges that `data` fills only partly are read first."""
        head = address % 4
        tail = -(head + len(data)) % 4
        if head:
            data = self._read_chunk(address - head, 4)[:head] + data
        if tail:
            last = address - head + len(data) + tail - 4
            data = data + self._read_chunk(last, 4)[4 - tail :]
        for start in range(0, len(data), CHUNK):
            self._write_chunk(address - head + start, data[start : start + CHUNK])

    def _write_chunk(self, address: int, data: bytes) -> None:
        with self._errors("write", address):
            count = os.pwrite(self._file, data, address)
        if count != len(data):
            raise ShortTransfer(f"{self.path} took {count} of {len(data)} bytes at {address:#010x}")

    @contextmanager
    def _errors(self, what: str, address: int) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            where = f"{what} at {address:#010x} of {self.path}"
            if fault.errno == TIMED_OUT:
                raise TimedOut(f"{where}: the endpoint's DMA did not answer", "program the device again") from None
            if fault.errno in GONE:
                help = "the device was removed or its module unloaded"
                raise DeviceGone(f"{where}: {GONE[fault.errno]}", help) from None
            raise ShortTransfer(f"{where}: {fault.strerror}") from None

    def close(self) -> None:
        """Unmap, close, let other processes in."""
        if self._file >= 0:
            self._registers.release()
            self._map.close()
        self._release()

    def _release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._lock.release()
