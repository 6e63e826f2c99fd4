# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command line that drive devices, as a user sees them: output, messages, exit codes."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akc import build, parse
from akc.cli import device_verbs
from akc.devices import opening as devices
from akc.devices.opening import DeviceRow
from akc.sim.run import Runner
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.driver import opening
from akc.targets.akida1.driver.chip_registers import INTERRUPT_ENABLE
from akc.targets.akida1.emulator.bus import EmulatorBus
from tests.cli.runner import akc
from tests.devices.test_devices import TWO_SEQUENCES
from tests.targets.akida1.driver.networks import networks

NETWORK = "image-conv-dense"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    built = networks()[NETWORK]
    built.program.save(tmp_path / "net.akd")
    np.save(tmp_path / "x.npy", built.inputs)
    return tmp_path


def test_devices_are_listed_with_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        devices.EMULATOR,
        DeviceRow(
            on="",
            what="AKD1000",
            where="0000:01:00.0 [1e7c:bca1]",
            problem="no driver is bound",
            help="load the module",
        ),
    ]
    monkeypatch.setattr(device_verbs, "list_devices", lambda: rows)
    outcome = akc("devices")
    assert outcome.code == 0
    text = " ".join(outcome.stdout.split())
    for word in ("emulator", "0000:01:00.0", "[1e7c:bca1]", "no driver", "load the"):
        assert word in text


@pytest.mark.parametrize("batch", ["1", "3", "16"])
def test_running(folder: Path, batch: str) -> None:
    command = ("run", "net.akd", "-i", "x.npy", "--on", "emulator", "--raw", "--batch", batch, "--clock", "-o", "y.npy")
    outcome = akc(*command, folder=folder)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == "" and "clock cycles counted for the last batch: " in outcome.stderr
    np.testing.assert_array_equal(np.load(folder / "y.npy"), networks()[NETWORK].expected)


@pytest.mark.parametrize("batch", ["0", "17"])
def test_a_batch_that_no_device_takes(folder: Path, batch: str) -> None:
    assert akc("run", "net.akd", "-i", "x.npy", "--on", "emulator", "--batch", batch, folder=folder).code == 2


@pytest.mark.parametrize("on", ["emulator", "simulator"])
def test_measuring(folder: Path, on: str) -> None:
    outcome = akc("bench", "net.akd", "-i", "x.npy", "--on", on, "--repeat", "2", folder=folder)
    assert outcome.code == 0
    assert outcome.stdout.startswith(f"{on}: 8 samples in ") and "(median of 2)" in outcome.stdout


def test_verification_that_agrees(folder: Path) -> None:
    outcome = akc("verify", "net.akd", "-i", "x.npy", "--on", "emulator", folder=folder)
    assert (outcome.code, outcome.stdout) == (0, "@s0: 8 samples, 80 values, all equal on emulator\n")


class Flipped(EmulatorBus):
    """A chip with bits of one processor's filters inverted, whenever a program uses it."""

    place = (0, 0, 0)

    def write32(self, address: int, value: int) -> None:
        super().write32(address, value)
        processor = self.chip.fabric.processors.get(self.place)
        if address == self.register_base + INTERRUPT_ENABLE and processor is not None:
            processor.memories[0][0].words[:] ^= 0x11111111
            self.chip.fabric.changes += 1


