# SPDX-License-Identifier: Apache-2.0
"""Devices for the user: the list with its ways out, whole networks on a device, verification, the kit."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

import akc
from akc.base.diagnostics import DiagnosticError
from akc.devices import opening as devices
from akc.devices.kit import make_kit, run_kit
from akc.devices.opening import OpenDevice, list_devices, open_device, run_on
from akc.devices.runner import DeviceRunner, condensed
from akc.devices.verification import verify
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.sim import run
from akc.targets import faults as errors
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver.driver import Device
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.targets.akida1.driver.fake_kernel import Kernel, install
from tests.targets.akida1.driver.networks import networks

TWO_SEQUENCES = """akir 1.0

net @two(%x: f32[6]) -> f32[4] {
  %q = host.quantize(%x, scale=0.5, bits=4) : u4[1, 1, 6]
  sequence @s0 {
    %a = akida.fully_connected(%q, weights=#a.weights, act_bits=4) : u4[1, 1, 5]
    %b = akida.fully_connected(%a, weights=#b.weights, act_bits=4) : u4[1, 1, 5]
  }
  %f = host.dequantize(%b, scale=0.25) : f32[5]
  %h = nn.relu(%f) : f32[5]
  %r = host.quantize(%h, scale=0.5, bits=4) : u4[1, 1, 5]
  sequence @s1 {
    %c = akida.fully_connected(%r, weights=#c.weights, activation=false) : i32[1, 1, 4]
  }
  %y = host.decode(%c) : f32[4]
  return %y
}

weights {
  #a.weights : i4[5, 6] = hex "
    123456
    654321
    f1f1f1
    707070
    0f0f0f"
  #b.weights : i4[5, 5] = hex "
    12345
    54321
    f1f1f
    70707
    0f0f0"
  #c.weights : i4[4, 5] = hex "
    12345
    54321
    f1f1f
    70707"
}
"""


@pytest.fixture(scope="module")
def two() -> akc.Program:
    return akc.build(parse(TWO_SEQUENCES), host="allow")


def samples() -> Any:
    return np.random.default_rng(3).uniform(0, 8, (40, 6)).astype(np.float32)


# -- the list --------------------------------------------------------------------------------------


def card(pci: Path, address: str, product: str = "0xbca1", driver: str = "", group: str = "") -> Path:
    place = pci / address
    place.mkdir(parents=True)
    (place / "vendor").write_text("0x1e7c\n")
    (place / "device").write_text(product + "\n")
    for link, name in (("driver", driver), ("iommu_group", group)):
        if name:
            (pci.parent / name).mkdir(exist_ok=True)
            (place / link).symlink_to(pci.parent / name)
    return place


def test_without_a_card_there_is_the_emulator(tmp_path: Path) -> None:
    assert [row.on for row in list_devices(tmp_path / "pci", tmp_path / "dev")] == ["emulator"]


def test_each_problem_comes_with_a_way_out(tmp_path: Path) -> None:
    pci, dev = tmp_path / "pci", tmp_path / "dev"
    (dev / "vfio").mkdir(parents=True)
    (dev / "akida0").touch()
    (dev / "akida1").touch()
    (dev / "vfio" / "17").touch()
    card(pci, "0000:01:00.0", driver="akida-pcie")
    card(pci, "0000:02:00.0")
    card(pci, "0000:03:00.0", driver="vfio-pci", group="17")
    card(pci, "0000:04:00.0", driver="vfio-pci")
    card(pci, "0000:05:00.0", product="0xa500")
    (pci / "0000:06:00.0").mkdir()
    rows = list_devices(pci, dev)
    assert [row.on for row in rows] == ["emulator", f"{dev}/akida0", "", "vfio:0000:03:00.0", "", "", f"{dev}/akida1"]
    assert rows[1].where == f"0000:01:00.0 [1e7c:bca1] {dev}/akida0"
    problems = [row.problem for row in rows]
    assert problems[2] == "no driver is bound" and problems[4] == "it is in no IOMMU group"
    assert problems[5] == "akc does not drive this chip"
    assert all(bool(row.help) == bool(row.problem) for row in rows)


def test_cards_and_nodes_belong_together(tmp_path: Path) -> None:
    """The module's nodes hang below their cards; a card whose node is not in /dev is told so."""
    pci, dev = tmp_path / "pci", tmp_path / "dev"
    dev.mkdir()
    for name in ("akida0", "akida1"):
        (dev / name).touch()
    for address, name in (("0000:01:00.0", "akida1"), ("0000:02:00.0", "akida0"), ("0000:03:00.0", "akida2")):
        (card(pci, address, driver="akida-pcie") / "misc" / name).mkdir(parents=True)
    rows = list_devices(pci, dev)
    assert [row.on for row in rows] == ["emulator", f"{dev}/akida1", f"{dev}/akida0", ""]
    assert rows[3].problem == "driver akida-pcie made no node"


def test_a_node_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "akida0").touch()
    monkeypatch.setattr(devices.os, "access", lambda *args: False)
    row = list_devices(tmp_path / "pci", tmp_path)[1]
    assert (row.on, row.help.startswith("sudo chmod 666")) == ("", True)


@pytest.mark.parametrize("name", ["akida0", "/no/such/node", "vfio:9999:99:99.9"])
def test_names_that_lead_nowhere(name: str) -> None:
    with pytest.raises(errors.CannotOpen, match="AKC0801"):
        open_device(name)


# -- whole networks --------------------------------------------------------------------------------


def test_predict_gives_what_the_simulator_gives(two: akc.Program) -> None:
    with open_device("emulator") as device:
        device.program(two)
        np.testing.assert_array_equal(device.predict(samples()), two.run(samples()))


def test_two_devices_at_once(two: akc.Program) -> None:
    built = networks()["dense-levels"]
    with open_device() as first, open_device() as second:
        first.program(two)
        second.program(built.program)
        np.testing.assert_array_equal(first.predict(samples()), two.run(samples()))
        np.testing.assert_array_equal(second.predict(built.inputs), built.expected)
        np.testing.assert_array_equal(first.predict(samples()), two.run(samples()))


def test_bytes_of_one_sequence_take_levels() -> None:
    built = networks()["dense-levels"]
    with open_device() as device:
        device.program(built.program.bytes)
        np.testing.assert_array_equal(device.predict(built.inputs), built.expected)


def test_a_path_is_a_program_too(two: akc.Program, tmp_path: Path) -> None:
    two.save(tmp_path / "net.akd")
    for path in (tmp_path / "net.akd", str(tmp_path / "net.akd")):
        with akc.open_device("emulator") as device:
            device.program(path)
            np.testing.assert_array_equal(device.predict(samples()), two.run(samples()))
    with akc.open_device("emulator") as device, pytest.raises(DiagnosticError, match="AKC09"):
        device.program(tmp_path / "missing.akd")


@pytest.mark.parametrize("thing", [parse(TWO_SEQUENCES), None, 5, ["a", "b"]], ids=lambda t: type(t).__name__)
def test_what_is_no_program(thing: Any) -> None:
    with akc.open_device("emulator") as device, pytest.raises(errors.WrongProgram, match="is no program"):
        device.program(thing)


def test_predict_without_a_program(two: akc.Program) -> None:
    with akc.open_device("emulator") as device:
        with pytest.raises(errors.WrongState, match="no program is on the device"):
            device.predict(samples())
        device.program(two)
        with pytest.raises(DiagnosticError, match="AKC0703"):
            device.predict(samples()[:, :5])
        np.testing.assert_array_equal(device.predict(samples()), two.run(samples()))


def test_the_device_is_let_go_of_whatever_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = Kernel()
    install(kernel, monkeypatch, tmp_path)
    for fault in (KeyboardInterrupt, ValueError, SystemExit):
        with pytest.raises(fault), akc.open_device("/dev/akida0"):
            raise fault
        assert not kernel.files
    kernel.card.chip.chip.identification = 0xBCA10306
    with pytest.raises(errors.WrongIdentification):
        akc.open_device("/dev/akida0")
    assert not kernel.files, "also where it was never really open"
    kernel.card.chip.chip.identification = 0
    akc.open_device("/dev/akida0").close()


def test_a_network_works_again_after_a_fault(two: akc.Program) -> None:
    """The device comes back reset; the next predict puts the program on it again."""
    bus = EmulatorBus(AKD1000)
    device = OpenDevice(Device(bus, AKD1000))
    device.program(two)
    bus.cut_reads = True
    with pytest.raises(errors.ShortTransfer):
        device.predict(samples())
    assert not device.programmed
    bus.cut_reads = False
    np.testing.assert_array_equal(device.predict(samples()), two.run(samples()))


def test_another_network_in_between(two: akc.Program) -> None:
    """What is on the chip is known, also when somebody else used it."""
    other = networks()["conv-levels"]
    with open_device() as device:
        device.program(two)
        device.predict(samples())
        assert verify(device, other.program, other.inputs).equal
        np.testing.assert_array_equal(device.predict(samples()), two.run(samples()))


def test_a_sequence_is_programmed_once_a_batch(two: akc.Program) -> None:
    programmed: list[int] = []

    class Counting(Device):
        def _program(self, info: Any, data: Any) -> None:
            programmed.append(1)
            super()._program(info, data)

    device = Counting(EmulatorBus(AKD1000), AKD1000)
    outputs = run_on(device, two, samples())
    np.testing.assert_array_equal(next(iter(outputs.values())), two.run(samples()))
    assert len(programmed) == 2
    one = networks()["dense-levels"]
    runner = DeviceRunner(device, one.program)
    for _ in range(3):
        runner.run(one.inputs)
    assert len(programmed) == 3, "it stays on the chip"


def test_time_steps_are_samples_of_a_sequence() -> None:
    """Sequences run once a step and are not programmed again in between."""
    head, weights = TWO_SEQUENCES.split("weights {")
    timed = re.sub(r"(f32|u4|i32)\[", r"\1[T=3, ", head)
    program = akc.build(parse(timed + "weights {" + weights), host="allow")
    inputs = np.random.default_rng(4).uniform(0, 8, (7, 3, 6)).astype(np.float32)
    with open_device() as device:
        device.program(program)
        np.testing.assert_array_equal(device.predict(inputs), program.run(inputs))
        assert [s.samples for s in verify(device, program, inputs).sequences] == [21, 21]


def test_raw_runs_take_and_give_the_chips_integers() -> None:
    built = networks()["image-conv-dense"]
    with open_device() as device:
        outputs = run_on(device, built.program, built.inputs, raw=True)
    np.testing.assert_array_equal(next(iter(outputs.values())), built.expected)


def test_a_value_from_the_middle_of_a_sequence_is_refused(two: akc.Program) -> None:
    module: Module = two.module
    with pytest.raises(errors.WrongProgram, match="%a is in the middle of sequence @s0"):
        condensed(evolve(module, net=evolve(module.net, outputs=("a",))))


# -- verification ----------------------------------------------------------------------------------


def test_a_device_that_agrees(two: akc.Program) -> None:
    with open_device() as device:
        result = verify(device, two, samples())
    assert result.equal
    result.check()
    assert [(s.sequence, s.samples, s.values) for s in result.sequences] == [("s0", 40, 200), ("s1", 40, 160)]


def test_samples_go_through_in_pieces(two: akc.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """All samples count, and a difference keeps its number in the whole set."""
    monkeypatch.setattr(run, "CHUNK", 16)
    with open_device() as device:
        result = verify(device, two, samples())
    assert [(s.samples, s.values) for s in result.sequences] == [(40, 200), (40, 160)] and result.equal

    class Late(Device):
        forwards = 0

        def forward(self, inputs: Any, batch: int = 16) -> Any:
            Late.forwards += 1
            return (
                super().forward(inputs, batch)
                + (Late.forwards == 5) * (np.arange(len(inputs)) == 3)[:, None, None, None]
            )

    with Late(EmulatorBus(AKD1000), AKD1000) as device:
        result = verify(device, two, samples())
    first, second = result.sequences
    assert first.difference is not None and second.difference is None
    assert (first.difference.sample, first.difference.count, first.difference.total) == (35, 5, 40)
    assert first.samples == second.samples == 40


def test_progress_goes_from_nothing_to_all(two: akc.Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over pieces and sequences, and never back, whoever runs the network."""
    monkeypatch.setattr(run, "CHUNK", 16)
    for work in (lambda d: d.predict(samples()), lambda d: verify(d, two, samples())):
        seen: list[tuple[int, int]] = []
        with open_device("emulator", lambda done, total, seen=seen: seen.append((done, total))) as device:  # type: ignore[misc]
            device.program(two)
            seen.clear()
            work(device)
        fractions = [done / total for done, total in seen]
        assert fractions == sorted(fractions) and fractions[-1] == 1 and len(set(fractions)) >= 6


class Flaky(EmulatorBus):
    """A chip whose memory at one NP loses a bit: weights of the unit at `place` are read wrong."""

    place = (0, 0, 0)

    def write32(self, address: int, value: int) -> None:
        super().write32(address, value)
        processor = self.chip.fabric.processors.get(self.place)
        blocks = [] if processor is None else processor.memories.get(6, [])
        if blocks and not blocks[0].words.flags.writeable:
            return
        if blocks:
            blocks[0].words[4:] ^= 1
            blocks[0].words.flags.writeable = False
            self.chip.fabric.changes += 1


def test_the_first_layer_that_differs_is_named(two: akc.Program) -> None:
    places = [(op.at[0].column, op.at[0].row, op.at[0].id) for op in two.module.net.sequences[0].ops]  # type: ignore[attr-defined]
    for place, layer in zip(places, ("a", "b"), strict=True):
        bus = Flaky(AKD1000)
        bus.place = place
        result = verify(OpenDevice(Device(bus, AKD1000)), two, samples())
        difference = result.sequences[0].difference
        assert difference is not None and difference.layer == layer
        assert difference.place[2] < 5 and difference.found != difference.expected
        with pytest.raises(
            DiagnosticError, match=rf"AKC0812.*@s0: %{layer} differs in \d+ of \d+ values, first in sample"
        ):
            result.check()


# -- the kit ---------------------------------------------------------------------------------------


def test_a_kit_that_is_written_and_run(tmp_path: Path) -> None:
    built = networks()
    chosen = ("dense-levels", "image-alone", "learning")
    assert make_kit(tmp_path, {n: (built[n].program, built[n].inputs) for n in chosen}) == list(chosen)
    assert "akc verify --kit . --on /dev/akida0" in (tmp_path / "README.md").read_text()
    results = run_kit(tmp_path, "emulator")
    assert all(r.equal and not r.fault for r in results)
    report = json.loads((tmp_path / "answers" / "report.json").read_text())
    assert [n["equal"] for n in report["networks"]] == [True, True, True]
    assert all(n["cycles"] > 0 for n in report["networks"])
    assert report["devices"][0]["on"] == "emulator"
    log = gzip.decompress((tmp_path / "answers" / "accesses.txt.gz").read_bytes()).decode().splitlines()
    learned = akc.load(tmp_path / "answers" / "learning-learned.akd")
    assert (learned.module.array("layer1.weights") != built["learning"].program.module.array("layer1.weights")).any()
    assert "# dense-levels" in log and sum(line.startswith("RR") for line in log) > 100


def test_a_kit_tells_what_differs_and_what_fails(tmp_path: Path) -> None:
    built = networks()
    make_kit(tmp_path, {n: (built[n].program, built[n].inputs) for n in ("conv-levels", "dense-levels")})
    place = tmp_path / "networks" / "dense-levels"
    np.save(place / "expected.npy", built["dense-levels"].expected + 1)
    np.save(tmp_path / "networks" / "conv-levels" / "inputs.npy", built["conv-levels"].inputs[..., :1])
    conv, dense = run_kit(tmp_path, "emulator")
    assert not conv.equal and "AKC0809" in conv.fault
    assert (dense.equal, dense.differing) == (False, dense.values)


def test_a_folder_without_a_kit(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="holds no kit"):
        run_kit(tmp_path, "emulator")
