# SPDX-License-Identifier: Apache-2.0
"""What tests of the driver and of the emulator share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.emulator.bus import EmulatorBus


@pytest.fixture
def bus() -> Iterator[EmulatorBus]:
    """A bus with an emulated chip, closed afterwards."""
    bus = EmulatorBus(AKD1000)
    yield bus
    bus.close()