def test_verification_names_the_first_layer_and_neuron(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight of the second of three layers is wrong: its own first wrong value is named, not the network's output."""
    op = networks()[NETWORK].program.module.net.sequences[0].ops[1]
    place = op.at[0]  # type: ignore[attr-defined]
    Flipped.place = (place.column, place.row, place.id)
    monkeypatch.setattr(opening, "open_bus", lambda name: Flipped(AKD1000))
    outcome = akc("verify", "net.akd", "-i", "x.npy", "--on", "/dev/akida0", folder=folder)
    assert outcome.code == 1 and outcome.stdout == ""
    start = "error[AKC0812]: @s0: %layer1 differs in "
    assert outcome.stderr.startswith(start), outcome.stderr
    found = re.match(
        r"(\d+) of 9216 values, first in sample (\d) at \[(\d+), (\d+), (\d)\]: device (\d+), simulator (\d+)\n"
        r"  = help: that neuron is on (.*)\n",
        outcome.stderr.removeprefix(start),
    )
    assert found is not None, outcome.stderr
    *numbers, processor = found.groups()
    count, sample, d0, d1, channel, device, simulator = map(int, numbers)
    assert 0 < count <= 9216 // 8 and channel == 0 and processor == str(place)
    inputs = networks()[NETWORK].inputs
    values = Runner(networks()[NETWORK].program.module).run(inputs, keep=True)["layer1"]
    assert values[sample, d0, d1, channel] == simulator != device


def test_a_file_of_several_sequences_with_host_operations_between(tmp_path: Path) -> None:
    program = build(parse(TWO_SEQUENCES), host="allow")
    program.save(tmp_path / "two.akd")
    x = np.random.default_rng(3).uniform(0, 8, (1200, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    outcome = akc("run", "two.akd", "-i", "x.npy", "--on", "emulator", "-o", "y.npy", folder=tmp_path)
    assert outcome.code == 0, outcome.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), program.run(x))
    outcome = akc("verify", "two.akd", "-i", "x.npy", "--on", "emulator", folder=tmp_path)
    assert outcome.stdout.splitlines() == [
        "@s0: 1200 samples, 6000 values, all equal on emulator",
        "@s1: 1200 samples, 4800 values, all equal on emulator",
    ]
    outcome = akc("bench", "two.akd", "-i", "x.npy", "--on", "emulator", "--repeat", "1", folder=tmp_path)
    assert outcome.stdout.startswith("emulator: 1200 samples in ")


FAULTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no such device": (("run", "net.akd", "-i", "x.npy", "--on", "akida0"), "AKC0801", "emulator, /dev/akidaN"),
    "no node": (("run", "net.akd", "-i", "x.npy", "--on", "/dev/akida77"), "AKC0801", "akc devices"),
    "no card": (("verify", "net.akd", "-i", "x.npy", "--on", "vfio:0000:99:00.0"), "AKC0801", "akc devices"),
    "not built": (("run", "net.akir", "-i", "x.npy", "--on", "emulator"), "AKC0908", "akc build net.akir"),
    "no kit": (("verify", "--kit", ".", "--on", "emulator"), "AKC0901", "akc verify --kit"),
    "nothing learns": (("learn", "net.akd", "-i", "x.npy", "-o", "z.akd"), "AKC0810", "akida_unsupervised"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_faults_have_codes_and_ways_out(folder: Path, what: str) -> None:
    command, code, help = FAULTS[what]
    outcome = akc(*command, folder=folder)
    assert outcome.code == 1 and outcome.stdout == ""
    assert f"error[{code}]" in outcome.stderr and help in outcome.stderr


def test_verify_without_anything(folder: Path) -> None:
    outcome = akc("verify", folder=folder)
    assert outcome.code == 2 and "--kit DIR" in outcome.stderr


ONLY_WHAT_AKC_NEEDS = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "onnxruntime", "akida", "pytest", "scipy", "h5py", "tests"):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Refuse())
"""


def test_a_kit_on_another_machine(tmp_path: Path) -> None:
    """Written, packed, unpacked elsewhere, run by the README's own command where nothing but akc is installed."""
    assert akc("verify", "--kit", "kit", folder=tmp_path).code == 0
    with tarfile.open(tmp_path / "kit.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "kit", "kit")
    there = tmp_path / "there"
    with tarfile.open(tmp_path / "kit.tar.gz") as archive:
        archive.extractall(there, filter="data")
    (there / "sitecustomize.py").write_text(ONLY_WHAT_AKC_NEEDS)
    readme = (there / "kit" / "README.md").read_text()
    (command,) = [line.strip() for line in readme.splitlines() if line.startswith("    akc ")]
    words = command.replace("/dev/akida0", "emulator").split()[1:]
    result = subprocess.run(
        [sys.executable, "-m", "akc", *words],
        cwd=there / "kit",
        env={**os.environ, "PYTHONPATH": str(there)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert all(": equal, " in line for line in result.stdout.splitlines())
    answers = there / "kit" / "answers"
    report: dict[str, Any] = json.loads((answers / "report.json").read_text())
    names = [row["network"] for row in report["networks"]]
    assert names == sorted(names) and set(names) == set(networks())
    log = gzip.decompress((answers / "accesses.txt.gz").read_bytes()).decode().splitlines()
    assert [line[2:] for line in log if line.startswith("# ")] == names
    assert log[0] == "RR fcc00000 00000000", "the identification comes first"
    reads = [line.split() for line in log if line.startswith("RR ")]
    assert len(reads) > 1000 and all(len(words) == 3 for words in reads)
