# SPDX-License-Identifier: Apache-2.0
"""What users read when a whole network is refused on the command line, one golden text a reason."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.runner import akc

FACTORY = """
import norse.torch as norse
import snntorch as snn
import torch
from torch import nn


def chain(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 16), *layers)


def lif():
    return snn.Leaky(beta=0.9, init_hidden=True)


def lstm():
    return chain(lif(), snn.SLSTM(16, 16, init_hidden=True), nn.Linear(16, 4), lif())


def recurrent():
    return chain(snn.RLeaky(beta=0.9, linear_features=16, init_hidden=True))


def inhibition():
    return chain(snn.Leaky(beta=0.9, init_hidden=True, inhibition=True))


def alpha():
    return chain(snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True))


def changes():
    return chain(snn.DeltaLeaky(beta=0.9))


def plain():
    return chain(nn.Linear(16, 4), lif())


class Cells(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.layers = norse.SequentialState(nn.Linear(16, 16), cell, nn.Linear(16, 4), norse.LICell())

    def forward(self, x):
        state, out = None, []
        for step in x:
            value, state = self.layers(step, state)
            out.append(value)
        return torch.stack(out).max(0)[0]


def izhikevich():
    return Cells(norse.IzhikevichCell(norse.IzhikevichSpikingBehavior(
        norse.IzhikevichParameters(0.02, 0.2, -65.0, 8.0),
        norse.IzhikevichState(v=torch.tensor(-65.0), u=torch.tensor(-13.0)))))


def adaptive():
    return Cells(norse.LSNNCell())


def refractory():
    return Cells(norse.LIFRefracCell())


class PerStep(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif, self.norms = nn.Linear(16, 4), snn.Leaky(beta=0.9), snn.BatchNormTT1d(4, 3)
        for norm in self.norms:
            nn.init.uniform_(norm.weight)

    def forward(self, x):
        mem = self.lif.init_leaky()
        for norm in self.norms:
            _, mem = self.lif(norm(self.fc(x)), mem)
        return mem
"""

STEPS = ("--steps", "5", "--readout", "count", "--input-range", "0,1")
VECTOR = ("--example", "1,16", *STEPS)
TIMED = ("--example", "5,1,16", "--input-range", "0,1")
NETWORKS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "lstm": ("lstm", VECTOR, "AKC0370"),
    "recurrent": ("recurrent", VECTOR, "AKC0371"),
    "neuron-model": ("izhikevich", TIMED, "AKC0372"),
    "neuron-model-alpha": ("alpha", VECTOR, "AKC0372"),
    "neuron-model-refractory": ("refractory", TIMED, "AKC0372"),
    "change-detector": ("changes", VECTOR, "AKC0372"),
    "adaptive-threshold": ("adaptive", TIMED, "AKC0373"),
    "winner-take-all": ("inhibition", VECTOR, "AKC0374"),
    "per-step-norm": ("PerStep", ("--example", "1,16", "--input-range", "0,1"), "AKC0377"),
    "read-out": ("plain", ("--example", "1,16", "--steps", "5"), "AKC0379"),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_refused(kind: str, tmp_path: Path, text_snapshot: SnapshotAssertion) -> None:
    factory, arguments, words = NETWORKS[kind]
    (tmp_path / "net.py").write_text(FACTORY)
    outcome = akc("lower", f"net.py:{factory}", *arguments, folder=tmp_path)
    assert outcome.code == 1
    assert words in outcome.stderr
    assert outcome.stderr == text_snapshot(name=kind)


def test_without_samples(tmp_path: Path, text_snapshot: SnapshotAssertion) -> None:
    """No calibration data: the network is made, and the user told where its thresholds come from."""
    (tmp_path / "net.py").write_text(FACTORY)
    outcome = akc("lower", "net.py:plain", *VECTOR, folder=tmp_path)
    assert outcome.code == 0 and "AKC0387" in outcome.stderr
    assert outcome.stderr == text_snapshot


@pytest.mark.parametrize("kind", ["delay", "dt"])
def test_graphs(kind: str, tmp_path: Path, text_snapshot: SnapshotAssertion) -> None:
    """Delays are refused; a length of a step that nobody gave is guessed from the numbers, and said."""
    lif = nir.LIF(tau=np.full(4, 0.002), r=np.full(4, 20.0), v_leak=np.zeros(4), v_threshold=np.ones(4))
    middle = {"delay": nir.Delay(delay=np.ones(4))} if kind == "delay" else {}
    nodes = {"in": nir.Input(input_type={"input": np.array([4])}), "fc": nir.Linear(weight=np.eye(4, dtype="f4")),
             **middle, "lif": lif, "out": nir.Output(output_type={"output": np.array([4])})}  # fmt: skip
    names = list(nodes)
    nir.write(str(tmp_path / "net.nir"), nir.NIRGraph(nodes=nodes, edges=list(pairwise(names))))
    outcome = akc("lower", "net.nir", *STEPS, folder=tmp_path)
    assert outcome.code == (1 if kind == "delay" else 0)
    assert ("AKC0375" if kind == "delay" else "dt 0.0001 s") in outcome.stderr
    assert outcome.stderr == text_snapshot(name=kind)
