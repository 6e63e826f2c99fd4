# SPDX-License-Identifier: Apache-2.0
"""The emulator on programs that the vendor's SDK made: 380 more networks, and edge learning step by step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import akida
import numpy as np
import pytest
from attrs import frozen

from akc.compiler.program import Program
from akc.devices.runner import run_on
from akc.devices.verification import verify
from akc.ir.module import Module
from akc.ir.ops.akida import Learning
from akc.sim.run import run
from akc.targets import SequenceProgram
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.conformance import random_networks, vendor

pytestmark = pytest.mark.conformance

COUNTS = {
    "dense": 60,
    "conv": 75,
    "separable": 75,
    "mixed": 60,
    "image": 75,
    "near_capacity": 15,
    "wide": 5,
    "learning": 15,
}
SEED = 40_000 + int(os.environ.get("AKC_SEED", "0"))


@frozen(eq=False)
class Mapped:
    """A network as a model of the SDK, mapped, and its program."""

    number: int
    module: Module
    model: Any
    program: bytes


def mapped(kind: str, count: int, minimal: bool = False) -> Iterator[Mapped]:
    """`count` networks that the SDK maps on one program."""
    found = 0
    for number in range(SEED, SEED + 10 * count):
        try:
            module = random_networks.network(kind, number)
            model = vendor.to_akida(module)
            vendor.map_on_akd1000(model, minimal=minimal and number % 2 == 0)
        except Exception:
            continue
        programs = vendor.programs(model)
        if len(programs) == 1:
            yield Mapped(number, module, model, b"".join(programs[0]))
            found += 1
        if found == count:
            return
    raise AssertionError(f"only {found} of {count} {kind} networks map")


@pytest.mark.parametrize("kind", COUNTS)
def test_programs_of_the_sdk(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Outputs of the emulator, of akc's simulator, and of the SDK's own software backend."""
    device = Device(EmulatorBus(AKD1000), AKD1000)
    values = 0
    for case in mapped(kind, COUNTS[kind], minimal=True):
        entry = case.module.net.inputs[0].type
        rng = np.random.default_rng(case.number)
        levels = rng.integers(0, (entry.element.high or 0) + 1, (3, *entry.shape)).astype(np.uint8)
        if entry.element.bits < 8:
            levels *= rng.random(levels.shape) < rng.random()
        expected = next(iter(run(case.module, levels, raw=True).values()))
        device.program(case.program)
        np.testing.assert_array_equal(device.forward(levels), expected, f"{kind} {case.number}")
        case.model.map(None)
        np.testing.assert_array_equal(case.model.forward(levels), expected, f"{kind} {case.number}")
        values += expected.size
    with capsys.disabled():
        print(f" {kind}: {COUNTS[kind]} programs, {values} values equal", end="", flush=True)


def test_networks_that_the_sdk_cuts_into_sequences() -> None:
    """With hw_only off: 25 dense layers are two programs; the runner puts one after the other on the chip."""
    for seed in range(3):
        net = random_networks.NetBuilder(np.random.default_rng(seed), (1, 1, 40), "u2")
        for index in range(25):
            net.dense(20, "i2", activation=index < 24, act_bits=4)
        module = net.module()
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, hw_only=False)
        placed = vendor.placed_like(module, model)
        parts = zip(placed.net.sequences, vendor.programs(model), strict=True)
        sequences = tuple(SequenceProgram(sequence=s.name, info=info, data=data) for s, (info, data) in parts)
        program = Program(module=placed, sequences=sequences, target="akd1000", engine_version="2.19.3")
        assert len(sequences) == 2
        levels = np.random.default_rng(seed).integers(0, 4, (30, 1, 1, 40)).astype(np.uint8)
        device = Device(EmulatorBus(AKD1000), AKD1000)
        (found,) = run_on(device, program, levels).values()
        np.testing.assert_array_equal(found, program.run(levels))
        assert verify(device, program, levels).equal


