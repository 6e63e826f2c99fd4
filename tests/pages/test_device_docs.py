# SPDX-License-Identifier: Apache-2.0
"""docs/devices.md beyond what test_docs.py runs: commands for a card run on a stand-in, bash reads the rest."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from akc.targets import faults as errors
from akc.targets.akida1.driver import bus_vfio
from akc.targets.akida1.driver.bus_vfio import VfioBus
from tests.cli.runner import akc
from tests.targets.akida1.driver.fake_kernel import Kernel, install, sysfs
from tests.targets.akida1.driver.networks import networks

PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
INLINE = re.findall(r"`(akc [^`]* -i [^`]*--on[^`]*)`", PAGE)


def commands() -> list[str]:
    """Each command of akc for a card, in the order of the page."""
    lines = [line for block in SHELL for line in block.splitlines() if line.startswith("akc ")]
    return [*lines, *INLINE]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with a card behind both ways in, and the files that the page speaks of."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.setattr(VfioBus, "sleep", lambda self, seconds: None)
    install(Kernel(), monkeypatch, tmp_path)
    monkeypatch.setattr(bus_vfio, "open_vfio", partial(bus_vfio.open_vfio, pci=sysfs(tmp_path)))
    built = networks()["learning"]
    built.program.save(place / "net.akd")
    np.save(place / "x.npy", built.inputs)
    np.savez(place / "samples.npz", x=built.inputs, labels=np.arange(len(built.inputs)) % 4)
    assert akc("verify", "--kit", "kit", folder=place).code == 0
    return place


def test_there_are_commands() -> None:
    assert len(commands()) >= 7
    assert {word for line in commands() for word in line.split() if word.startswith(("/dev/", "vfio:"))} == {
        "/dev/akida0",
        "vfio:0000:01:00.0",
    }


@pytest.mark.parametrize("command", commands())
def test_commands_for_a_card(folder: Path, command: str) -> None:
    outcome = akc(*shlex.split(command)[1:], folder=folder)
    assert outcome.code == 0, outcome.stderr


@pytest.mark.parametrize("block", SHELL, ids=range(len(SHELL)))
def test_the_shell_can_read_the_rest(block: str) -> None:
    assert subprocess.run(["bash", "-n", "-c", block]).returncode == 0


def test_the_table_of_faults_has_every_code() -> None:
    """One row for each fault of devices; the emulator's own are in docs/akd1000/runtime.md."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DeviceError)]
    codes = {kind.code for kind in kinds if not issubclass(kind, errors.ChipFault)}
    assert codes <= set(re.findall(r"AKC\d{4}", PAGE))
