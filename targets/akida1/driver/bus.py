# SPDX-License-Identifier: Apache-2.0
"""The bus: the five operations through which the driver sees a chip, whatever carries them.

Addresses are chip addresses: registers lie from `register_base`, device memory from 0x20000000.
"""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

REGISTER_BASE = 0xFCC00000
"""Chip address of the top-level registers."""
REGISTER_SIZE = 0x78000
"""Bytes from REGISTER_BASE that hold every register the driver uses."""
MEMORY_BASE = 0x20000000
"""Chip address of the device memory (LPDDR)."""
SCRATCH_BASE = 0x24000000
"""Where the driver's working memory starts: above what firmware or the kernel module may own."""
SCRATCH_SIZE = 192 << 20
"""Bytes of working memory."""


class Bus(ABC):
    """A way to a chip. `description` must hold "NSoC_v2" where the identification register reads 0."""

    description: str = ""
    register_base: int = REGISTER_BASE
    scratch_base: int = SCRATCH_BASE
    scratch_size: int = SCRATCH_SIZE

    @abstractmethod
    def read32(self, address: int) -> int:
        """The 32-bit register at a chip address."""

    @abstractmethod
    def write32(self, address: int, value: int) -> None:
        """Write a 32-bit register."""

    @abstractmethod
    def read(self, address: int, size: int) -> bytes:
        """`size` bytes of device memory."""

    @abstractmethod
    def write(self, address: int, data: bytes) -> None:
        """Write bytes to device memory."""

    def sleep(self, seconds: float) -> None:
        """Wait at least this long."""
        time.sleep(seconds)

    def clock(self) -> float:
        """Seconds from an arbitrary start; time-outs are counted on it."""
        return time.monotonic()

    def close(self) -> None:  # noqa: B027 (nothing to let go of is a fine answer)
        """Let go of the device; harmless when called twice."""


class RecordingBus(Bus):
    """A bus that passes everything on and notes each access as a line of text.

    RR/WR register read/write, RM/WM memory read/write, SL a sleep in milliseconds. Long blocks, of more
    than 64 bytes written or 4096 bytes read, are noted by length and the first 16 digits of their SHA-256.
    """

    def __init__(self, bus: Bus, note: Callable[[str], None] | None = None) -> None:
        self.bus = bus
        self.lines: list[str] = []
        self.note = note or self.lines.append
        self.description = bus.description
        self.register_base = bus.register_base
        self.scratch_base, self.scratch_size = bus.scratch_base, bus.scratch_size

    def read32(self, address: int) -> int:
        """Pass on and note."""
        value = self.bus.read32(address)
        self.note(f"RR {address:08x} {value:08x}")
        return value

    def write32(self, address: int, value: int) -> None:
        """Pass on and note."""
        self.note(f"WR {address:08x} {value:08x}")
        self.bus.write32(address, value)

    def read(self, address: int, size: int) -> bytes:
        """Pass on and note."""
        data = self.bus.read(address, size)
        self.note(f"RM {address:08x} {_shown(data, 4096)}")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Pass on and note."""
        self.note(f"WM {address:08x} {_shown(data, 64)}")
        self.bus.write(address, data)

    def sleep(self, seconds: float) -> None:
        """Pass on and note."""
        self.note(f"SL {seconds * 1000:g}")
        self.bus.sleep(seconds)

    def clock(self) -> float:
        """The clock of the bus behind; not noted."""
        return self.bus.clock()

    def close(self) -> None:
        """Close the bus behind."""
        self.bus.close()


def _shown(data: bytes, most: int) -> str:
    if len(data) <= most:
        return f"{len(data)} {data.hex()}"
    return f"{len(data)} sha256:{hashlib.sha256(data).hexdigest()[:16]}"
