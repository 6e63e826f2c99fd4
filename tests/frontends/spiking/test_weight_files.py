# SPDX-License-Identifier: Apache-2.0
"""state_dicts as .pt and .safetensors: the same network as the live one; files that would run code are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from safetensors.torch import save_file
from torch import nn

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.reader import SpikingOptions
from akc.frontends.spiking.snntorch import read_snntorch
from akc.frontends.spiking.topology import read_topology
from akc.frontends.spiking.weights import read_statedict
from tests.frontends.spiking.networks import Loop, answer, inputs, on_grid

COUNT = SpikingOptions(readout="count", steps=8)


def options(**fields: Any) -> SpikingOptions:
    """Options with 8 steps, read by counts."""
    return SpikingOptions(**{"readout": "count", "steps": 8, **fields})


PAIRS = {
    "leaky": lambda: (snn.Leaky(beta=0.9), snn.Leaky(beta=torch.tensor([0.2, 0.5, 0.7, 1.0]), threshold=0.7)),
    "zero": lambda: (snn.Leaky(beta=0.9, reset_mechanism="zero"), snn.Leaky(beta=0.5, reset_mechanism="none")),
    "lapicque": lambda: (snn.Lapicque(R=5, C=2, time_step=1, threshold=0.3), snn.Lapicque(beta=0.5)),
    "synaptic": lambda: (snn.Synaptic(alpha=0.8, beta=0.7), snn.Synaptic(alpha=0.5, beta=0.7)),
    "rleaky": lambda: (snn.RLeaky(beta=0.9, linear_features=16), snn.Leaky(beta=0.7)),
}


class Late(nn.Module):
    """Layers registered first, neurons afterwards; fc10 sorts before fc2 as text."""

    def __init__(self) -> None:
        super().__init__()
        self.fc2, self.fc10 = nn.Linear(20, 16), nn.Linear(16, 4)
        self.lif2, self.lif10 = snn.Leaky(beta=0.9), snn.Leaky(beta=0.5)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("kind", PAIRS)
def test_same_as_the_live_network(kind: str, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = on_grid(Loop(*PAIRS[kind]()), 3.0)
    path = str(tmp_path / f"net{suffix}")
    (torch.save if suffix == ".pt" else save_file)(network.state_dict(), path)
    chain = read_statedict(path, options(topology="20-16-4"))
    x = inputs(5, 20)
    first = None if kind == "rleaky" else answer(read_snntorch(network, (1, 20), COUNT), x)
    if first is not None:
        np.testing.assert_array_equal(answer(chain, x), first)
    assert {op.origin[0] for op in chain.net.ops if op.mnemonic.startswith("snn.")} == {"lif1", "lif2"}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_order_of_names_and_of_registration(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"net{suffix}")
    (torch.save if suffix == ".pt" else save_file)(Late().state_dict(), path)
    module = read_statedict(path, options())
    assert [op.origin[0] for op in module.net.ops if op.origin] == ["fc2", "lif2", "fc10", "lif10", "count"]


TOML = """
input = [2, 8, 8]
[[layer]]
name = "conv"
type = "conv"
padding = 1
[[layer]]
name = "lif1"
type = "neuron"
reset_delay = false
[[layer]]
type = "max_pool"
size = 2
[[layer]]
name = "fc"
type = "dense"
[[layer]]
name = "lif2"
type = "neuron"
"""


class Convolutional(nn.Module):
    """The network of TOML."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(2, 4, 3, padding=1), snn.Leaky(beta=0.8, reset_delay=False)
        self.fc, self.lif2 = nn.Linear(64, 5), snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m1, m2, spikes = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for _ in range(8):
            s, m1 = self.lif1(self.conv(x), m1)
            s, m2 = self.lif2(self.fc(nn.functional.max_pool2d(s, 2).flatten(1)), m2)
            spikes.append(s)
        return torch.stack(spikes).sum(0)


