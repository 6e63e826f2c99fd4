# SPDX-License-Identifier: Apache-2.0
"""The emulated device memory: addresses from 0x20000000, taken from the host only where they are used."""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt

from akc.targets.akida1.driver.bus import MEMORY_BASE
from akc.targets.faults import ChipFault

MEMORY_SIZE = 256 << 20
"""Bytes of device memory: the driver's scratch area ends with it."""


class Memory:
    """Bytes at chip addresses; anything outside raises ChipFault."""

    def __init__(self, base: int = MEMORY_BASE, size: int = MEMORY_SIZE) -> None:
        self.base, self.size = base, size
        self._bytes = mmap.mmap(-1, size)

    def _start(self, address: int, size: int) -> int:
        start = address - self.base
        if start < 0 or size < 0 or start + size > self.size:
            raise ChipFault(f"{size} bytes at {address:#010x} are not in device memory")
        return start

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes."""
        start = self._start(address, size)
        return self._bytes[start : start + size]

    def write(self, address: int, data: bytes) -> None:
        """Store bytes."""
        start = self._start(address, len(data))
        self._bytes[start : start + len(data)] = data

    def words(self, address: int, count: int) -> npt.NDArray[np.uint32]:
        """`count` little-endian words, as a copy."""
        return np.frombuffer(self.read(address, 4 * count), "<u4").astype(np.uint32)

    def close(self) -> None:
        """Give the memory back."""
        self._bytes.close()
