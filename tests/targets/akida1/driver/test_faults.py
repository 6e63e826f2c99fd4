# SPDX-License-Identifier: Apache-2.0
"""Faults by lot: answers with flipped bits. A named fault or numbers, never a hang, and the device works again."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.chip_registers import EVENT_DMA
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.targets.akida1.driver.networks import networks

NAMES = ("dense-levels", "conv-potentials", "dense-external-weights", "image-conv-dense")


class Noisy(EmulatorBus):
    """A bus on which a share of all answers, by lot, has a bit flipped."""

    def __init__(self, seed: int) -> None:
        super().__init__(AKD1000)
        self.random = np.random.default_rng(seed)
        self.share = 0.0

    def _hit(self) -> bool:
        return bool(self.random.random() < self.share)

    def read32(self, address: int) -> int:
        value = super().read32(address)
        return value ^ 1 << int(self.random.integers(32)) if self._hit() else value

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(super().read(address, size))
        if data and self._hit():
            data[int(self.random.integers(len(data)))] ^= 1 << int(self.random.integers(8))
        return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_in_answers(name: str) -> None:
    built = networks()[name]
    seen: Counter[str] = Counter()
    bus = Noisy(len(name))
    device = Device(bus, AKD1000)
    for trial in range(60):
        bus.share, before = 10.0 ** -(1 + trial % 3), bus.seconds
        try:
            device.program(built.program)
            device.forward(built.inputs)
            seen["numbers"] += 1
        except DiagnosticError as fault:
            seen[fault.diagnostics[0].code] += 1
            assert not device.programmed
        assert bus.seconds - before < 60, "emulated seconds: nothing hangs"
        bus.share = 0.0
        device.program(built.program)
        np.testing.assert_array_equal(device.forward(built.inputs), built.expected)
    assert seen["numbers"] and len(seen) > 2, seen


@pytest.mark.parametrize("job", [0, 3, 17, 0x8000, 0xFFFF])
def test_a_job_that_was_never_handed_over(job: int) -> None:
    built = networks()["dense-levels"]
    bus = EmulatorBus(AKD1000)
    device = Device(bus, AKD1000)
    device.program(built.program)
    device.set_batch_size(2)
    device.forward(built.inputs[:5], 2)
    for x in built.inputs[:2]:
        device.enqueue(x)
    bus.read32(bus.register_base + EVENT_DMA + 0x10)
    bus.chip.event.put("job", job)
    with pytest.raises(errors.BadOutput, match=rf"job {job} is done, 6 to 7 were handed over"):
        device.fetch()
    assert not device.programmed


def test_a_device_that_was_closed() -> None:
    built = networks()["dense-levels"]
    device = Device(EmulatorBus(AKD1000), AKD1000)
    device.program(built.program)
    device.close()
    device.close()
    assert not device.programmed
    for call in (
        lambda: device.program(built.program),
        lambda: device.forward(built.inputs),
        lambda: device.set_batch_size(1),
        device.fetch,
        device.read_learned,
    ):
        with pytest.raises(errors.WrongState, match="the device is closed"):
            call()
