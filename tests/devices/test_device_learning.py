# SPDX-License-Identifier: Apache-2.0
"""Edge learning for the user: whole networks that learn on a device, and the learned network back as a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import akc
from akc.cli import device_verbs
from akc.devices.learned import with_learned
from akc.devices.opening import OpenDevice, open_device
from akc.devices.verification import verify
from akc.ir.parser import parse
from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.targets.akida1.driver.networks import learning_program, networks

UNITS, INPUTS, ONES, CLASSES = 6, 20, 6, 3

LEARNER = """akir 1.0

net @learner(%x: f32[20]) -> f32[6] {
  %q = host.quantize(%x, scale=1.0, bits=1) : u1[1, 1, 20]
  sequence @features {
    %f = akida.fully_connected(%q, weights=#f, threshold=#f.threshold) : u1[1, 1, 20]
  }
  %h = host.dequantize(%f, scale=1.0) : f32[20]
  %g = host.quantize(%h, scale=1.0, bits=1) : u1[1, 1, 20]
  sequence @learn {
    %p = akida.fully_connected(
      %g,
      weights=#w,
      activation=false,
      learning=akida_unsupervised(num_weights=6, num_classes=3),
    ) : i32[1, 1, 6]
  }
  %y = host.decode(%p) : f32[6]
  return %y
}

weights {
  #f : i2[20, 20] = hex "
    FEATURES"
  #f.threshold : i32[20] = splat "0"
  #w : u1[6, 20] = hex "
    WEIGHTS"
}
"""


def chosen() -> Any:
    """0 or 1 [units, inputs], six ones in each row."""
    return (np.random.default_rng(5).random((UNITS, INPUTS)).argsort(axis=1) < ONES).astype(np.uint8)


def rows(array: Any) -> str:
    return "\n    ".join("".join(str(digit) for digit in row) for row in array)


@pytest.fixture(scope="module")
def host_and_two_sequences() -> akc.Program:
    features = (np.random.default_rng(7).random((INPUTS, INPUTS)) < 0.2).astype(int)
    return akc.build(
        parse(LEARNER.replace("FEATURES", rows(features)).replace("WEIGHTS", rows(chosen()))), host="allow"
    )


def samples(count: int = 30) -> tuple[Any, Any]:
    """Inputs in the source network's units, and classes."""
    rng = np.random.default_rng(6)
    return (rng.random((count, INPUTS)) < 0.4).astype(np.float32), rng.integers(0, CLASSES, count)


def test_a_network_learns_and_comes_back_as_a_program() -> None:
    program = learning_program(chosen())
    x, labels = samples()
    levels = x.reshape(-1, 1, 1, INPUTS).astype(np.uint8)
    with open_device("emulator") as device:
        device.program(program, learning=True)
        first = device.fit(levels[:1], labels[:1])
        np.testing.assert_array_equal(first, program.run(levels[:1]), "outputs are from before the step")
        device.fit(levels[1:], labels[1:])
        learned = device.learned()
        device.set_learning(False)
        np.testing.assert_array_equal(device.predict(levels), learned.run(levels))
        assert (learned.run(levels) != program.run(levels)).any()
        device.program(learned)
        np.testing.assert_array_equal(device.predict(levels), learned.run(levels))
    assert (learned.module.array("w").sum(axis=1) == ONES).all()
    assert learned.bytes == akc.build(learned.module).bytes


@pytest.mark.parametrize("seed", range(4))
def test_the_simulator_learns_the_same(seed: int) -> None:
    """Each draws which ones move from a generator with seed 0, so that even these are the same."""
    weights = (np.random.default_rng(seed).random((UNITS, INPUTS)).argsort(axis=1) < ONES).astype(np.uint8)
    program = learning_program(weights)
    rng = np.random.default_rng(seed)
    levels = (rng.random((40, 1, 1, INPUTS)) < 0.4).astype(np.uint8)
    labels = rng.integers(0, CLASSES, 40)
    with open_device() as device:
        device.program(program, learning=True)
        device.fit(levels, labels)
        on_chip = device.learned().module
    simulated = akc.fit(program.module, levels, labels)
    for name in ("w", "t", "s"):
        np.testing.assert_array_equal(on_chip.array(name), simulated.array(name), name)


def test_learning_behind_another_sequence_and_the_host(host_and_two_sequences: akc.Program) -> None:
    """The learner leaves the chip for the sequence in front of it; what it learned is put back each time."""
    program = host_and_two_sequences
    x, labels = samples()
    with open_device("emulator") as device:
        device.program(program, learning=True)
        first = device.fit(x[:1], labels[:1])
        np.testing.assert_array_equal(first, program.run(x[:1]))
        for start in range(1, len(x), 10):
            device.fit(x[start : start + 10], labels[start : start + 10])
        learned = device.learned()
        device.set_learning(False)
        np.testing.assert_array_equal(device.predict(x), learned.run(x))
    state = learned.module.array("p.threshold_learning")
    assert state.any() and (learned.module.array("w") != program.module.array("w")).any()


def test_state_is_kept_over_save_and_load(tmp_path: Path) -> None:
    """Learning goes on where it stopped: thresholds and swaps travel with the file."""
    x, labels = samples()
    levels = x.reshape(-1, 1, 1, INPUTS).astype(np.uint8)
    with open_device() as device:
        device.program(learning_program(chosen()), learning=True)
        device.fit(levels, labels)
        held = device.read_learned()
        device.learned().save(tmp_path / "learned.akd")
    with open_device() as device:
        device.program(tmp_path / "learned.akd", learning=True)
        assert device.read_learned() == held


def test_learned_weights_can_be_put_back() -> None:
    program = learning_program(chosen())
    x, labels = samples()
    levels = x.reshape(-1, 1, 1, INPUTS).astype(np.uint8)
    with open_device() as device:
        device.program(program, learning=True)
        device.fit(levels, labels)
        held = device.read_learned()
        device.program(program)
        assert device.read_learned() != held
        device.write_learned(held)
        np.testing.assert_array_equal(device.predict(levels), with_learned(program, held).run(levels))


def test_what_was_learned_is_not_lost_in_silence() -> None:
    program = learning_program(chosen())
    x, labels = samples()
    levels = x.reshape(-1, 1, 1, INPUTS).astype(np.uint8)
    bus = EmulatorBus(AKD1000)
    device = OpenDevice(Device(bus, AKD1000))
    device.program(program, learning=True)
    device.fit(levels, labels)
    bus.hold("event")
    with pytest.raises(errors.TimedOut):
        device.fit(levels, labels)
    bus.hold()
    with pytest.raises(errors.WrongState, match="what it learned is lost"):
        device.fit(levels, labels)
    device.program(program, learning=True)
    other = networks()["dense-levels"]
    verify(device, other.program, other.inputs)
    with pytest.raises(errors.WrongState, match="programmed anew"):
        device.fit(levels, labels)
    device.program(program, learning=True)
    device.fit(levels, labels)


def test_calls_that_do_not_fit(host_and_two_sequences: akc.Program) -> None:
    x, labels = samples()
    plain = networks()["dense-levels"]
    with open_device() as device:
        with pytest.raises(errors.WrongState, match="this network does not learn"):
            device.program(plain.program, learning=True)
        with pytest.raises(errors.WrongState, match="this program does not learn"):
            with_learned(plain.program, b"")
        with pytest.raises(errors.WrongState, match="this program does not learn"):
            device.program(plain.program.bytes, learning=True)
        with pytest.raises(errors.WrongState, match="bare bytes were programmed"):
            device.learned()
        device.program(host_and_two_sequences)
        with pytest.raises(errors.WrongState, match="learning is off"):
            device.fit(x, labels)
        device.set_learning(True)
        with pytest.raises(errors.BadInput, match=r"30 inputs have labels of shape \(29,\)"):
            device.fit(x, labels[1:])
        for wrong in (labels - 1, labels + 1):
            with pytest.raises(errors.BadInput, match=r"labels lie in 0\.\.2, found"):
                device.fit(x, wrong)
        with pytest.raises(errors.WrongState, match="learning is on"):
            device.predict(x)
        device.fit(x, labels)
        device.fit(x)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], host_and_two_sequences: akc.Program) -> None:
    x, labels = samples()
    host_and_two_sequences.save(tmp_path / "net.akd")
    np.savez(tmp_path / "x.npz", x=x, labels=labels)
    target = str(tmp_path / "learned.akd")
    device_verbs.learn(str(tmp_path / "net.akd"), str(tmp_path / "x.npz"), "emulator", target)
    assert "30 samples, " in capsys.readouterr().err
    learned = akc.load(target)
    assert (learned.module.array("w") != host_and_two_sequences.module.array("w")).any()
    device_verbs.verify(target, str(tmp_path / "x.npz"), "emulator", 16, as_json=False)
    assert "@learn: 30 samples, 180 values, all equal on emulator" in capsys.readouterr().out
