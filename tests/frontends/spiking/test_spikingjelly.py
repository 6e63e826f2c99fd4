# SPDX-License-Identifier: Apache-2.0
"""Live SpikingJelly networks against the package's own answers, in both step modes; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import encoding, functional, layer, neuron
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.sim.run import run
from tests.frontends.spiking.networks import inputs, on_grid

T, SAMPLES = 8, 12

OLD = not hasattr(neuron, "NonSpikingIFNode")
"""Whether this is 0.0.0.0.14 (`make spikingjelly`), which has fewer classes, and a tdBN that does not run."""

CELLS: dict[str, Callable[[], Any]] = {
    "if": lambda: neuron.IFNode(),
    "if soft": lambda: neuron.IFNode(v_reset=None),
    "lif": lambda: neuron.LIFNode(tau=2.0),
    "lif soft": lambda: neuron.LIFNode(tau=2.0, v_reset=None),
    "lif undivided": lambda: neuron.LIFNode(tau=4.0, v_reset=-0.5, decay_input=False),
    "lif undivided soft": lambda: neuron.LIFNode(tau=2.0, v_reset=None, decay_input=False),
    "parametric": lambda: neuron.ParametricLIFNode(init_tau=2.0),
    "parametric soft": lambda: neuron.ParametricLIFNode(init_tau=2.0, v_reset=None, decay_input=False),
}

MULTI: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "repeat": lambda net, x: net(x.unsqueeze(0).repeat(T, *[1] * x.dim())).mean(0),
    "time first": lambda net, x: net(x).sum(0),
    "batch first": lambda net, x: net(x.transpose(0, 1)).mean(0),
    "last": lambda net, x: net(x)[-1],
}
SINGLE: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "accumulated": lambda net, x: sum((net(x) for _ in range(1, T)), net(x)) / T,
    "indexed": lambda net, x: torch.stack([net(x[t]) for t in range(T)]).mean(0),
}


class Net(nn.Module):
    """Layers in a step mode, read in a way."""

    def __init__(self, layers: list[nn.Module], mode: str, read: Callable[..., Any], gain: float = 6.0) -> None:
        super().__init__()
        self.net, self.read = on_grid(nn.Sequential(*layers), gain), read
        functional.set_step_mode(self.net, mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self.net)
        return self.read(self.net, x)


def vectors(cell: Callable[[], Any]) -> list[nn.Module]:
    torch.manual_seed(0)
    return [layer.Linear(20, 16), cell(), layer.Linear(16, 4), cell()]


def maps(cell: Callable[[], Any]) -> list[nn.Module]:
    torch.manual_seed(0)
    return [layer.Conv2d(2, 4, 3, padding=1), layer.BatchNorm2d(4), cell(), layer.MaxPool2d(2), layer.Conv2d(4, 6, 3),
            cell(), layer.AvgPool2d(2, 1), layer.Flatten(), layer.Dropout(0.5), layer.Linear(6, 4), cell()]  # fmt: skip


def same_answers(net: nn.Module, how: str, shape: tuple[int, ...], share: float = 1.0) -> None:
    """The imported network gives the package's answers; some spikes, not all."""
    net.eval()
    timed = inputs(T, SAMPLES, *shape)
    ours, example = {
        "repeat": (timed[0], (1, *shape)),
        "accumulated": (timed[0], (1, *shape)),
        "batch first": (timed.transpose(0, 1), (1, T, *shape)),
    }.get(how, (timed.transpose(0, 1), (T, 1, *shape)))
    theirs = ours if how in ("repeat", "accumulated", "batch first") else timed
    with torch.no_grad():
        wanted = net(theirs).numpy()
    module = akc.lower(net, example=example, input_range=(0.0, 1.0), pipeline="")
    got = next(iter(run(module, np.ascontiguousarray(ours.numpy())).values()))
    assert np.abs(wanted).mean() > 0 and (how == "time first" or wanted.mean() < 1)
    same = np.isclose(got.reshape(wanted.shape), wanted, atol=1e-6)
    assert same.mean() >= share


@pytest.mark.parametrize("how", [*MULTI, *SINGLE])
@pytest.mark.parametrize("cell", CELLS)
def test_dense_networks(cell: str, how: str) -> None:
    mode, read = ("m", MULTI[how]) if how in MULTI else ("s", SINGLE[how])
    same_answers(Net(vectors(CELLS[cell]), mode, read), how, (20,))


