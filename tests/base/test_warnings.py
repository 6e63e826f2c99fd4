# SPDX-License-Identifier: Apache-2.0
"""Warnings and refusals of the command line that need no bad text: one test a code, its message kept."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc as api
from akc.compiler.program import from_bytes
from tests.cli import models
from tests.cli.runner import akc
from tests.ir.test_text import SMALL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a text, `net.akir`."""
    (tmp_path / "net.akir").write_text(SMALL)
    return tmp_path


def test_steps_that_are_cut(folder: Path, text_snapshot: SnapshotAssertion) -> None:
    (folder / "net.akir").write_text(SMALL.replace('"17.25"', '"17.3"'))
    outcome = akc("check", "net.akir", folder=folder)
    assert outcome.code == 0 and "AKC0205" in outcome.stderr
    assert outcome.stderr == text_snapshot


def test_weight_that_is_not_used(folder: Path, text_snapshot: SnapshotAssertion) -> None:
    text = SMALL.replace("// the end\n", "").rstrip()[:-1] + '  #old : i32[2] = dec "1 2"\n}\n'
    (folder / "net.akir").write_text(text)
    outcome = akc("fmt", "net.akir", folder=folder)
    assert outcome.code == 0 and "AKC0206" in outcome.stderr
    assert "#old" in (folder / "net.akir").read_text()
    assert outcome.stderr == text_snapshot


def test_pipeline_that_is_none(folder: Path, text_snapshot: SnapshotAssertion) -> None:
    outcome = akc("opt", "net.akir", "-p", "place,,place", folder=folder)
    assert outcome.code == 1 and "AKC0401" in outcome.stderr
    assert outcome.stderr == text_snapshot


def _rewritten(path: Path, change: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | change
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_container_of_a_later_format(folder: Path) -> None:
    assert akc("build", "net.akir", folder=folder).code == 0
    with zipfile.ZipFile(folder / "net.akd") as archive:
        meta = json.loads(archive.read("meta.json"))
    _rewritten(folder / "net.akd", {"meta.json": json.dumps({**meta, "format": 9}).encode()})
    outcome = akc("report", "net.akd", folder=folder)
    assert outcome.code == 1 and "AKC0602" in outcome.stderr and "format 9" in outcome.stderr


def test_container_that_was_changed_by_hand(folder: Path) -> None:
    assert akc("build", "net.akir", folder=folder).code == 0
    _rewritten(folder / "net.akd", {"net.akir": b"akir 1.0\n"})
    outcome = akc("report", "net.akd", folder=folder)
    assert outcome.code == 1 and "AKC0603" in outcome.stderr and "net.akir" in outcome.stderr


def test_bare_program_of_several_sequences() -> None:
    text = SMALL.replace("    %p = akida", "  }\n  sequence @s1 {\n    %p = akida")
    program = api.build(text)
    assert len(program.sequences) == 2
    with pytest.raises(api.DiagnosticError, match=r"AKC0604.*2 hardware sequences"):
        _ = program.bytes
    assert from_bytes(program.to_bytes()) == program


def test_bytes_where_text_is_needed(folder: Path) -> None:
    (folder / "bad.akir").write_bytes(b"akir \xff\xfe")
    outcome = akc("check", "bad.akir", folder=folder)
    assert outcome.code == 1 and "AKC0902" in outcome.stderr and "0xff" in outcome.stderr


def test_text_that_is_not_canonical(folder: Path) -> None:
    (folder / "net.akir").write_text(SMALL.replace("\n  return", "\n\n  return"))
    outcome = akc("fmt", "--check", "net.akir", folder=folder)
    assert outcome.code == 1 and "AKC0906" in outcome.stderr
    assert akc("fmt", "net.akir", folder=folder).code == 0
    assert (folder / "net.akir").read_text() == SMALL


def test_device_that_is_given_a_text(folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros((2, 4), np.float32))
    outcome = akc("run", "net.akir", "-i", "x.npy", "--on", "emulator", folder=folder)
    assert outcome.code == 1 and "AKC0908" in outcome.stderr and "akc build net.akir" in outcome.stderr


def test_ranges_that_are_assumed(tmp_path: Path, text_snapshot: SnapshotAssertion) -> None:
    models.dense(tmp_path / "m.onnx")
    outcome = akc("lower", "m.onnx", "--check=off", folder=tmp_path)
    assert outcome.code == 0 and "AKC0411" in outcome.stderr
    assert outcome.stderr == text_snapshot


SPIKING = """\
akir 1.0

net @spiking(%x: f32[4]) -> f32[2] {
  %t = host.repeat(%x, steps=15) : f32[T=15, 4]
  %h = nn.dense(%t, weight=#fc1.weight) : f32[T=15, 3] from "fc1"
  %s = snn.leaky(%h, beta=0.9) : f32[T=15, 3] from "lif1"
  %o = nn.dense(%s, weight=#fc2.weight) : f32[T=15, 2] from "fc2"
  %y = host.mean(%o) : f32[2]
  return %y
}

weights {
  #fc1.weight : f32[3, 4] = dec "0.1 0.2 0.3 0.4 -0.1 0.2 -0.3 0.4 0.5 0.1 0.2 0.3"
  #fc2.weight : f32[2, 3] = dec "0.1 -0.2 0.3 0.3 0.2 -0.1"
}
"""


def test_way_of_a_spiking_network_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.akir").write_text(SPIKING)
    chosen = akc("lower", "net.akir", folder=tmp_path)
    assert chosen.code == 0 and "AKC0910" in chosen.stderr and "akc takes rate" in chosen.stderr
    asked = akc("lower", "net.akir", "--spikes", "rate", folder=tmp_path)
    assert asked.code == 0 and "AKC0910" not in asked.stderr
    assert asked.stdout == chosen.stdout
