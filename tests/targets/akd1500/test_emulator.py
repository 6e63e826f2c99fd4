# SPDX-License-Identifier: Apache-2.0
"""The emulated AKD1500: whole maps in and out, against the simulator; programs of several passes are refused."""

from __future__ import annotations

import numpy as np
import pytest

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets import SequenceProgram
from akc.targets.akd1500 import AKD1500, TARGET
from akc.targets.akida1.emulator.bus import EmulatorBus
from akc.targets.akida1.program.container import read
from akc.targets.faults import CannotOpen, WrongProgram
from tests.conformance import random_networks
from tests.targets.akd1500.test_programs import CHAIN, KINDS, placed

POTENTIALS = 2**19


def _levels(module: Module, rng: np.random.Generator, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    value = module.net.inputs[0].type
    return rng.integers(0, 1 << value.element.bits, (count, *value.shape)).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_random_networks_give_the_simulators_integers(kind: str) -> None:
    rng = np.random.default_rng([5, *kind.encode()])
    compared = 0
    for seed in range(14):
        module = placed(kind, seed)
        if module is None:
            continue
        (one,) = TARGET.assemble(module)
        if len(read(one.bytes).passes) > 1:
            continue
        x = _levels(module, rng, 3)
        program = _program(module, one)
        expected = np.asarray(program.run(x, raw=True)).astype(np.int64)
        if np.abs(expected).max(initial=0) >= POTENTIALS:
            continue
        device = TARGET.emulate()
        device.program(one.bytes)
        np.testing.assert_array_equal(device.forward(x), expected)
        device.close()
        compared += 1
    assert compared >= 5


def _program(module: Module, one: SequenceProgram) -> akc.Program:
    return akc.Program(module=module, sequences=(one,), target="akd1500", engine_version=TARGET.engine_version)


def test_a_program_of_several_passes_is_refused() -> None:
    (one,) = TARGET.assemble(TARGET.place(CHAIN))
    with pytest.raises(WrongProgram, match="the program has 3 passes; akc's driver takes one"):
        TARGET.emulate().program(one.bytes)


def test_cards_are_refused() -> None:
    with pytest.raises(CannotOpen, match="akc does not drive cards with an AKD1500"):
        TARGET.open("/dev/akd1500_0")


def test_it_identifies_itself() -> None:
    bus = EmulatorBus(AKD1500)
    assert bus.read32(bus.register_base) == 0xBCA10309
    bus.close()


def test_each_chip_takes_its_own_programs() -> None:
    module = random_networks.in_one_sequence(random_networks.network("dense", 1))
    with akc.open_device(target="akd1500") as device, pytest.raises(DiagnosticError, match="AKC0807"):
        device.program(akc.build(module, "akd1000").bytes)
