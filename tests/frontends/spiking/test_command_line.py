# SPDX-License-Identifier: Apache-2.0
"""Every kind of spiking file on the command line, with every option, and what users read when something is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import snntorch as snn
import torch
from safetensors.torch import save_file
from syrupy.assertion import SnapshotAssertion
from torch import nn

from akc.ir.parser import parse
from tests.cli.runner import akc
from tests.frontends.spiking.test_bindsnet import bindsnet, chain, saved  # noqa: F401
from tests.frontends.ways import exported

FACTORY = """
import norse.torch as norse
import snntorch as snn
import torch
from torch import nn


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(20, 12), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(12, 4), snn.Leaky(beta=0.9)

    def forward(self, x):
        one, two, out = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for _ in range(8):
            spikes, one = self.lif1(self.fc1(x), one)
            spikes, two = self.lif2(self.fc2(spikes), two)
            out.append(spikes)
        return torch.stack(out)


def make():
    torch.manual_seed(0)
    return Loop()


def hidden():
    return nn.Sequential(nn.Linear(20, 4), snn.Leaky(beta=0.9, init_hidden=True))


def memoryless():
    return nn.Sequential(nn.Linear(20, 4), snn.Leaky(beta=0.0, reset_mechanism="zero", init_hidden=True))


def recurrent():
    return nn.Sequential(nn.Linear(20, 4), snn.RLeaky(beta=0.9, linear_features=4, init_hidden=True))


def cells():
    return norse.SequentialState(nn.Linear(20, 12), norse.LIF(), nn.Linear(12, 4), norse.LI())


def missing():
    return snn.Conv2d(1, 2, 3)
"""

TOML = """
input = [20]
[[layer]]
name = "0"
type = "dense"
[[layer]]
name = "1"
type = "neuron"
[[layer]]
name = "2"
type = "dense"
[[layer]]
name = "3"
type = "neuron"
"""


CUBA = {"type": b"CUBA", "iDecay": 4096, "vDecay": 128, "vThMant": 80, "refDelay": 1}
SDNN = {"type": b"SDNN", "vThMant": 0, "activation": b"relu"}


def write_lava(path: Path, neuron: dict[str, Any] = CUBA, kind: bytes = b"dense") -> None:
    """Two dense layers of Loihi's neurons, the first of some kind."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for index, (rows, columns) in enumerate([(12, 20), (4, 12)]):
            layer = file.create_group(f"layer/{index}")
            layer["type"], layer["shape"] = np.array([kind if index == 0 else b"dense"]), np.array([rows])
            if kind == b"dense_rec" and index == 0:
                layer["weight_rec"] = rng.integers(-60, 60, (rows, rows)).astype("f4")
            layer["weight"] = rng.integers(-60, 120, (rows, columns)).astype("f4")
            for key, value in neuron.items():
                layer[f"neuron/{key}"] = value