@pytest.mark.parametrize("how", [*MULTI, *SINGLE])
@pytest.mark.parametrize("cell", ["if soft", "lif", "parametric"])
def test_convolutions(cell: str, how: str) -> None:
    mode, read = ("m", MULTI[how]) if how in MULTI else ("s", SINGLE[how])
    same_answers(Net(maps(CELLS[cell]), mode, read), how, (2, 8, 8))


def test_containers_and_threshold_dependent_norms() -> None:
    torch.manual_seed(0)
    norm = layer.BatchNorm2d(5) if OLD else layer.ThresholdDependentBatchNorm2d(1.0, 1.0, 5)
    layers = [
        layer.SeqToANNContainer(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)), CELLS["lif"](), layer.Conv2d(4, 5, 3), norm,
        CELLS["if soft"](), layer.Flatten(), layer.Linear(80, 4), CELLS["if"](),
    ]  # fmt: skip
    net = Net(layers, "m", MULTI["repeat"], 4.0)
    for part in net.modules():
        for weight in part.parameters(recurse=False):
            weight.data += 1e-3 * torch.randn_like(weight)  # off the grid: norms move potentials to the threshold
    same_answers(net, "repeat", (2, 8, 8), share=0.97)


@pytest.mark.parametrize("decode", ["max-mem", "mean-mem", "last_mem"])
@pytest.mark.parametrize("kind", [] if OLD else ["if", "lif"])
def test_potentials_as_read_outs(kind: str, decode: str) -> None:
    last = neuron.NonSpikingIFNode(decode) if kind == "if" else neuron.NonSpikingLIFNode(2.0, decode)
    layers = [*vectors(CELLS["lif"])[:3], last]
    same_answers(Net(layers, "m", lambda net, x: net(x)), "time first", (20,))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "KLIFNode": (lambda: neuron.KLIFNode(), "AKC0372"),
    "QIFNode": (lambda: neuron.QIFNode(), "AKC0372"),
    "EIFNode": (lambda: neuron.EIFNode(), "AKC0372"),
    "IzhikevichNode": (lambda: neuron.IzhikevichNode(), "AKC0372"),
    **({} if OLD else {"STBIFNode": (lambda: neuron.STBIFNode(q_threshold=1.0, level=4), "AKC0372")}),
    "LinearRecurrentContainer": (
        lambda: layer.LinearRecurrentContainer(neuron.IFNode(), in_features=16, out_features=16, bias=False),
        "AKC0371",
    ),
    "Delay": (lambda: layer.Delay(2), "AKC0375"),
    "PoissonEncoder": (lambda: encoding.PoissonEncoder(), "AKC0393"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_chip_has_not_is_refused_by_name(name: str) -> None:
    make, code = REFUSED[name]
    net = Net([*vectors(CELLS["lif"])[:2], make()], "s", SINGLE["accumulated"])
    with pytest.raises(DiagnosticError, match=name) as refused:
        akc.lower(net.eval(), example=(1, 20), pipeline="")
    assert [d.code for d in refused.value.diagnostics] == [code]


@pytest.mark.parametrize("heads", [] if OLD else [2])
def test_spiking_self_attention_is_refused_by_name(heads: int) -> None:
    net = Net([layer.SpikingSelfAttention(16, heads)], "m", MULTI["time first"])
    with pytest.raises(DiagnosticError, match="SpikingSelfAttention") as refused:
        akc.lower(net.eval(), example=(T, 1, 16, 16), pipeline="")
    assert "AKC0331" in {d.code for d in refused.value.diagnostics}


def test_a_class_of_the_same_name_is_no_neuron() -> None:
    """A user's own module called LIFNode is an ordinary module, in a network with real ones."""

    class LIFNode(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x)

    layers = [*vectors(CELLS["lif"])[:2], layer.Linear(16, 8), LIFNode(), layer.Linear(8, 4), neuron.IFNode()]
    same_answers(Net(layers, "s", SINGLE["accumulated"]), "accumulated", (20,))


def test_networks_build() -> None:
    net = Net(vectors(CELLS["if soft"]), "m", MULTI["repeat"]).eval()
    x = inputs(60, 20).numpy()
    program = akc.build(akc.lower(net, example=(1, 20), calibrate=x, least=0.0))
    assert len(program.sequences) == 1
