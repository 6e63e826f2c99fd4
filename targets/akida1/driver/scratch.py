# SPDX-License-Identifier: Apache-2.0
"""The allocator of device memory: a mark that moves up, and back when the top block is freed.

The chip does not care; the order and the addresses are those of the vendor's engine, so that the
accesses of both can be compared line for line (docs/akd1000/runtime.md).
"""

from __future__ import annotations

from akc.targets.faults import OutOfMemory

ALIGNMENT = 4


class Scratch:
    """Blocks of [base, base + size)."""

    def __init__(self, base: int, size: int) -> None:
        self.base, self.end = base, base + size
        self.blocks: dict[int, int] = {}
        self.mark = base
        self.top = base
        """The highest mark so far."""

    @property
    def used(self) -> int:
        """Bytes below the mark."""
        return self.mark - self.base

    def allocate(self, size: int) -> int:
        """Address of `size` fresh bytes; raises OutOfMemory."""
        address = -(-self.mark // ALIGNMENT) * ALIGNMENT
        if address + size > self.end:
            raise OutOfMemory(
                f"{size} bytes of device memory are needed, {self.end - self.mark} are left",
                "use a smaller batch",
            )
        self.blocks[address] = size
        self.mark = address + size
        self.top = max(self.top, self.mark)
        return address

    def free(self, address: int) -> None:
        """Give a block back; the mark falls only when it was the top one."""
        size = self.blocks.pop(address)
        if address + size == self.mark:
            self.mark = max((start + length for start, length in self.blocks.items()), default=self.base)

    def reset(self) -> None:
        """Forget every block."""
        self.blocks.clear()
        self.mark = self.base
