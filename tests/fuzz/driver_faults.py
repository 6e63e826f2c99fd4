# SPDX-License-Identifier: Apache-2.0
"""Random sequences of faults on the emulated bus: a named error and a defined state, or the right numbers.

python -m tests.fuzz.driver_faults 20000 [FIRST]    # sequence number n is the same on every machine
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from random import Random

import numpy as np

from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.targets.akida1.driver.networks import networks

NAMES = ("dense-levels", "conv-potentials", "dense-external-weights")
HANG = 300.0
"""Emulated seconds after which a call counts as one that hangs."""


class FaultyBus(EmulatorBus):
    """A bus whose accesses are counted; from the numbers in `plan` on, or at them, something happens."""

    def __init__(self, plan: dict[str, int], rng: Random) -> None:
        super().__init__(AKD1000)
        self.plan, self.rng, self.count = plan, rng, 0
        self.bit, self.high, self.address = 1 << rng.randrange(32), rng.random() < 0.5, -1

    def _access(self, address: int) -> None:
        self.count += 1
        if self.count == self.plan.get("stop"):
            raise KeyboardInterrupt
        if self.count == self.plan.get("short"):
            raise errors.ShortTransfer("3 of 8 bytes were moved")
        if self.count >= self.plan.get("gone", 1 << 60):
            raise errors.DeviceGone("the device does not answer any more")
        if self.count == self.plan.get("stuck"):
            self.address = address
        if self.count == self.plan.get("late"):
            self.seconds += self.rng.choice((0.01, 1.0, 30.0))

    def read32(self, address: int) -> int:
        self._access(address)
        value = super().read32(address)
        if self.count == self.plan.get("id"):
            return self.rng.randrange(2**32)
        if address == self.address:
            return value | self.bit if self.high else value & ~self.bit
        return value

    def write32(self, address: int, value: int) -> None:
        self._access(address)
        super().write32(address, value)

    def read(self, address: int, size: int) -> bytes:
        self._access(address)
        return super().read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self._access(address)
        super().write(address, data)


KINDS = ("stop", "short", "gone", "stuck", "late", "id")


def one(number: int) -> str:
    """A sequence; gives how it ended. Raises AssertionError where it ended badly."""
    rng = Random(f"driver-{number}")
    built = networks()[rng.choice(NAMES)]
    most = rng.choice((4, 40, 400, 2000))
    plan = {kind: rng.randrange(1, most) for kind in rng.sample(KINDS, rng.choice((1, 1, 2, 3)))}
    bus = FaultyBus(plan, rng)
    device: Device | None = None
    before = bus.seconds
    try:
        device = Device(bus, AKD1000)
        device.program(built.program)
        result = device.forward(built.inputs)
        ended = "numbers"
        assert np.array_equal(result, built.expected), f"{number}: wrong numbers as right ones, {plan}"
    except errors.DeviceError as fault:
        ended = fault.diagnostics[0].code
        assert device is None or not device.programmed, f"{number}: programmed after {ended}, {plan}"
    except KeyboardInterrupt:
        ended = "stopped"
    assert bus.seconds - before < HANG, f"{number}: {bus.seconds - before} emulated seconds, {plan}"
    _works_again(number, device, bus, built, plan)
    return ended


def _works_again(number: int, device: Device | None, bus: FaultyBus, built: object, plan: dict[str, int]) -> None:
    """Once the faults are over: the same device, or a new one where it was not opened or is gone."""
    bus.plan, bus.address = {}, -1
    network = networks()[next(name for name, one in networks().items() if one is built)]
    again = Device(bus, AKD1000) if device is None else device
    try:
        again.program(network.program)
    except errors.DeviceError:
        again = Device(EmulatorBus(AKD1000), AKD1000)
        again.program(network.program)
    assert np.array_equal(again.forward(network.inputs), network.expected), f"{number}: does not work again, {plan}"


def many(numbers: range, say: Callable[[str], None] = lambda text: None) -> Counter[str]:
    """Sequences by how they ended; bad ones are told, and counted as such."""
    seen: Counter[str] = Counter()
    for number in numbers:
        try:
            seen[one(number)] += 1
        except Exception as fault:
            seen["BAD"] += 1
            say(f"BAD {type(fault).__name__}: {fault}")
    return seen


if __name__ == "__main__":
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    found = many(range(first, first + int(sys.argv[1])), print)
    print(dict(found.most_common()))
    sys.exit(int(bool(found["BAD"])))
