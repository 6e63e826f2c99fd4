# SPDX-License-Identifier: Apache-2.0
"""The vendor's own engine against ours: its accesses line for line against the driver's, and it drives the emulator.

Both run the vendor SDK's programs. Each has a chip of its own behind a bus that writes down every access.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import akida
import numpy as np
import pytest
from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops.akida import Learning
from akc.sim.run import run
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.bus import RecordingBus
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.driver.events import CNP, DENSE, FNP, HRC
from akc.targets.akida1.driver.plan import read_info
from akc.targets.akida1.emulator.bus import EmulatorBus
from akc.targets.faults import BadInput, ChipFault, WrongProgram
from tests.conformance import random_networks, vendor
from tests.conformance.engine import Engine, EngineFault, build

pytestmark = pytest.mark.conformance

COUNTS = {"dense": 40, "conv": 25, "separable": 25, "mixed": 25, "image": 35, "near_capacity": 10, "wide": 8}
FORMATS = {
    "dense": {(FNP, FNP, True), (FNP, FNP, False), (CNP, FNP, True), (CNP, FNP, False)},
    "conv": {(CNP, CNP, True), (CNP, CNP, False)},
    "separable": {(CNP, CNP, True), (CNP, CNP, False)},
    "mixed": {(CNP, FNP, False)},
    "image": {(DENSE, HRC, True), (DENSE, CNP, True), (DENSE, FNP, False)},
    "near_capacity": set(),
    "wide": {(CNP, CNP, True)},
}
"""(input_type, output_type, activation) that a kind must have shown at least once."""
SEED = 5000 + int(os.environ.get("AKC_SEED", "0"))


@pytest.fixture(scope="session")
def engine_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine, deployed and compiled once for all workers of a run."""
    shared = "PYTEST_XDIST_WORKER" in os.environ
    folder = (tmp_path_factory.getbasetemp().parent if shared else tmp_path_factory.getbasetemp()) / "engine"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        library = folder / "libengine.so"
        return library if library.exists() else build(folder)


@frozen(eq=False)
class Case:
    """A network, its program by the SDK, and inputs."""

    name: str
    module: Module
    info: bytes
    data: bytes
    inputs: Any

    @property
    def expected(self) -> Any:
        """The simulator's integers."""
        return next(iter(run(self.module, self.inputs, raw=True).values()))


def cases(kind: str, count: int, seed: int = SEED) -> Iterator[Case]:
    """`count` networks that the SDK maps on one program; those that cannot be are passed over."""
    made = 0
    for number in range(seed, seed + 10 * count):
        try:
            module = random_networks.network(kind, number)
            model = vendor.to_akida(module)
            vendor.map_on_akd1000(model)
        except Exception:
            continue
        programs = vendor.programs(model)
        if len(programs) == 1:
            yield Case(f"{kind} {number}", module, *programs[0], draw_inputs(module, number))
            made += 1
        if made == count:
            return
    raise AssertionError(f"only {made} of {count} {kind} networks map")


def large_learner(seed: int) -> Case:
    """A learning layer whose weights only an FNP2 can take."""
    rng = np.random.default_rng(seed)
    net = random_networks.NetBuilder(rng, (1, 1, 600), "u1")
    net.dense(700, "u1", learning=Learning(num_weights=40, num_classes=10, plasticity_decay=0.1), activation=False)
    random_networks._draw_learning_state(net, 40)
    module = net.module()
    model = vendor.to_akida(module)
    vendor.map_on_akd1000(model)
    return Case(f"large learner {seed}", module, *vendor.programs(model)[0], draw_inputs(module, seed))


def draw_inputs(module: Module, seed: int) -> Any:
    """1 to 20 inputs, sparse ones and an empty one among them."""
    kind = module.net.inputs[0].type
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, (kind.element.high or 0) + 1, (int(rng.integers(1, 21)), *kind.shape))
    if kind.element.bits < 8:
        levels *= rng.random(levels.shape) < rng.random()
        levels[-1] = 0
    return levels.astype(np.uint8)


