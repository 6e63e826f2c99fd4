# SPDX-License-Identifier: Apache-2.0
"""Emulator against integer simulator: random networks built by akc, of which the emulator gets the bytes alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from attrs import evolve

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.program import Program
from akc.ir.fields import Range
from akc.ir.module import Module, Op, Sequence
from akc.ir.ops.akida import Convolutional, Location, SeparableConvolutional
from akc.ir.signature import TypeFault
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from akc.targets.akida1.placing.placers import PLACERS
from tests.conformance import random_networks

COUNTS = {"dense": 100, "conv": 100, "separable": 90, "mixed": 90, "image": 90, "near_capacity": 15, "learning": 25}
"""510 networks."""
SEED = 90_000 + int(os.environ.get("AKC_SEED", "0"))
"""Another seed draws other networks: AKC_SEED=1000 python -m pytest tests/targets/akida1/emulator."""
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
    device = Device(EmulatorBus(AKD1000), AKD1000)
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


# -- placed by hand --------------------------------------------------------------------------------


def cuts(rng: np.random.Generator, size: int, most: int) -> list[Range]:
    """An axis in up to `most` parts of any size."""
    edges = sorted({0, size, *rng.integers(0, size, int(rng.integers(most))).tolist()})
    return [Range(a, b) for a, b in pairwise(edges)]


def scattered(module: Module, rng: np.random.Generator) -> Module:
    """Each convolution cut along every axis, each tile's filters cut in their own way, on NPs by lot."""
    free = [AKD1000.mesh[n].place for n in rng.permutation(len(AKD1000.mesh))]
    ops: list[Op] = []
    for op in module.net.ops:
        if isinstance(op, Convolutional | SeparableConvolutional):
            d0, d1, _ = module.net.types[op.x].shape
            boxes = [
                (filters, a, b)
                for a in cuts(rng, d0, 3)
                for b in cuts(rng, d1, 2)
                for filters in cuts(rng, op.type.shape[2], 3)
            ]
            at = tuple(Location("cnp1", *free.pop(), filters=f, d0=a, d1=b) for f, a, b in boxes if free)
            op = evolve(op, at=at)
        ops.append(op)
    return module.with_statements(ops)


def test_layers_cut_and_placed_by_hand() -> None:
    """Any cut that akc takes works, also where the vendor's tools would never cut."""
    device, compared, processors = Device(EmulatorBus(AKD1000), AKD1000), 0, 0
    for number in range(SEED, SEED + 300):
        rng = np.random.default_rng(number)
        try:
            module = random_networks.network(("conv", "separable", "mixed")[number % 3], number)
            program = akc.build(in_one_sequence(scattered(module, rng)))
        except (DiagnosticError, TypeFault):
            continue
        entry = program.module.net.inputs[0].type
        levels = rng.integers(0, (entry.element.high or 0) + 1, (2, *entry.shape)).astype(np.uint8)
        expected = program.run(levels, raw=True)
        if abs(expected).max() < POTENTIAL_LIMIT:
            device.program(program.bytes)
            np.testing.assert_array_equal(device.forward(levels), expected, str(number))
            compared += 1
            processors += len(device.bus.chip.fabric.processors)  # type: ignore[attr-defined]
    assert compared > 100
    assert processors > 4 * compared
