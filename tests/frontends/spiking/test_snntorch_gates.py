# SPDX-License-Identifier: Apache-2.0
"""snn.SLSTM and snn.SConv2dLSTM: read exactly, refused by name, dropped where the user says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import snntorch as snn
import torch
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.reader import SpikingOptions
from akc.frontends.spiking.snntorch import read_snntorch
from akc.frontends.spiking.weights import read_statedict
from akc.ir.ops import snn_gated as ops
from tests.frontends.spiking.networks import answer, inputs, on_grid

OPTIONS = SpikingOptions(readout="none")


class Dense(nn.Module):
    """A dense layer, an LSTM that spikes, a dense layer with snn.Leaky."""

    def __init__(self, hidden: int = 12, **options: Any) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(20, 12), snn.Leaky(beta=0.9)
        self.gates = snn.SLSTM(12, hidden, threshold=0.1, **options)
        self.fc2, self.lif2 = nn.Linear(hidden, 4), snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two = self.lif1.reset_mem(), self.lif2.reset_mem()
        syn, mem = self.gates.reset_mem()
        out = []
        for t in range(6):
            spikes, one = self.lif1(self.fc1(x[t]), one)
            spikes, syn, mem = self.gates(spikes, syn, mem)
            spikes, two = self.lif2(self.fc2(spikes), two)
            out.append(spikes)
        return torch.stack(out)


class Maps(nn.Module):
    """A convolution that spikes, a convolutional LSTM, a dense layer."""

    def __init__(self, filters: int = 3, **options: Any) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(2, 3, 3, padding=1), snn.Leaky(beta=0.7)
        self.gates = snn.SConv2dLSTM(3, filters, 3, threshold=0.1, **options)
        places = 64 if not (options.get("max_pool") or options.get("avg_pool")) else 16
        self.fc, self.lif2 = nn.Linear(filters * places, 4), snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two = self.lif1.reset_mem(), self.lif2.reset_mem()
        syn, mem = self.gates.reset_mem()
        out = []
        for t in range(6):
            spikes, one = self.lif1(self.conv(x[t]), one)
            spikes, syn, mem = self.gates(spikes, syn, mem)
            spikes, two = self.lif2(self.fc(spikes.flatten(1)), two)
            out.append(spikes)
        return torch.stack(out)


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda: Dense(), (20,)),
    "dense subtract": (lambda: Dense(reset_mechanism="subtract"), (20,)),
    "dense zero without bias": (lambda: Dense(reset_mechanism="zero", bias=False), (20,)),
    "more hidden states": (lambda: Dense(16), (20,)),
    "maps": (lambda: Maps(), (2, 8, 8)),
    "maps max": (lambda: Maps(5, max_pool=2), (2, 8, 8)),
    "maps average": (lambda: Maps(avg_pool=2, reset_mechanism="subtract", bias=False), (2, 8, 8)),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_spikes_are_the_frameworks(kind: str) -> None:
    make, shape = NETWORKS[kind]
    torch.manual_seed(1)
    network = on_grid(make(), 3.0).eval()
    module = read_snntorch(network, (6, 1, *shape), OPTIONS)
    (gates,) = [op for op in module.net.ops if isinstance(op, ops.Gated)]
    assert gates.origin == ("gates",)
    x = inputs(6, 10, *shape)
    wanted = network(x).transpose(0, 1).detach().numpy()
    assert 0.02 < wanted.mean() < 0.98
    assert (answer(module, x.transpose(0, 1)) == wanted).mean() > 0.995


@pytest.mark.parametrize(("make", "shape"), [(Dense, (20,)), (Maps, (2, 8, 8))])
def test_refused_by_name_dropped_or_kept_on_the_host(make: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    network, example = make(), (6, 1, *shape)
    given = {"example": example, "readout": "count", "input_range": (0, 1)}
    with pytest.raises(DiagnosticError, match=r"(?s)AKC0370.*gates.*drop-lstm") as caught:
        akc.lower(network, **given)
    assert caught.value.diagnostics[0].origin == ("gates",)
    dropped = akc.lower(network, **given, options={"drop-lstm": {"by": "mean"}})
    assert not any(isinstance(op, ops.Gated) for op in dropped.net.ops)
    hybrid = akc.lower(network, **given, host="allow")
    assert any(isinstance(op, ops.Gated) for op in hybrid.net.ops)


def test_weight_files(tmp_path: Path) -> None:
    torch.manual_seed(3)
    for name, make, table in (("dense", Dense, DENSE), ("maps", Maps, MAPS)):
        network = on_grid(make(), 3.0).eval()
        torch.save(network.state_dict(), tmp_path / f"{name}.pt")
        (tmp_path / f"{name}.toml").write_text(table)
        options = SpikingOptions(readout="none", steps=6, coding="spikes", topology=str(tmp_path / f"{name}.toml"))
        module = read_statedict(str(tmp_path / f"{name}.pt"), options)
        shape = (20,) if name == "dense" else (2, 8, 8)
        x = inputs(6, 5, *shape)
        wanted = network(x).transpose(0, 1).detach().numpy()
        assert (answer(module, x.transpose(0, 1)) == wanted).mean() > 0.995


def table(*layers: tuple[str, str] | tuple[str, str, str]) -> str:
    """[[layer]] tables."""
    return "".join(f'[[layer]]\nname = "{n}"\ntype = "{t}"\n{"".join(more)}\n' for n, t, *more in layers)


DENSE = "input = [20]\n" + table(
    ("fc1", "dense"), ("lif1", "neuron"), ("gates", "snn.SLSTM"), ("fc2", "dense"), ("lif2", "neuron")
)
MAPS = "input = [2, 8, 8]\n" + table(
    ("conv", "conv", "padding = 1"), ("lif1", "neuron"), ("gates", "snn.SConv2dLSTM"), ("fc", "dense"),
    ("lif2", "neuron"),
)  # fmt: skip
