# SPDX-License-Identifier: Apache-2.0
"""Ways to a card, by name."""

from __future__ import annotations

from difflib import get_close_matches

from akc.targets.akida1.driver.bus import Bus
from akc.targets.faults import CannotOpen


def open_bus(name: str) -> Bus:
    """The bus behind "/dev/akida0" or "vfio:0000:01:00.0". Raises CannotOpen, DeviceBusy."""
    if name.startswith("vfio:"):
        from akc.targets.akida1.driver.bus_vfio import open_vfio

        return open_vfio(name.removeprefix("vfio:"))
    if name.startswith("/"):
        from akc.targets.akida1.driver.bus_akida import AkidaBus

        return AkidaBus(name)
    meant = ["did you mean emulator?"] if get_close_matches(name, ["emulator"]) else []
    ways = (*meant, "take emulator, /dev/akidaN or vfio:ADDRESS", "`akc devices`")
    raise CannotOpen(f"there is no device called {name}", *ways)
