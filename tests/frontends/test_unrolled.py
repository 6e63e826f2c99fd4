# SPDX-License-Identifier: Apache-2.0
"""ONNX files of spiking networks whose time steps were written out: folded back, or refused under one name."""

from __future__ import annotations

import numpy as np
import pytest
import snntorch
import torch
from torch import Tensor, nn
from torch.nn import functional

from akc.frontends.onnx.importer import read_onnx
from akc.ir.opaque import opaque_kind
from akc.ir.ops.nn import Opaque
from akc.ir.ops.snn import Leaky
from akc.ir.verifier import verify
from akc.sim.run import run
from tests.frontends.ways import exported


def step_outputs(spikes: list[Tensor], membranes: list[Tensor], read: str) -> Tensor:
    """The answer of a network from what its last layer gave at each step."""
    if read == "grown":
        total = torch.zeros_like(spikes[0])
        for one in spikes:
            total = total + one
        return total
    if read == "last":
        return membranes[-1]
    values = torch.stack(spikes if read in ("count", "rate") else membranes)
    return values.sum(0) if read in ("count", "charge") else values.mean(0)


class Spiking(nn.Module):
    """Two layers of snn.Leaky over some steps; `timed` gives the input a time axis behind the batch."""

    def __init__(self, reset: str = "subtract", read: str = "count", timed: bool = False) -> None:
        super().__init__()
        options = {"reset_mechanism": reset}
        self.fc1, self.lif1 = nn.Linear(4, 5), snntorch.Leaky(beta=torch.linspace(0.5, 0.9, 5), **options)
        self.fc2, self.lif2 = nn.Linear(5, 3), snntorch.Leaky(beta=0.8, threshold=0.7, **options)
        self.read, self.timed = read, timed

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for t in range(5):
            one, first = self.lif1(self.fc1(x[:, t] if self.timed else x), first)
            two, second = self.lif2(self.fc2(one), second)
            spikes.append(two)
            membranes.append(second)
        return step_outputs(spikes, membranes, self.read)


class Convolutional(nn.Module):
    """A convolution, a pool and a dense layer with neurons in between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(1, 4, 3, padding=1), snntorch.Leaky(beta=0.9)
        self.fc, self.lif2 = nn.Linear(4 * 9, 3), snntorch.Leaky(beta=0.8)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes = []
        for _ in range(4):
            one, first = self.lif1(functional.max_pool2d(self.conv(x), 2), first)
            two, second = self.lif2(self.fc(one.flatten(1)), second)
            spikes.append(two)
        return torch.softmax(torch.stack(spikes).sum(0), 1)


class Uneven(nn.Module):
    """Another layer in front of the neuron at every step, which no single program can do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.lif = nn.ModuleList(nn.Linear(4, 3) for _ in range(3)), snntorch.Leaky(beta=0.9)

    def forward(self, x: Tensor) -> Tensor:
        membrane = self.lif.init_leaky()
        spikes = []
        for layer in self.layers:
            one, membrane = self.lif(layer(x), membrane)
            spikes.append(one)
        return torch.stack(spikes).sum(0)


FOLDED: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    **{f"reset_{reset}": (Spiking(reset), (4,)) for reset in ("subtract", "zero", "none")},
    **{f"read_{read}": (Spiking(read=read), (4,)) for read in ("rate", "grown", "last", "charge", "membrane")},
    "read_last_zero": (Spiking("zero", "last"), (4,)),
    "timed": (Spiking(timed=True), (5, 4)),
    "convolutional": (Convolutional(), (1, 6, 6)),
}


BOTH = ("reset_subtract", "reset_zero", "read_membrane", "timed", "convolutional")
"""Networks that are also exported the newer way, which takes longer."""


def prepared(module: nn.Module) -> nn.Module:
    """The module with weights that make it fire."""
    torch.manual_seed(2)
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.2, 0.8)
    return module.eval()


@pytest.mark.parametrize(("name", "dynamo"), [(name, False) for name in FOLDED] + [(name, True) for name in BOTH])
def test_folded_spiking_network(name: str, dynamo: bool) -> None:
    """The steps become a time axis, neurons snn.leaky, and every answer stays what it was."""
    module, shape = FOLDED[name]
    prepared(module)
    imported = read_onnx(exported(module, torch.rand(1, *shape), dynamo))
    assert not verify(imported)
    assert sum(isinstance(op, Leaky) for op in imported.net.ops) == 2
    samples = torch.rand(64, *shape) * 2
    with torch.no_grad():
        wanted = torch.cat([module(sample[None]) for sample in samples]).numpy()
    (got,) = run(imported, samples.numpy()).values()
    assert len(np.unique(wanted.round(3))) > 2
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "dynamo"),
    [(Uneven(), True), (Uneven(), False)],
    ids=["uneven-dynamo", "uneven"],
)
def test_other_spiking_networks(module: nn.Module, dynamo: bool) -> None:
    """What does not fold is one opaque operation, whose row says what to give instead."""
    imported = read_onnx(exported(prepared(module), torch.rand(1, 4), dynamo))
    assert not verify(imported)
    (opaque,) = [op for op in imported.net.ops if isinstance(op, Opaque)]
    assert opaque.op == "unrolled spiking neuron"
    assert str(imported.net.output_types[0]) == "f32[3]"
    assert "state_dict or a NIR file" in opaque_kind(opaque.op).way_out
