# SPDX-License-Identifier: Apache-2.0
"""The bus to the emulated chip, with faults to order.

Time is emulated too: `sleep` moves the clock and does not wait, so time-outs take no time.
"""

from __future__ import annotations

from collections.abc import Callable

from akc.targets.akida1.chip import Chip
from akc.targets.akida1.driver.bus import Bus
from akc.targets.akida1.emulator.chip import EmulatedChip
from akc.targets.faults import DeviceGone, ShortTransfer

ACCESS_SECONDS = 1e-6


class EmulatorBus(Bus):
    """A chip in this process.

    description, identification: what it says of itself, if not what the chip does. Faults: see `vanish_after`,
    `cut_reads`, `hold`, and `on_access`.
    """

    def __init__(self, chip: Chip, description: str | None = None, identification: int | None = None) -> None:
        self.description = f"emulator/{chip.mark or chip.title}" if description is None else description
        self.chip = EmulatedChip(chip, chip.identification if identification is None else identification)
        self.seconds = 0.0
        self.vanish_after: int | None = None
        """Fault: after so many further accesses the device is gone."""
        self.cut_reads = False
        """Fault: memory reads give half of what was asked for."""
        self.on_access: Callable[[], None] | None = None
        """Called before each access; it may raise, KeyboardInterrupt for example."""

    def hold(self, *names: str) -> None:
        """Fault: the controllers named (config, event, hrc) stop working on their rings; none: all go on."""
        for name in ("config", "event", "hrc"):
            getattr(self.chip, name).held = name in names

    def _step(self) -> None:
        self.seconds += ACCESS_SECONDS
        if self.on_access is not None:
            self.on_access()
        if self.vanish_after is not None:
            self.vanish_after -= 1
            if self.vanish_after < 0:
                raise DeviceGone("the emulated device is gone")

    def read32(self, address: int) -> int:
        """A register."""
        self._step()
        return self.chip.read_register(address - self.register_base)

    def write32(self, address: int, value: int) -> None:
        """A register."""
        self._step()
        self.chip.write_register(address - self.register_base, value)

    def read(self, address: int, size: int) -> bytes:
        """Device memory."""
        self._step()
        data = self.chip.read_memory(address, size)
        if self.cut_reads and size > 1:
            raise ShortTransfer(f"the emulated device gave {size // 2} of {size} bytes at {address:#010x}")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Device memory."""
        self._step()
        self.chip.write_memory(address, data)

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.seconds += seconds

    def clock(self) -> float:
        """Emulated seconds since the start."""
        return self.seconds

    def close(self) -> None:
        """Give the device memory back."""
        self.chip.memory.close()
