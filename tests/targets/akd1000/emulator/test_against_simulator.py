# SPDX-License-Identifier: Apache-2.0
"""Emulator against integer simulator: random networks built by akc, of which the emulator gets the bytes alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import akc
from akc.diagnostics import DiagnosticError
from akc.ir.module import Module, Sequence
from akc.ir.signature import TypeFault
from akc.program import Program
from akc.targets.akd1000.driver.driver import Device
from akc.targets.akd1000.emulator.bus import EmulatorBus
from akc.targets.akd1000.placers import PLACERS
from tests.conformance import random_networks

COUNTS = {"dense": 100, "conv": 100, "separable": 90, "mixed": 90, "image": 90, "near_capacity": 15, "learning": 25}
"""510 networks."""
SEED = 90_000
POTENTIAL_LIMIT = 2**19
WAYS = tuple(PLACERS)
"""Ways of placing, taken in turn."""


def built(kind: str, count: int) -> Iterator[tuple[int, Program]]:
    """Networks that akc builds; those that the chip does not take are passed over."""
    found = 0
    for number in range(SEED, SEED + 10 * count):
        try:
            module = random_networks.network(kind, number)
            program = akc.build(in_one_sequence(module), place=WAYS[number % len(WAYS)])
        except (DiagnosticError, TypeFault):
            continue
        yield number, program
        found += 1
        if found == count:
            return
    raise AssertionError(f"only {found} of {count} {kind} networks can be built")


def in_one_sequence(module: Module) -> Module:
    return module.with_statements([Sequence(name="s0", ops=tuple(module.net.ops))])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", COUNTS)
def test_random_networks(kind: str) -> None:
    device = Device(EmulatorBus())
    compared = 0
    for number, program in built(kind, COUNTS[kind]):
        entry = program.module.net.inputs[0].type
        rng = np.random.default_rng(number)
        levels = rng.integers(0, (entry.element.high or 0) + 1, (4, *entry.shape))
        if entry.element.bits < 8:
            levels *= rng.random(levels.shape) < rng.random()
            levels[0] = 0
        expected = program.run(levels.astype(np.uint8), raw=True)
        if abs(expected).max() >= POTENTIAL_LIMIT:
            continue
        device.program(program.bytes)
        np.testing.assert_array_equal(device.forward(levels), expected, f"{kind} {number}")
        compared += 1
    assert compared > 0.9 * COUNTS[kind]
