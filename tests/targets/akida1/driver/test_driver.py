# SPDX-License-Identifier: Apache-2.0
"""The driver on the emulator: results, faults by name, and what state the device is in afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver import driver
from akc.targets.akida1.driver.bus import RecordingBus
from akc.targets.akida1.driver.chip_registers import EVENT_DMA
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.targets.akida1.driver.networks import Built, learning_program, networks

DENSE = "dense-potentials"


@pytest.fixture
def device(bus: EmulatorBus) -> Device:
    return Device(bus, AKD1000)


def works(device: Device, name: str = DENSE) -> None:
    """The device can be programmed and gives right results."""
    built = networks()[name]
    device.program(built.program)
    np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


@pytest.mark.parametrize("name", networks())
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_outputs_are_the_simulators(device: Device, name: str, batch: int) -> None:
    built = networks()[name]
    device.program(built.program)
    np.testing.assert_array_equal(device.forward(built.inputs, batch), built.expected)


def test_potentials_are_rescaled_as_the_engine_does(device: Device) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    info = device.info
    expected = (built.expected - info.output_shift).astype(np.float32) * info.output_scales
    np.testing.assert_array_equal(device.predict(built.inputs), expected)


def test_one_program_after_the_other(device: Device) -> None:
    for name in networks():
        works(device, name)
    assert device.scratch.top - device.scratch.base < 4 << 20


def test_the_queue_holds_as_many_as_the_batch(device: Device) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    assert device.set_batch_size(3) == 3
    assert [device.enqueue(x) for x in built.inputs[:4]] == [True, True, True, False]
    with pytest.raises(errors.WrongState, match="3 inputs wait"):
        device.set_batch_size(2)
    for expected in built.expected[:3]:
        np.testing.assert_array_equal(device.fetch(), expected)
    assert device.fetch() is None
    assert device.set_batch_size(40) == driver.LARGEST_BATCH


def test_job_ids_wrap_after_65535(device: Device) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    device.set_batch_size(2)
    device._job = device._fetched = 0xFFFF
    np.testing.assert_array_equal(device.forward(built.inputs, 2), built.expected)
    assert device._job == 7


def test_an_input_that_lies_in_device_memory(device: Device, bus: EmulatorBus) -> None:
    built = networks()["image-alone"]
    device.program(built.program)
    device.set_batch_size(1)
    bus.write(0x20200000, built.inputs[1].tobytes())
    device.enqueue_external(0x20200000)
    np.testing.assert_array_equal(device.fetch(), built.expected[1])


def test_data_that_lie_in_device_memory(device: Device, bus: EmulatorBus) -> None:
    built = networks()["dense-external-weights"]
    bus.write(0x20200000, built.program.data)
    device.program_external(built.program.info, 0x20200000)
    np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


def test_clock_counters_survive_programs(device: Device) -> None:
    works(device)
    assert device.read_clock_counter() == 0
    device.set_clock_counter(True)
    works(device)
    assert device.read_clock_counter() > 0 and device.read_config_clock_counter() > 0


def test_registers_can_be_read_back(device: Device, bus: EmulatorBus) -> None:
    works(device)
    (place,) = bus.chip.fabric.processors
    held = bus.chip.fabric.processors[place].registers
    np.testing.assert_array_equal(device.read_np_registers(place, 50), held)


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    device = Device(EmulatorBus(AKD1000), AKD1000, lambda done, total: seen.append((done, total)))
    works(device)
    assert (2, 2) in seen and seen[-1] == (8, 8)


# -- inputs that do not fit ------------------------------------------------------------------------

BAD_INPUTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "shape": (lambda x: x[:, :, :, :-1], r"takes inputs of \(1, 1, 40\), found \(1, 1, 39\)"),
    "axes": (lambda x: x.reshape(-1, 4, 10), r"found \(4, 10\)"),
    "floats": (lambda x: x.astype(np.float32), "takes whole numbers, found floats"),
    "text": (lambda x: x.astype(str), "holds whole numbers"),
    "too large": (lambda x: x.astype(np.int64) + 1, "lie in 0..15, found 1..16"),
    "negative": (lambda x: x.astype(np.int64) - 1, "lie in 0..15"),
    "none": (lambda x: x[:0], "there is no input"),
}


@pytest.mark.parametrize("what", BAD_INPUTS)
def test_inputs_that_do_not_fit_leave_the_device_alone(device: Device, what: str) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    spoil, message = BAD_INPUTS[what]
    with pytest.raises(errors.BadInput, match=message):
        device.forward(spoil(np.concatenate([built.inputs, np.full_like(built.inputs[:1], 15)])))
    np.testing.assert_array_equal(device.forward(built.inputs), built.expected)


def test_calls_at_the_wrong_time(device: Device) -> None:
    built = networks()[DENSE]
    for call in (
        lambda: device.forward(built.inputs),
        lambda: device.set_batch_size(1),
        device.fetch,
        lambda: device.set_learning(True),
    ):
        with pytest.raises(errors.WrongState, match="no program is on the device"):
            call()
    device.program(built.program)
    with pytest.raises(errors.WrongState, match="batch size is not set"):
        device.enqueue(built.inputs[0])
    with pytest.raises(errors.WrongState, match="does not learn"):
        device.set_learning(True)
    with pytest.raises(errors.WrongState, match="learning is off"):
        device.fit(built.inputs)
    with pytest.raises(errors.WrongState, match="learning is off"):
        device.enqueue(built.inputs[0], label=1)
    with pytest.raises(errors.BadInput, match="at least one input"):
        device.set_batch_size(0)


# -- faults of the device --------------------------------------------------------------------------


def test_a_device_that_calls_itself_something_else() -> None:
    for bus in (
        EmulatorBus(AKD1000, identification=0xBCA10306),
        EmulatorBus(AKD1000, "a card"),
        EmulatorBus(AKD1000, identification=0xFFFFFFFF),
    ):
        with pytest.raises(errors.WrongIdentification, match="AKC0806"):
            Device(bus, AKD1000)
    assert Device(EmulatorBus(AKD1000, "a card", identification=0xBC000002), AKD1000).version == AKD1000.version


def test_a_configuration_transfer_that_never_ends(device: Device, bus: EmulatorBus) -> None:
    works(device)
    bus.hold("config")
    with pytest.raises(errors.TimedOut, match="within 5 s"):
        device.program(networks()[DENSE].program)
    assert not device.programmed
    bus.hold()
    works(device)


def test_an_output_that_never_comes(device: Device, bus: EmulatorBus) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    bus.hold("event")
    with pytest.raises(errors.TimedOut, match="no output for 5 s, 0 of 8 had come"):
        device.forward(built.inputs)
    assert not device.programmed
    bus.hold()
    works(device)


@pytest.mark.parametrize("accesses", [0, 1, 10, 40, 100, 115, 130])
def test_a_device_that_vanishes(device: Device, bus: EmulatorBus, accesses: int) -> None:
    built = networks()[DENSE]
    bus.vanish_after = accesses
    with pytest.raises(errors.DeviceGone, match="AKC0804"):
        device.program(built.program)
        device.forward(built.inputs)
    assert not device.programmed
    with pytest.raises(errors.WrongState, match="the device is gone"):
        device.program(built.program)
    device.close()


def test_a_short_read(device: Device, bus: EmulatorBus) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    bus.cut_reads = True
    with pytest.raises(errors.ShortTransfer, match="gave 2 of 4 bytes"):
        device.forward(built.inputs)
    assert not device.programmed
    bus.cut_reads = False
    works(device)


@pytest.mark.parametrize("accesses", range(0, 205, 12))
def test_ctrl_c_leaves_the_device_usable(device: Device, bus: EmulatorBus, accesses: int) -> None:
    built = networks()["image-conv-dense"]
    left = [accesses]

    def interrupt() -> None:
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt

    bus.on_access = interrupt
    with pytest.raises(KeyboardInterrupt):
        device.program(built.program)
        device.forward(built.inputs)
        raise AssertionError("there are fewer accesses")
    bus.on_access = None
    assert not device.programmed
    works(device, "image-conv-dense")


@pytest.mark.parametrize(
    ("header", "events"),
    [
        (2, [40, 1]),
        (2, [3, 1, 0][:2]),
        (1, [3]),
        (1 << 27, []),
    ],
)
def test_an_output_that_cannot_be(device: Device, bus: EmulatorBus, header: int, events: list[int]) -> None:
    built = networks()[DENSE]
    device.program(built.program)
    device.set_batch_size(1)
    device.enqueue(built.inputs[0])
    bus.chip.finish()
    bus.write(device._outputs, header.to_bytes(4, "little"))
    bus.write(device._outputs + 32, b"".join(n.to_bytes(4, "little") for n in events))
    if (header, events) == (2, [3, 1]):
        found = device.fetch()
        assert found is not None and found[0, 0, 3] == 1
        return
    with pytest.raises(errors.BadOutput, match="AKC0808"):
        device.fetch()
    assert not device.programmed
    works(device)


def test_too_little_memory(bus: EmulatorBus) -> None:
    bus.scratch_size = 4000
    device = Device(bus, AKD1000)
    built = networks()[DENSE]
    device.program(built.program)
    with pytest.raises(errors.OutOfMemory, match="AKC0811"):
        device.forward(np.repeat(built.inputs, 2, axis=0))
    assert not device.programmed


# -- programs --------------------------------------------------------------------------------------


def test_a_program_for_another_chip(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    works(device)
    info, data = driver.read_program(networks()[DENSE].program.bytes)
    monkeypatch.setattr(driver, "read_program", lambda raw: (evolve(info, device_version=(0xBC, 0xA1, 3, 6)), data))
    with pytest.raises(errors.WrongProgram, match=r"is for BC\.A1\.03\.06, the device is BC\.00\.00\.02"):
        device.program(b"")
    monkeypatch.setattr(driver, "read_program", lambda raw: (evolve(info, passes=3), data))
    with pytest.raises(errors.WrongProgram, match="has 3 passes"):
        device.program(b"")
    assert device.programmed, "nothing was written"


@pytest.mark.parametrize("name", networks())
def test_damaged_programs_are_named_errors_or_other_numbers(name: str) -> None:
    """Flipped bits and cut ends: a DiagnosticError or a result, nothing else, and the device works afterwards."""
    built = networks()[name]
    raw, device = built.program.bytes, Device(EmulatorBus(AKD1000), AKD1000)
    rng = np.random.default_rng(len(raw))
    codes = set()
    for trial in range(120):
        spoiled = bytearray(raw)
        for _ in range(int(rng.integers(1, 4))):
            spoiled[int(rng.integers(len(raw) if trial % 2 else min(len(raw), 1200)))] ^= 1 << int(rng.integers(8))
        if trial % 20 == 0:
            del spoiled[int(rng.integers(len(raw))) :]
        try:
            device.program(bytes(spoiled))
            device.forward(built.inputs[:2])
        except DiagnosticError as fault:
            codes.add(fault.diagnostics[0].code)
    assert "AKC0610" in codes and len(codes) > 1
    works(device, name)


def test_every_single_cut_is_noticed(device: Device) -> None:
    raw = networks()["dense-levels"].program.bytes
    for length in range(0, len(raw), 7):
        with pytest.raises(DiagnosticError, match="AKC0610"):
            device.program(raw[:length])
    with pytest.raises(DiagnosticError, match="AKC0610"):
        device.program(raw + b"\0")


# -- recording -------------------------------------------------------------------------------------


def test_a_recording_bus_notes_every_access() -> None:
    recording = RecordingBus(EmulatorBus(AKD1000))
    device = Device(recording, AKD1000)
    built: Built = networks()["dense-levels"]
    device.program(built.program)
    device.forward(built.inputs[:1])
    assert recording.lines[0] == "RR fcc00000 00000000"
    assert recording.lines[1:4] == ["RR fcc00004 00000000", "WR fcc00004 00001200", "SL 1"]
    assert f"WR {recording.register_base + EVENT_DMA:08x} 83000500" in recording.lines
    kinds = {line.split()[0] for line in recording.lines}
    assert kinds == {"RR", "WR", "RM", "WM", "SL"}


# -- learning --------------------------------------------------------------------------------------


@pytest.fixture
def learner(device: Device) -> Device:
    """A device with a small learning layer: 3 classes, 2 units each."""
    units, inputs = 6, 20
    random = np.random.default_rng(5)
    chosen = random.random((units, inputs)).argsort(axis=1) < 6
    device.program(learning_program(chosen.astype(np.uint8)))
    return device


def test_learning_on_and_off(learner: Device) -> None:
    levels = (np.random.default_rng(6).random((5, 1, 1, 20)) < 0.5).astype(np.uint8)
    before = learner.forward(levels)
    learner.set_learning(True)
    first = learner.read_learned()
    with pytest.raises(errors.WrongState, match="5 inputs may wait, learning takes one"):
        learner.enqueue(levels[0])
    with pytest.raises(errors.WrongState, match="learning is on"):
        learner.forward(levels)
    np.testing.assert_array_equal(learner.fit(levels[:1], [2]), before[:1])
    learner.fit(levels, [0, 1, 2, 0, 1])
    assert learner.read_learned() != first
    learner.write_learned(first)
    learner.set_learning(False)
    np.testing.assert_array_equal(learner.forward(levels), before)


def test_labels_and_weights_that_do_not_fit(learner: Device) -> None:
    levels = np.ones((2, 1, 1, 20), np.uint8)
    learner.set_learning(True)
    for labels, message in (([0], "2 inputs have 1 labels"), ([0, -1], "lies in 0..1022"), ([0, 1023], "found 1023")):
        with pytest.raises(errors.BadInput, match=message):
            learner.fit(levels, labels)
    learned = learner.read_learned()
    for spoiled, message in ((learned[:-4], "have 128 bytes, found 124"), (b"\0" + learned[1:], "of another layer")):
        with pytest.raises(errors.BadInput, match=message):
            learner.write_learned(spoiled)
    assert learner.programmed
    learner.fit(levels, [0, 1])