def test_learning_step_by_step() -> None:
    """Both start each step from the chip's state; winner, thresholds and swap counts are the same.

    Which synapses are swapped is drawn by chance on both sides, so their number is compared, and that
    both swapped legal ones. A layer with one class takes no labels.
    """
    steps = 0
    for case in (*mapped("learning", 12), large_learner(1), large_learner(2)):
        device = Device(EmulatorBus(AKD1000), AKD1000)
        device.program(case.program)
        device.set_learning(True)
        device.set_batch_size(1)
        last = list(case.module.net.ops)[-1]
        rng = np.random.default_rng(case.number)
        case.model.map(None)
        layer = case.model.get_layer(last.name)
        for _ in range(6):
            before = layer.get_variable("weights").copy()
            shape = case.module.net.inputs[0].type.shape
            levels = (rng.random((1, *shape)) < 0.4).astype(np.uint8)
            classes = last.learning.num_classes  # type: ignore[attr-defined]
            label = int(rng.integers(classes)) if classes > 1 else None
            ours = device.fit(levels, None if label is None else [label])
            theirs = case.model.fit(levels, input_labels=[] if label is None else [label])
            np.testing.assert_array_equal(ours, theirs)
            memory = learned_memory(device)
            for name, values in (("threshold_learning", memory.learned.thresholds), ("thswap", memory.learned.swaps)):
                np.testing.assert_array_equal(values, layer.get_variable(name), f"{case.number} {name}")
            weights = memory.weights[:, : before.shape[2]].T[None, None]
            np.testing.assert_array_equal(
                (weights != before).sum(axis=(0, 1, 2)), (layer.get_variable("weights") != before).sum(axis=(0, 1, 2))
            )
            layer.set_variable("weights", np.ascontiguousarray(weights, np.int8))
            steps += 1
    assert steps == 84


def large_learner(number: int) -> Mapped:
    """A learning layer that only an FNP2 can take: its weights are in device memory."""
    net = random_networks.NetBuilder(np.random.default_rng(number), (1, 1, 600), "u1")
    net.dense(700, "u1", learning=Learning(num_weights=40, num_classes=10, plasticity_decay=0.1), activation=False)
    random_networks._draw_learning_state(net, 40)
    module = net.module()
    model = vendor.to_akida(module)
    vendor.map_on_akd1000(model)
    return Mapped(number, module, model, b"".join(vendor.programs(model)[0]))


def learned_memory(device: Device) -> Any:
    """What the emulated chip's learning layer holds now."""
    network = device.bus.chip.network()  # type: ignore[attr-defined]
    return network.learner.memory(network.layers[-1].channels)


def test_inference_with_what_was_learned() -> None:
    """Weights read from one chip, written to another, give the SDK's outputs with the same variables."""
    for case in mapped("learning", 4):
        device = Device(EmulatorBus(AKD1000), AKD1000)
        device.program(case.program)
        device.set_learning(True)
        shape = case.module.net.inputs[0].type.shape
        levels = (np.random.default_rng(case.number).random((8, *shape)) < 0.5).astype(np.uint8)
        device.fit(levels)
        weights = learned_memory(device).weights
        learned = device.read_learned()
        other = Device(EmulatorBus(AKD1000), AKD1000)
        other.program(case.program)
        other.set_learning(True)
        other.write_learned(learned)
        other.set_learning(False)
        case.model.map(None)
        last = list(case.module.net.ops)[-1]
        layer = case.model.get_layer(last.name)
        inputs = layer.get_variable("weights").shape[2]
        layer.set_variable("weights", np.ascontiguousarray(weights[:, :inputs].T[None, None], np.int8))
        np.testing.assert_array_equal(other.forward(levels), case.model.forward(levels))


def test_the_sdk_is_the_one_that_was_studied() -> None:
    assert akida.__version__ == "2.19.3"
