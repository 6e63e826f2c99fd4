# SPDX-License-Identifier: Apache-2.0
"""Written-out neurons of snnTorch and Norse in ONNX files of both exporters: which are found again, and as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import numpy as np
import pytest
import snntorch as snn
import torch
from torch import Tensor, nn

from akc.base.diagnostics import DiagnosticError
from akc.frontends.onnx.importer import read_onnx
from akc.ir.module import Module
from akc.ir.ops.nn import Opaque
from akc.ir.ops.snn import Neuron
from akc.ir.verifier import verify
from akc.sim.run import run
from tests.frontends.ways import exported

STEPS = 5


class Net(nn.Module):
    """Two dense layers with a neuron behind each; what the last one gives at each step is read in one of some ways."""

    def __init__(self, make: Callable[[int], nn.Module], read: str = "count", timed: bool = False) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 6), nn.Linear(6, 3)
        self.one, self.two = make(6), make(3)
        self.read, self.timed = read, timed

    def forward(self, x: Tensor) -> Any:
        first, second = start(self.one), start(self.two)
        spikes, membranes = [], []
        for t in range(STEPS):
            s, first = step(self.one, self.fc1(x[:, t] if self.timed else x), first)
            s, second = step(self.two, self.fc2(s), second)
            spikes.append(s)
            membranes.append(second[-1] if isinstance(second, tuple) else s)
        made = {"spikes": torch.stack(spikes), "membranes": torch.stack(membranes)}
        return {"count": made["spikes"].sum(0), "mean": made["membranes"].mean(0), "all": made["spikes"],
                "both": (made["spikes"], made["membranes"])}[self.read]  # fmt: skip


def start(cell: nn.Module) -> Any:
    """The state of a neuron before the first step."""
    if not hasattr(cell, "reset_mem"):
        return None
    states = cell.reset_mem()
    return states if isinstance(states, tuple) else (states,)


def step(cell: nn.Module, current: Tensor, state: Any) -> Any:
    """Spikes and state of one step, in either framework."""
    if not hasattr(cell, "reset_mem"):
        return cell(current, state)
    spikes, *states = cell(current, *state)
    return spikes, tuple(states)


def several(n: int, low: float = 0.4, high: float = 0.9) -> Tensor:
    """A number for each neuron."""
    return torch.linspace(low, high, n)


BOX = {"tau_mem_inv": torch.tensor(300.0), "v_th": torch.tensor(0.4)}
FOUND: dict[str, tuple[Callable[[int], nn.Module], str]] = {
    "leaky": (lambda n: snn.Leaky(several(n), threshold=0.7), "snn.leaky"),
    "leaky without memory": (lambda n: snn.Leaky(0.0, threshold=0.7), "snn.leaky"),
    "at once": (lambda n: snn.Leaky(several(n), threshold=0.7, reset_delay=False), "snn.leaky"),
    "zero at once": (lambda n: snn.Leaky(0.8, reset_mechanism="zero", reset_delay=False), "snn.leaky"),
    "lapicque": (lambda n: snn.Lapicque(R=5, C=1.5, time_step=1, threshold=0.5), "snn.leaky"),
    "lapicque zero": (lambda n: snn.Lapicque(R=5, C=1.5, time_step=1, reset_mechanism="zero"), "snn.lapicque"),
    "synaptic": (lambda n: snn.Synaptic(0.7, several(n)), "snn.synaptic"),
    "synaptic zero": (lambda n: snn.Synaptic(0.7, 0.6, reset_mechanism="zero"), "snn.synaptic"),
    "synaptic none": (lambda n: snn.Synaptic(0.7, 0.6, reset_mechanism="none"), "snn.synaptic"),
    "box": (lambda n: norse.LIFBoxCell(norse.LIFBoxParameters(**BOX)), "snn.leaky"),
    "box with potentials": (
        lambda n: norse.LIFBoxCell(norse.LIFBoxParameters(**BOX, v_reset=torch.tensor(-0.2), v_leak=torch.tensor(0.1))),
        "snn.lif_box",
    ),
    "lif": (lambda n: norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.3))), "snn.lif"),
    "iaf": (lambda n: norse.IAFCell(), "snn.leaky"),
}


def prepared(network: nn.Module) -> nn.Module:
    """The network with weights that make it fire."""
    torch.manual_seed(2)
    for layer in (network.fc1, network.fc2):
        nn.init.normal_(layer.weight, 0.3, 1.0)
        nn.init.normal_(layer.bias, 0.1, 0.3)
    return network.eval()


def imported(network: nn.Module, dynamo: bool) -> Module:
    """The module of the network's ONNX file."""
    shape = (1, STEPS, 4) if network.timed else (1, 4)
    module = read_onnx(exported(network, torch.rand(shape), dynamo))
    assert not verify(module)
    return module


BY_OLDER = [(kind, False, False) for kind in FOUND if kind != "iaf"]
BY_NEWER = [(kind, True, True) for kind in FOUND if not kind.endswith("at once")]
"""Neither exporter writes all of them: the older none of IAFCell, the newer none with reset_delay=False."""


@pytest.mark.parametrize(("kind", "timed", "dynamo"), BY_OLDER + BY_NEWER)
def test_neurons_are_found_again(kind: str, timed: bool, dynamo: bool) -> None:
    make, mnemonic = FOUND[kind]
    network = prepared(Net(make, timed=timed))
    module = imported(network, dynamo)
    assert [op.mnemonic for op in module.net.ops if isinstance(op, Neuron)] == [mnemonic] * 2
    x = torch.rand((200, STEPS, 4) if timed else (200, 4)) * 2
    with torch.no_grad():
        wanted = network(x).numpy()
    (got,) = run(module, x.numpy()).values()
    assert len(np.unique(wanted)) > 2
    assert (got == wanted).mean() > 0.99


@pytest.mark.parametrize("dynamo", [False, True])
def test_values_of_all_steps_need_a_read_out(dynamo: bool) -> None:
    network = prepared(Net(FOUND["leaky"][0], read="both"))
    file = exported(network, torch.rand(1, 4), dynamo)
    x = torch.rand(50, 4) * 2
    with torch.no_grad():
        spikes, membranes = (made.numpy() for made in network(x))
    with pytest.raises(DiagnosticError, match="AKC0379"):
        read_onnx(file)
    for readout, wanted in (("count", spikes.sum(0)), ("membrane", membranes.mean(0)), ("last", membranes[-1])):
        (got,) = run(read_onnx(file, readout=readout), x.numpy()).values()
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    (got,) = run(read_onnx(file, readout="none"), x.numpy()).values()
    np.testing.assert_array_equal(got, spikes.transpose(1, 0, 2))


OTHERS: dict[str, Callable[[int], nn.Module]] = {
    "alpha": lambda n: snn.Alpha(alpha=0.9, beta=0.8),
    "threshold that moves": lambda n: norse.LSNNCell(),
    "exponential": lambda n: norse.LIFExCell(),
}


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_other_neurons_are_refused_with_advice(kind: str, dynamo: bool) -> None:
    module = imported(prepared(Net(OTHERS[kind])), dynamo)
    assert {op.op for op in module.net.ops if isinstance(op, Opaque)} == {"unrolled spiking neuron"}
