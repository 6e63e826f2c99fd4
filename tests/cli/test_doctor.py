# SPDX-License-Identifier: Apache-2.0
"""`akc doctor` on a machine that has the core alone, on one with a card, and on one that lacks an extra."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from akc.cli import doctor
from akc.devices.opening import list_devices
from tests.cli.runner import akc
from tests.devices.test_devices import card

ROOT = Path(__file__).parents[2]


def _core() -> set[str]:
    """The distributions that akc needs without any extra, and what those need."""
    found: set[str] = set()
    wanted = ["akc"]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system
        found.add(name)
        wanted += [re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line]
    return found


def _install(name: str, site: Path) -> None:
    """A distribution of this environment, by links."""
    for file in metadata.files(name) or ():
        top = file.parts[0]
        if top not in ("..", "__pycache__", "__editable___akc_finder.py") and not (site / top).exists():
            (site / top).symlink_to(Path(str(metadata.distribution(name).locate_file(top))))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder of packages that holds akc and what it needs, and nothing else."""
    site = tmp_path / "site"
    (site / "akc").mkdir(parents=True)
    for path in (ROOT / "akc").iterdir():
        (site / "akc" / path.name).symlink_to(path)
    for folder in ("passes", "targets", "grammar"):
        (site / "akc" / folder).symlink_to(ROOT / folder)
    for name in _core():
        _install(name, site)
    return site


def _run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """akc in a Python that sees this folder of packages only."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "COLUMNS": "200"}
    command = [sys.executable, "-S", "-m", "akc", *words]
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)


def test_a_bare_machine_is_fine_and_is_told_what_extras_need(bare: Path) -> None:
    outcome = _run(bare, "doctor", "--json")
    assert outcome.returncode == 0, outcome.stderr
    rows = json.loads(outcome.stdout)
    packages = {row["what"].split(" ")[0]: row for row in rows if row["area"] == "package"}
    assert packages["numpy"]["state"] == packages["jinja2"]["state"] == "ok"
    for name in ("torch", "onnx", "snntorch", "nir"):
        assert packages[name]["state"] == "not there" and packages[name]["help"].startswith("pip install 'akc[")
    assert not [row for row in rows if row["state"] == "in the way"]


def test_a_bare_machine_reports_and_refuses_what_it_cannot_read(bare: Path) -> None:
    """What the table promises is so: reports are made, and an ONNX file is refused with the extra that it takes."""
    text = "akir 1.0\n\nnet @n(%x: u4[1, 1, 4]) -> u4[1, 1, 2] {\n  sequence @s0 {\n"
    text += "    %y = akida.fully_connected(%x, weights=#w, act_bits=4) : u4[1, 1, 2]\n  }\n  return %y\n}\n"
    text += '\nweights {\n  #w : i4[2, 4] = splat "1"\n}\n'
    (bare.parent / "net.akir").write_text(text)
    outcome = _run(bare, "report", "net.akir", "--html", "r.html")
    assert outcome.returncode == 0, outcome.stderr
    assert "</html>" in (bare.parent / "r.html").read_text()
    (bare.parent / "m.onnx").write_bytes(b"\x08\x08")
    refused = _run(bare, "lower", "m.onnx")
    assert refused.returncode == 1 and 'pip install "akc[onnx]"' in refused.stderr


def _doctor(pci: Path, dev: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(doctor, "list_devices", partial(list_devices, pci, dev))
    outcome = akc("doctor", "--json")
    assert outcome.code == 0, outcome.stderr
    return {row["found"] if row["state"] == "ok" else row["what"]: row for row in json.loads(outcome.stdout)
            if row["area"] == "device"}  # fmt: skip


def test_a_card_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pci, dev = tmp_path / "pci", tmp_path / "dev"
    dev.mkdir()
    (dev / "akida0").touch()
    card(pci, "0000:01:00.0", driver="akida-pcie")
    rows = _doctor(pci, dev, monkeypatch)
    assert set(rows) == {"emulator", f"{dev}/akida0"} and rows[f"{dev}/akida0"]["what"] == "AKD1000"


def test_a_card_without_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card(tmp_path / "pci", "0000:01:00.0")
    (tmp_path / "dev").mkdir()
    row = _doctor(tmp_path / "pci", tmp_path / "dev", monkeypatch)["AKD1000"]
    assert row["state"] == "not there" and row["found"] == "no driver is bound" and "kernel module" in row["help"]


def test_a_node_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dev = tmp_path / "dev"
    dev.mkdir()
    (dev / "akida0").touch()
    card(tmp_path / "pci", "0000:01:00.0", driver="akida-pcie")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "akida0" not in str(path) and real(path, mode))
    row = _doctor(tmp_path / "pci", dev, monkeypatch)["AKD1000"]
    assert row["state"] == "not there" and row["help"].startswith("sudo chmod 666")


def test_an_extra_of_the_wrong_version_and_one_that_is_missing(bare: Path) -> None:
    """Onnx is put there in a version that is too old; nothing else of the extras is."""
    folder = bare / "onnx-1.2.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnx\nVersion: 1.2.0\n")
    outcome = _run(bare, "doctor", "--json")
    rows = {row["what"].split(" ")[0]: row for row in json.loads(outcome.stdout)}
    assert rows["onnx"]["found"] == "1.2.0" and rows["onnx"]["help"] == "pip install 'onnx>=1.16'"
    assert rows["torch"]["found"] == "none"
    table = _run(bare, "doctor")
    assert table.returncode == 0 and "pip install 'akc[" in table.stdout