class Both:
    """Our driver and the vendor's engine, each on an emulated chip of its own, all accesses noted."""

    def __init__(self, library: Path) -> None:
        self.our_bus, self.their_bus = (RecordingBus(EmulatorBus(AKD1000)) for _ in range(2))
        self.ours = Device(self.our_bus, AKD1000)
        self.theirs = Engine(library, self.their_bus)

    def lines(self) -> int:
        """Assert that both did the same so far; gives how many accesses that were."""
        ours, theirs = self.our_bus.lines, self.their_bus.lines
        for number, (a, b) in enumerate(zip(ours, theirs, strict=False)):
            assert a == b, f"line {number}: ours {a}, theirs {b}; before: {ours[max(0, number - 3) : number]}"
        assert len(ours) == len(theirs), (ours[len(theirs) :][:3], theirs[len(ours) :][:3])
        return len(ours)

    def close(self) -> None:
        """Let go of both."""
        self.theirs.close()
        self.ours.close()


@pytest.fixture
def both(engine_library: Path) -> Iterator[Both]:
    """A fresh pair."""
    pair = Both(engine_library)
    yield pair
    pair.close()


@pytest.mark.parametrize("kind", COUNTS)
def test_same_accesses_and_the_simulators_outputs(kind: str, both: Both, capsys: pytest.CaptureFixture[str]) -> None:
    """One pair of devices runs every network in turn, with batches and the clock counter drawn."""
    programs = inputs = 0
    formats: set[tuple[int, int, bool]] = set()
    for case in cases(kind, COUNTS[kind]):
        rng = np.random.default_rng(programs)
        clock, batch = bool(rng.random() < 0.5), int(rng.integers(1, 41))
        for device in (both.ours, both.theirs):
            device.set_clock_counter(clock)
        both.ours.program(case.info + case.data)
        both.theirs.program(case.info + case.data)
        batch = both.ours.set_batch_size(min(batch, len(case.inputs)))
        both.theirs.set_batch_size(batch)
        ours, theirs = both.ours.forward(case.inputs, batch), both.theirs.forward(case.inputs)
        np.testing.assert_array_equal(ours, theirs, case.name)
        np.testing.assert_array_equal(ours, case.expected, case.name)
        both.lines()
        formats.add((both.ours.info.input_type, both.ours.info.output_type, both.ours.info.activation))
        programs, inputs = programs + 1, inputs + len(case.inputs)
    assert formats >= FORMATS[kind], f"{kind} never showed {FORMATS[kind] - formats}"
    with capsys.disabled():
        print(f" {kind}: {programs} programs, {inputs} inputs, {both.lines()} accesses equal", end="", flush=True)


def test_clock_counters_and_registers(both: Both) -> None:
    case = next(cases("mixed", 1))
    for device in (both.ours, both.theirs):
        device.set_clock_counter(True)
        device.program(case.info + case.data)
        device.set_batch_size(1)
        device.forward(case.inputs[:1], *([1] if device is both.ours else []))
    clocks = both.ours.read_clock_counter(), both.ours.read_config_clock_counter()
    assert clocks == both.theirs.read_clocks()
    assert clocks[0] > 0
    place = min(both.our_bus.bus.chip.fabric.processors)  # type: ignore[attr-defined]
    ours, theirs = both.ours.read_np_registers(place, 50), both.theirs.read_np_registers(place, 50)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.any()
    both.ours.unprogram()
    both.theirs.unprogram()
    both.lines()


def test_program_data_that_is_in_device_memory_already(both: Both) -> None:
    for case in cases("image", 3):
        address = 0x20100000
        for bus in (both.our_bus, both.their_bus):
            bus.bus.write(address, case.data)
        both.ours.program_external(case.info, address)
        both.theirs.program_external(case.info, case.data, address)
        batch = min(4, len(case.inputs))
        both.ours.set_batch_size(batch)
        both.theirs.set_batch_size(batch)
        np.testing.assert_array_equal(both.ours.forward(case.inputs, batch), both.theirs.forward(case.inputs))
        both.lines()


