# SPDX-License-Identifier: Apache-2.0
"""Help that expects people: examples, what was meant, --quiet, --json, a sign of life, akc doctor."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.cli import doctor, session
from akc.cli.group import EXAMPLES
from akc.cli.main import cli
from akc.devices.opening import DeviceRow
from tests.cli.processes import make_folder
from tests.cli.runner import akc


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = make_folder(tmp_path_factory.mktemp("help"))
    assert akc("opt", "net.akir", "-p", "place", "--dump-dir", "road", "-o", "placed.akir", folder=here).code == 0
    return here


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_help_ends_with_examples_that_are_read(verb: str) -> None:
    assert set(EXAMPLES) <= set(cli.commands)
    outcome = akc(verb, "--help")
    assert outcome.code == 0 and "--quiet" in outcome.stdout
    assert any(shlex.split(line)[1] == verb for line in EXAMPLES[verb])
    for line in EXAMPLES[verb]:
        assert f"  {line}\n" in outcome.stdout
        name, *words = shlex.split(line)[1:]
        cli.commands[name].make_context(name, words)  # raises UsageError for what is no option


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("lower m.onnx --calibrat x.npy", "--calibrate"),
        ("check net.akri", "net.akir"),
        ("run net.adk -i x.npy", "net.akd"),
        ("run net.akd -i y.npy", "x.npy"),
        ("explain AKC902", "AKC0902"),
        ("passes lower", "lower-int4"),
        ("lowr m.onnx", "lower"),
        ("bnech net.akd -i x.npy", "bench"),
        ("run net.akd --inptu x.npy", "--input"),
        ("report net.akd --jsn", "--json"),
        ("compare net.akir flaot.akir -i x.npy", "float.akir"),
        ("lower float.akir --calibrate labeled.npz", "labelled.npz"),
        ("report net.akd -i x.npy --against float.aki", "float.akir"),
        ("report net.akd --road raod", "road"),
        ("diff net.akd net.adk", "net.akd"),
        ("disasm net.akdd", "net.akd"),
        ("run road/00-inptu.akir -i x.npy", "road/00-input.akir"),
        ("opt net.akir -p palce", "place"),
        ("build net.akir --target akd100", "akd1000"),
        ("build net.akir --host alow", "allow"),
        ("build net.akir --place compct", "compact"),
        ("run net.akd -i x.npy --on emulatr", "emulator"),
    ],
)
def test_what_was_meant(command: str, meant: str, folder: Path) -> None:
    outcome = akc(*command.split(), folder=folder)
    assert outcome.code in (1, 2) and meant in outcome.stderr and "did you mean" in outcome.stderr.lower()


def test_a_verb_that_was_meant() -> None:
    outcome = akc("lowr", "m.onnx")
    assert outcome.code == 2 and "lower" in outcome.stderr


def test_quiet_leaves_warnings_and_faults(folder: Path) -> None:
    loud, quiet = (akc("check", *words, "net.akir", folder=folder) for words in ((), ("--quiet",)))
    assert "operations" in loud.stderr and quiet.stderr == ""
    warned = akc("lower", "-q", "float.akir", "-o", "q.akir", folder=folder)
    assert "warning[AKC0411]" in warned.stderr
    failed = akc("check", "-q", "gone.akir", folder=folder)
    assert failed.code == 1 and "AKC0901" in failed.stderr
    assert "operations" in akc("check", "net.akir", folder=folder).stderr


@pytest.mark.parametrize(
    "command", ["passes", "passes lower-int4", "explain", "explain AKC0203", "devices", "doctor", "report net.akd"]
)
def test_tables_as_json(command: str, folder: Path) -> None:
    outcome = akc(*command.split(), "--json", folder=folder)
    assert outcome.code == 0 and json.loads(outcome.stdout)


def test_checking_a_text_loads_no_compiler() -> None:
    text = "akir 1.0\n\nnet @n(%x: f32[4]) -> f32[4] {\n  return %x\n}\n"
    heavy = ("akc.passes", "akc.frontends", "akc.compiler.compiler", "rich", "torch", "onnx")
    code = "import sys; from akc.cli.main import main; sys.argv = ['akc', 'check', '-']\n"
    code += f"print(main(), [m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "0 []"


# -- a sign of life --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """stderr that is one."""

    def isatty(self) -> bool:
        return True


def test_a_long_run_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(session, "PATIENCE", 0.0)
    with session.waiting("akc lower"):
        while "akc lower: " not in terminal.getvalue():
            pass
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_a_short_run_and_one_that_nobody_watches_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        with session.waiting("akc lower"):
            pass
        assert stream.getvalue() == ""


# -- akc doctor ------------------------------------------------------------------------------------


def _findings(**named: Any) -> list[doctor.Finding]:
    return [*doctor._python(), *doctor._packages(), *doctor._devices(), *doctor._space()]


def test_this_machine_is_fine() -> None:
    outcome = akc("doctor", "--json")
    assert outcome.code == 0
    rows = json.loads(outcome.stdout)
    assert {row["area"] for row in rows} == {"python", "package", "device", "folder"}
    assert all(row["state"] == "ok" for row in rows if row["what"].startswith(("numpy", "version")))


def _without(package: str) -> Callable[[str], str]:
    real = metadata.version

    def version(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    return version


def test_an_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", _without("torch"))
    outcome = akc("doctor", "--json")
    assert outcome.code == 0
    (row,) = [row for row in json.loads(outcome.stdout) if row["what"].startswith("torch ")]
    assert row["state"] == doctor.LACKING and row["help"].startswith("pip install 'akc[")


def test_what_akc_cannot_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == "numpy" else "99.0.0")
    outcome = akc("doctor")
    assert outcome.code == 1 and "AKC0919]" in outcome.stderr and "pip install 'numpy>=" in outcome.stderr


@pytest.mark.parametrize(
    ("version", "limits", "fits"),
    [
        ("2.13.0+cpu", ">=2.5", True),
        ("2.4.9", ">=2.5", False),
        ("2.19.3", "==2.19.3", True),
        ("2.19", "==2.19.3", False),
        ("1.0", "", True),
        ("1.16", ">=1.16,>=1.2", True),
    ],
)
def test_versions(version: str, limits: str, fits: bool) -> None:
    assert doctor._fits(version, limits) is fits


def test_a_card_that_is_not_ready_and_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    card = DeviceRow(on="", what="AKD1000", problem="no driver is bound", help="load the module")
    monkeypatch.setattr(doctor, "list_devices", lambda: [card])
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5 << 20))
    findings = _findings()
    (device,) = [one for one in findings if one.area == "device"]
    assert (device.state, device.found, device.help) == (doctor.LACKING, "no driver is bound", "load the module")
    assert {one.state for one in findings if one.area == "folder"} == {doctor.BROKEN}
    with pytest.raises(DiagnosticError, match="AKC0919"):
        doctor.doctor(as_json=True)


def test_usage_faults_are_clicks(folder: Path) -> None:
    with pytest.raises(click.UsageError):
        cli.commands["doctor"].make_context("doctor", ["--jsn"])