def write_nir(path: Path) -> None:
    """One layer of LIF neurons by the definition."""
    lif = {"tau": 0.002, "r": 20.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    nodes = {
        "in": nir.Input(input_type={"input": np.array([20])}),
        "fc": nir.Affine(weight=np.random.default_rng(0).random((4, 20)).astype("f4"), bias=np.zeros(4, "f4")),
        "lif": nir.LIF(**{key: np.full(4, value) for key, value in lif.items()}),
        "out": nir.Output(output_type={"output": np.array([4])}),
    }
    nir.write(str(path), nir.NIRGraph(nodes=nodes, edges=[("in", "fc"), ("fc", "lif"), ("lif", "out")]))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind but BindsNET's."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(20, 12), snn.Leaky(beta=0.9), nn.Linear(12, 4), snn.Leaky(beta=0.9))
    for layer in (network[0], network[2]):
        nn.init.uniform_(layer.weight, -0.8, 0.9)
    torch.save(network.state_dict(), folder / "net.pt")
    save_file(network.state_dict(), folder / "net.safetensors")
    (folder / "net.toml").write_text(TOML)
    (folder / "typo.toml").write_text(TOML.replace('"3"', '"lif3"').replace('"2"', '"fc2"'))
    (folder / "swapped.toml").write_text(TOML.replace('"2"', '"0"'))
    (folder / "net.py").write_text(FACTORY)
    write_lava(folder / "net.net")
    write_lava(folder / "sdnn.net", SDNN)
    write_lava(folder / "loop.net", kind=b"dense_rec")
    write_nir(folder / "net.nir")
    np.savez(folder / "x.npz", input=np.random.default_rng(0).random((60, 20)).astype("f4"))
    return folder


COUNT = ("--steps", "8", "--readout", "count")
READ: dict[str, tuple[tuple[str, ...], str]] = {
    "weights, chain": (("net.pt", "--topology", "20-12-4", *COUNT), "sequence"),
    "weights, no topology": (("net.pt", *COUNT), "sequence"),
    "weights, toml": (("net.pt", "--topology", "net.toml", "--steps", "8", "--readout", "membrane"), "sequence"),
    "weights, samples": (("net.pt", "--steps", "8", "--readout", "membrane", "--calibrate", "x.npz"), "sequence"),
    "weights, timed": (("net.pt", *COUNT, "--coding", "spikes", "--spikes", "rate", "--window", "4"), "T=8"),
    "safetensors": (("net.safetensors", "--reset", "zero", "--steps", "8", "--readout", "last"), "sequence"),
    "nir": (("net.nir", *COUNT, "--producer", "spec", "--dt", "0.0005", "--reset", "subtract"), "sequence"),
    "nir, guessed": (("net.nir", *COUNT), "sequence"),
    "lava": (("net.net", *COUNT, "--spikes", "rate"), "sequence"),
    "lava, sigma-delta": (("sdnn.net", "--input-range", "0,63"), "akida.fully_connected"),
    "lava, recurrent": (("loop.net", *COUNT, "--host", "allow"), "host.previous"),
    "loop": (("net.py:make", "--example", "1,20", "--readout", "count"), "sequence"),
    "loop, steps said": (("net.py:make", "--example", "1,20", *COUNT), "sequence"),
    "one step": (("net.py:hidden", "--example", "1,20", *COUNT), "sequence"),
    "step by step": (
        ("net.py:memoryless", "--example", "1,20", *COUNT, "--coding", "spikes", "--spikes", "step"),
        "u1[T=8",
    ),
    "recurrent": (
        ("net.py:recurrent", "--example", "1,20", *COUNT, "--coding", "spikes", "--host", "allow"),
        "snn.rleaky",
    ),
    "norse": (("net.py:cells", "--example", "8,1,20", "--readout", "last"), "sequence"),
}


@pytest.mark.parametrize("kind", READ)
def test_lower(kind: str, files: Path) -> None:
    arguments, words = READ[kind]
    outcome = akc("lower", *arguments, folder=files)
    assert outcome.code == 0, outcome.stderr
    assert words in outcome.stdout
    parse(outcome.stdout, "<stdout>")


def test_lower_a_saved_bindsnet(bindsnet: dict[str, object], files: Path, tmp_path: Path) -> None:  # noqa: F811
    path = saved(tmp_path, chain(bindsnet, torch.rand(20, 12) * 5, torch.rand(12, 4) * 5))
    shutil.copy(path, files / "net.bindsnet.pt")
    outcome = akc("lower", "net.bindsnet.pt", "--steps", "30", "--readout", "count", folder=files)
    assert outcome.code == 0, outcome.stderr
    assert "sequence" in outcome.stdout


def test_lower_a_written_out_network(files: Path) -> None:
    torch.manual_seed(0)
    spaces: dict[str, object] = {}
    exec(FACTORY, spaces)
    network = spaces["make"]()  # type: ignore[operator]
    (files / "net.onnx").write_bytes(exported(network.eval(), torch.rand(1, 20), False))
    outcome = akc("lower", "net.onnx", "--readout", "count", folder=files)
    assert outcome.code == 0, outcome.stderr
    assert "sequence" in outcome.stdout


WRONG: dict[str, tuple[str, ...]] = {
    "no-read-out": ("net.pt", "--steps", "8"),
    "no-steps": ("net.pt", "--readout", "count"),
    "neither": ("net.net",),
    "other-sizes": ("net.pt", "--topology", "20-13-4", *COUNT),
    "no-topology": ("net.pt", "--topology", "20,12", *COUNT),
    "names-not-in-the-file": ("net.pt", "--topology", "typo.toml", *COUNT),
    "layers-in-the-wrong-place": ("net.pt", "--topology", "swapped.toml", *COUNT),
    "no-such-topology": ("net.pt", "--topology", "none.toml", *COUNT),
    "other-steps-than-the-loop": ("net.py:make", "--example", "1,20", "--readout", "count", "--steps", "9"),
    "loop-without-read-out": ("net.py:make", "--example", "1,20"),
    "one-step-without-steps": ("net.py:hidden", "--example", "1,20", "--readout", "count"),
    "no-example": ("net.py:make", "--readout", "count"),
    "other-example": ("net.py:make", "--example", "1,21", "--readout", "count"),
    "no-such-function": ("net.py:nothing", "--example", "1,20"),
    "no-such-class": ("net.py:missing", "--example", "1,20"),
    "feedback-without-the-host": ("net.py:recurrent", "--example", "1,20", *COUNT, "--coding", "spikes"),
    "steps-of-neurons-with-memory": ("net.pt", *COUNT, "--coding", "spikes", "--spikes", "step"),
    "lava-feedback-without-the-host": ("loop.net", *COUNT),
    "no-such-producer": ("net.nir", *COUNT, "--producer", "brian"),
    "samples-of-another-shape": ("net.nir", *COUNT, "--calibrate", "x.npz"),
    "no-such-file": ("nothing.nir", *COUNT),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong(kind: str, files: Path, text_snapshot: SnapshotAssertion) -> None:
    outcome = akc("lower", *WRONG[kind], folder=files)
    assert outcome.code == 1
    assert outcome.stdout == ""
    assert outcome.stderr.replace(f"{files}/", "") == text_snapshot(name=kind)