def test_sequences_one_after_the_other(both: Both) -> None:
    """25 dense layers are two programs: each is put on the chip in turn, the second gets what the first gave."""
    for seed in range(2):
        net = random_networks.NetBuilder(np.random.default_rng(seed), (1, 1, 40), "u2")
        for index in range(25):
            net.dense(20, "i2", activation=index < 24, act_bits=2)
        module = net.module()
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, hw_only=False)
        programs = vendor.programs(model)
        assert len(programs) == 2
        values = draw_inputs(module, seed)
        expected = next(iter(run(module, values, raw=True).values()))
        for info, data in programs:
            batch = min(5, len(values))
            for device in (both.ours, both.theirs):
                device.program(info + data)
                device.set_batch_size(batch)
            ours, theirs = both.ours.forward(values, batch), both.theirs.forward(values)
            np.testing.assert_array_equal(ours, theirs)
            both.lines()
            values = ours.astype(np.uint8) if both.ours.info.activation else ours
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("kind", ["dense", "conv", "separable"])
def test_rescaled_potentials(both: Both, kind: str) -> None:
    seen = 0
    for case in cases(kind, 12, SEED + 300):
        both.ours.program(case.info + case.data)
        both.theirs.program(case.info + case.data)
        if both.ours.info.activation:
            with pytest.raises(EngineFault, match="Activations must be disabled"):
                both.theirs.predict(case.inputs[0])
            continue
        both.ours.set_batch_size(1)
        both.theirs.set_batch_size(1)
        ours, theirs = both.ours.predict(case.inputs[:1])[0], both.theirs.predict(case.inputs[0])
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs, case.name)
        both.lines()
        seen += 1
    assert seen > 2


def test_learning(both: Both) -> None:
    """Learning on, steps with labels, weights read and put back, learning off, inference with what was learned."""
    fnp2 = 0
    for case in (*cases("learning", 15), large_learner(1), large_learner(2)):
        fnp2 += read_info(case.info).learning.weights.external is not None  # type: ignore[union-attr]
        both.ours.program(case.info + case.data)
        both.theirs.program(case.info + case.data)
        labels = np.zeros(len(case.inputs), np.int32)
        for device in (both.ours, both.theirs):
            device.set_learning(True)
            device.set_batch_size(1)
        np.testing.assert_array_equal(
            both.ours.fit(case.inputs, labels.tolist()), both.theirs.forward(case.inputs, labels)
        )
        learned, theirs = both.ours.read_learned(), both.theirs.read_learned()
        assert learned == theirs, case.name
        both.ours.write_learned(learned)
        both.theirs.write_learned(learned)
        both.ours.set_learning(False)
        both.theirs.set_learning(False)
        np.testing.assert_array_equal(both.ours.forward(case.inputs, 1), both.theirs.forward(case.inputs))
        both.lines()
    assert fnp2 >= 2


def test_the_engine_hears_of_a_chip_fault(engine_library: Path) -> None:
    case = next(cases("dense", 1))
    bus = EmulatorBus(AKD1000)
    engine = Engine(engine_library, bus)
    engine.program(case.info + case.data)
    bus.chip.plain[0x40000] ^= 2
    bus.chip.fabric.changes += 1
    engine.set_batch_size(1)
    with pytest.raises(EngineFault) as raised:
        engine.forward(case.inputs[:1])
    assert isinstance(raised.value.__cause__, ChipFault)
    engine.close()


@pytest.mark.parametrize(("chip", "version"), [("AKD1500", "BC.A1.03.09"), ("TwoNodesIPv1", "BC.A1.03.06")])
def test_both_refuse_programs_of_other_chips(both: Both, chip: str, version: str) -> None:
    """Before anything is written; the program that is on the chip stays there."""
    own = next(cases("conv", 1))
    for device in (both.ours, both.theirs):
        device.program(own.info + own.data)
        device.set_batch_size(1)
    net = random_networks.NetBuilder(np.random.default_rng(0), (8, 8, 3), "u4")
    net.convolution(4, 3, "i4", act_bits=4)
    model = vendor.to_akida(net.module())
    model.map(getattr(akida, chip)(), hw_only=True)
    (info, data), *_ = vendor.programs(model)
    before = both.lines()
    with pytest.raises(WrongProgram, match=f"the program is for {version}.*, the device is BC.00.00.02"):
        both.ours.program(info + data)
    with pytest.raises(EngineFault):
        both.theirs.program(info + data)
    assert len(both.our_bus.lines) == before
    np.testing.assert_array_equal(both.ours.forward(own.inputs[:1], 1), own.expected[:1])


def test_both_refuse_learned_weights_of_another_layer(both: Both) -> None:
    case = next(cases("learning", 1))
    for device in (both.ours, both.theirs):
        device.program(case.info + case.data)
        device.set_learning(True)
    learned = bytearray(both.ours.read_learned())
    both.theirs.read_learned()
    if both.ours.info.learning.weights.external is None:  # type: ignore[union-attr]
        learned[0] ^= 1
        with pytest.raises(BadInput):
            both.ours.write_learned(bytes(learned))
        with pytest.raises(EngineFault, match="header mismatch"):
            both.theirs.write_learned(bytes(learned))
    both.lines()
