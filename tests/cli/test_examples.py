# SPDX-License-Identifier: Apache-2.0
"""Every example below a `--help` is run as it stands, in a folder with the files that it names."""

from __future__ import annotations

import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import akc as api
from akc.cli.group import EXAMPLES
from examples import first_steps
from tests.cli.processes import make_folder
from tests.cli.runner import akc
from tests.frontends.spiking.test_command_line import write_nir
from tests.targets.akida1.driver.fake_kernel import Kernel, install

COMMANDS = [line for lines in EXAMPLES.values() for line in lines]
OWN = {
    "akc lower net.nir --steps 100 --readout count -o net.akir",
    "akc run net.akd --stream --bin 1000 -i events.csv",
    "akc learn net.akd -i labelled.npz --on simulator -o learned.akd",
}
"""Examples whose network is another one than that of the others."""

MODEL = """\
from torch import nn

def make_model():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
"""
EVENTS = """akir 1.0

net @n(%x: f32[T=2, 2, 4, 4] in [0.0, 1.0]) -> f32[3] {
  %flat = nn.reshape(%x, shape=[32]) : f32[T=2, 32]
  %fc = nn.dense(%flat, weight=#w) : f32[T=2, 3]
  %l = snn.leaky(%fc, beta=0.9) : f32[T=2, 3]
  %s = host.sum(%l) : f32[3]
  return %s
}

weights {
  #w : f32[3, 32] = splat "0.25"
}
"""


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network of the five minutes of the README, lowered and built."""
    folder = tmp_path_factory.mktemp("usual")
    first_steps.write(folder)
    with np.load(folder / "samples.npz") as samples:
        np.savez(folder / "train.npz", **{name: samples[name][:64] for name in samples.files})
    (folder / "model.py").write_text(MODEL)
    module = api.lower(folder / "model.onnx", calibrate=str(folder / "samples.npz"))
    (folder / "net.akir").write_text(api.print_module(module))
    program = api.build(module)
    program.save(folder / "net.akd")
    for name in ("before.bin", "after.bin"):
        (folder / name).write_bytes(program.bytes)
    return folder


def _own(line: str, folder: Path) -> None:
    """The files of an example with a network of its own."""
    if ".nir" in line:
        write_nir(folder / "net.nir")
    elif " learn " in line:
        make_folder(folder)
        shutil.copy(folder / "learning.akd", folder / "net.akd")
    else:
        module = api.lower(api.parse(EVENTS), spikes="hybrid", host="allow", context=api.Context())
        api.build(module, host="allow", context=api.Context()).save(folder / "net.akd")
        rows = [f"{t},{t % 4},{t // 4 % 4},{t % 2}" for t in range(0, 8000, 97)]
        (folder / "events.csv").write_text("t,x,y,p\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize("line", COMMANDS)
def test_an_example_does_what_it_says(line: str, usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if line in OWN:
        _own(line, tmp_path)
    else:
        shutil.copytree(usual, tmp_path, dirs_exist_ok=True)
    if "/dev/akida0" in line:
        install(Kernel(), monkeypatch, tmp_path)
    words = shlex.split(line)[1:]
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    outcome = akc(*words, stdin=b"", folder=tmp_path)
    assert outcome.code == 0, outcome.stderr
    product = next((b for a, b in pairwise(words) if a in ("-o", "--html", "--onnx")), None)
    assert product is None or (tmp_path / product).stat().st_mtime_ns != before.get(product)
    assert product is not None or outcome.stdout or outcome.stderr or words[0] in ("fmt", "lsp", "diff")


def test_every_verb_has_an_example_and_no_two_are_alike() -> None:
    from akc.cli.main import cli

    assert set(EXAMPLES) == set(cli.commands)
    assert len(COMMANDS) == len(set(COMMANDS)) and set(COMMANDS) >= OWN