def test_convolutions_with_a_toml_file(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = on_grid(Convolutional(), 2.0)
    torch.save(network.state_dict(), tmp_path / "net.pt")
    (tmp_path / "net.toml").write_text(TOML)
    module = read_statedict(str(tmp_path / "net.pt"), options(topology=str(tmp_path / "net.toml")))
    x = inputs(3, 2, 8, 8)
    np.testing.assert_array_equal(answer(module, x), network(x).detach().numpy())


def fault(path: Path, **fields: Any) -> Any:
    """The first fault of reading a file."""
    with pytest.raises(DiagnosticError) as caught:
        read_statedict(str(path), options(**fields))
    return caught.value.diagnostics[0]


def saved(tmp_path: Path, network: nn.Module) -> Path:
    """The state_dict of a network in a file."""
    torch.save(network.state_dict(), tmp_path / "net.pt")
    return tmp_path / "net.pt"


def test_faults_of_weights_and_topology(tmp_path: Path) -> None:
    path = saved(tmp_path, Loop(snn.Leaky(beta=0.9), snn.Leaky(beta=0.9)))
    assert fault(path, topology="20-15-4").code == "AKC0384"
    assert fault(path, topology="20,16").code == "AKC0385"
    assert fault(path, readout=None).code == "AKC0379"
    assert fault(path, steps=None).code == "AKC0380"
    assert fault(saved(tmp_path, Convolutional())).code == "AKC0385"
    assert fault(saved(tmp_path, nn.Sequential(nn.Linear(3, 2)))).code == "AKC0385"


@pytest.mark.parametrize(("network", "code", "words"), [
    (lambda: nn.Sequential(nn.Linear(4, 4), snn.SLSTM(4, 4)), "AKC0370", "LSTM gates"),
    (lambda: nn.Sequential(nn.Linear(4, 4), snn.SConv2dLSTM(1, 1, 3)), "AKC0370", "SConv2dLSTM"),
    (lambda: nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4)), "AKC0370", "LSTM"),
    (lambda: nn.Sequential(snn.LeakyParallel(4, 4, weight_hh_enable=True)), "AKC0371", "membranes of other neurons"),
])  # fmt: skip
def test_layers_refused_in_weight_files(network: Any, code: str, words: str, tmp_path: Path) -> None:
    found = fault(saved(tmp_path, network()))
    assert found.code == code
    assert words in found.message


@pytest.mark.parametrize(("written", "code", "words"), [
    ("snn.Conv2d", "AKC0386", "torch.nn.Conv2d followed by snn.Leaky"),
    ("snn.LSTM", "AKC0386", "snn.SLSTM and snn.SConv2dLSTM"),
    ("nn.LSTM", "AKC0370", "LSTM gates"),
    ("gru", "AKC0385", "the type gru"),
])  # fmt: skip
def test_layers_refused_in_topologies(written: str, code: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(f'input = [4]\n[[layer]]\nname = "a"\ntype = "{written}"\n')
    with pytest.raises(DiagnosticError) as caught:
        read_topology(str(tmp_path / "t.toml"))
    assert caught.value.diagnostics[0].code == code
    assert words in caught.value.diagnostics[0].message


class Malicious:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for content in ({"fc.weight": Malicious(marker)}, Malicious(marker), [torch.zeros(2), Malicious(marker)]):
        torch.save(content, tmp_path / "net.pt")
        found = fault(tmp_path / "net.pt", topology="4-2")
        assert found.code == "AKC0382"
        assert "posix.system" in found.message or "nt.system" in found.message
    assert not marker.exists()


def test_whole_modules_and_other_files_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2), tmp_path / "net.pt")
    assert fault(tmp_path / "net.pt").code == "AKC0382"
    (tmp_path / "net.pt").write_bytes(b"no archive")
    assert fault(tmp_path / "net.pt").code == "AKC0389"
    (tmp_path / "net.safetensors").write_bytes(b"no archive either")
    assert fault(tmp_path / "net.safetensors").code == "AKC0389"
