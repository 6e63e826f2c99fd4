# SPDX-License-Identifier: Apache-2.0
"""The command line in processes of its own on a stand-in for /dev/akida0: Ctrl-C, two users, kills, a silent device."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import akc
from akc.devices.kit import PLANS, Plan, draw_module

ROOT = Path(__file__).parents[2]

STAND_IN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
import pytest
from akc.cli.entry import stop
from akc.cli.main import cli
from akc.cli.session import guarded
from akc.targets.akida1.driver import controller, driver
from tests.targets.akida1.driver.fake_kernel import Kernel, install

signal.signal(signal.SIGINT, stop)  # as the command does where it starts
kernel = Kernel()
patch = pytest.MonkeyPatch()
install(kernel, patch, Path(os.environ["TMPDIR"]))

def akc(*words):
    code = guarded(lambda: cli.main(list(words), prog_name="akc"))
    state = len(kernel.files), len(kernel.card.chip.chip.fabric.processors)
    print("exit", code, "open files", state[0], "programmed", state[1], file=sys.stderr, flush=True)
    return code
"""
"""A process with a fake kernel below the buses; a script goes on from here."""

RUN = """
told = []
def tell():
    if kernel.card.accesses > 2000 and not told:
        told.append(1)
        print("working", flush=True)
kernel.card.chip.on_access = tell
first = akc({verb}, "net.akd", "-i", "many.npy", "--on", "/dev/akida0", *{more})
kernel.card.chip.on_access = None
second = akc("verify", "net.akd", "-i", "few.npy", "--on", "/dev/akida0")
sys.exit(10 * first + second)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network and inputs, a few and many."""
    place = tmp_path_factory.mktemp("networks")
    plan: Plan = PLANS["image-conv-dense"]
    program = akc.build(draw_module("net", plan, np.random.default_rng(0)))
    program.save(place / "net.akd")
    many = np.random.default_rng(1).integers(0, 256, (6_000, *plan.shape)).astype(np.uint8)
    np.save(place / "many.npy", many)
    np.save(place / "few.npy", many[:5])
    return place


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Lock files of each test in a folder of their own; no threads, as everywhere in the tests."""
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


def start(script: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STAND_IN.format(root=str(ROOT)) + script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def holder(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a long run on /dev/akida0."""
    process = start(RUN.format(verb="'run'", more="['-o', 'y.npy', '--raw']"), folder, environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("verb", "more"), [("run", ["--raw", "-o", "y.npy"]), ("verify", []), ("bench", ["--repeat", "50"])]
)
def test_ctrl_c_in_the_middle(folder: Path, environment: dict[str, str], verb: str, more: list[str]) -> None:
    """Exit code 130; the node is closed, and the same device works at once for the next command.

    The chip is reset if it was working; between two batches, while the host computes, it keeps its program.
    """
    process = start(RUN.format(verb=repr(verb), more=repr(more)), folder, environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert re.search(r"interrupted\nexit 130 open files 0 programmed (0|9)\n", err), err
    assert "5 samples, 50 values, all equal on /dev/akida0" in out
    assert process.returncode == (10 * 130) % 256
    assert not (folder / "y.npy").exists()


def akc_devices(*words: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "akc", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def test_two_processes_on_one_device(holder: subprocess.Popen[str], folder: Path, environment: dict[str, str]) -> None:
    second = akc_devices(
        "run", "net.akd", "-i", "few.npy", "--raw", "--on", "/dev/akida0", folder=folder, environment=environment
    )
    assert second.returncode == 1
    assert f"error[AKC0802]: /dev/akida0 is in use by process {holder.pid}" in second.stderr
    other = akc_devices("verify", "net.akd", "-i", "few.npy", folder=folder, environment=environment)
    assert other.returncode == 0, "the emulator has no lock: " + other.stderr
    assert holder.poll() is None, "the first one goes on"


def test_a_process_that_is_killed_leaves_no_lock(
    holder: subprocess.Popen[str], folder: Path, environment: dict[str, str]
) -> None:
    holder.kill()
    holder.wait()
    script = 'sys.exit(akc("verify", "net.akd", "-i", "few.npy", "--on", "/dev/akida0"))'
    process = start(script, folder, environment)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "all equal on /dev/akida0" in out


@pytest.mark.parametrize(
    ("controller", "message"),
    [
        ("config", "the configuration DMA did not finish a transfer within 0.3 s"),
        ("hrc", "no output for 0.3 s, 0 of 5 had come"),
    ],
)
def test_a_device_that_never_answers(folder: Path, environment: dict[str, str], controller: str, message: str) -> None:
    """Real time this time, but less of it: a named fault, and the device works again once it answers."""
    script = f"""
controller.CONFIGURE_SECONDS = driver.OUTPUT_SECONDS = 0.3
kernel.card.chip.hold("{controller}")
first = akc("run", "net.akd", "-i", "few.npy", "--raw", "--on", "/dev/akida0")
kernel.card.chip.hold()
sys.exit(10 * first + akc("verify", "net.akd", "-i", "few.npy", "--on", "/dev/akida0"))
"""
    process = start(script, folder, environment)
    out, err = process.communicate(timeout=240)
    assert f"error[AKC0803]: {message}" in err, err
    assert "exit 1 open files 0 programmed 0" in err
    assert process.returncode == 10 and "all equal" in out
