# SPDX-License-Identifier: Apache-2.0
"""BindsNET networks, saved by classes of the same names and attributes as BindsNET 0.3.4's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from akc.diagnostics import DiagnosticError
from akc.frontends.bindsnet import ROWS, read_bindsnet
from akc.frontends.spiking import SpikingOptions
from akc.frontends.statedict import read_statedict
from akc.sim.run import run
from tests.frontends.snn.networks import answer

NAMES = {
    "bindsnet.network.network": ("Network",),
    "bindsnet.network.nodes": (*ROWS, "Input"),
    "bindsnet.network.topology": (
        "Connection",
        "Conv2dConnection",
        "MaxPool2dConnection",
        "LocalConnection",
        "MulticompartmentConnection",
    ),
    "bindsnet.network.topology_features": ("Weight", "Mask"),
}


PACKAGES = ("bindsnet", "bindsnet.network")


@pytest.fixture
def bindsnet() -> Iterator[dict[str, Any]]:
    """Classes that pickle under BindsNET's names; the modules are gone again afterwards, before anything is read."""
    classes: dict[str, Any] = {}
    sys.modules |= {path: ModuleType(path) for path in PACKAGES}
    for path, names in NAMES.items():
        module = ModuleType(path)
        for name in names:
            made = type(name, (nn.Module,), {"__module__": path})
            setattr(module, name, made)
            classes[name] = made
        sys.modules[path] = module
    yield classes
    for path in (*PACKAGES, *NAMES):
        sys.modules.pop(path, None)


def node(kind: Any, shape: tuple[int, ...], **values: Any) -> Any:
    """A population with buffers and plain attributes."""
    made = kind()
    made.n, made.shape, made.dt = int(np.prod(shape)), list(shape), 1.0
    for key, value in values.items():
        if isinstance(value, float):
            made.register_buffer(key, torch.tensor(value))
        elif hasattr(value, "detach"):
            made.register_buffer(key, value)
        else:
            setattr(made, key, value)
    made.register_buffer("s", torch.zeros(1, *shape, dtype=torch.bool))
    return made


LIF = {"thresh": -52.0, "rest": -65.0, "reset": -60.0, "refrac": 5.0, "tc_decay": 100.0, "lbound": None}


def connection(kind: Any, source: Any, target: Any, **values: Any) -> Any:
    """A connection with its weights as parameters."""
    made = kind()
    made.source, made.target = source, target
    for key, value in values.items():
        if hasattr(value, "detach"):
            made.register_parameter(key, nn.Parameter(value, requires_grad=False))
        else:
            setattr(made, key, value)
    return made


def network(classes: dict[str, Any], layers: dict[str, Any], connections: dict[tuple[str, str], Any]) -> Any:
    """A Network with everything registered as BindsNET does."""
    made = classes["Network"]()
    made.dt, made.layers, made.connections, made.monitors = 1.0, layers, connections, {}
    for name, layer in layers.items():
        made.add_module(name, layer)
    for (a, b), each in connections.items():
        made.add_module(f"{a}_to_{b}", each)
    return made


def saved(tmp_path: Path, thing: Any) -> str:
    """The file, its classes forgotten."""
    path = tmp_path / "net.bindsnet.pt"
    torch.save(thing, path)
    for name in (*PACKAGES, *NAMES):
        sys.modules.pop(name, None)
    return str(path)


def chain(c: dict[str, Any], weight: torch.Tensor, second: torch.Tensor) -> Any:
    """Input, LIF, IF."""
    x, y = node(c["Input"], (weight.shape[0],)), node(c["LIFNodes"], (weight.shape[1],), **LIF)
    z = node(c["IFNodes"], (second.shape[1],), thresh=-60.0, reset=-65.0, refrac=2.0, lbound=None)
    bias = torch.full((second.shape[1],), 0.5)
    links = {("X", "Y"): connection(c["Connection"], x, y, w=weight, b=None),
             ("Y", "Z"): connection(c["Connection"], y, z, w=second, b=bias)}  # fmt: skip
    return network(c, {"X": x, "Y": y, "Z": z}, links)


def expected(x: np.ndarray, weight: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spikes of `chain` by BindsNET's equations, one step after the other."""
    decay = np.exp(np.float32(-1 / 100), dtype=np.float32)
    v, w1 = np.full(weight.shape[1], -65, np.float32), np.zeros(weight.shape[1])
    u, w2 = np.full(second.shape[1], -65, np.float32), np.zeros(second.shape[1])
    out = []
    for spikes in x:
        v = decay * (v + np.float32(65)) - np.float32(65)
        v, w1 = v + np.where(w1 > 0, 0, spikes @ weight).astype(np.float32), w1 - 1
        s = v >= -52
        v, w1 = np.where(s, np.float32(-60), v), np.where(s, 5, w1)
        u, w2 = u + np.where(w2 > 0, 0, s.astype(np.float32) @ second + np.float32(0.5)).astype(np.float32), w2 - 1
        t = u >= -60
        u, w2 = np.where(t, np.float32(-65), u), np.where(t, 2, w2)
        out.append(t)
    return np.array(out, np.float32)


def test_chain_gives_bindsnets_spikes(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = (torch.rand(20, 16, generator=generator) * 320).round() / 64
    second = (torch.rand(16, 4, generator=generator) * 320).round() / 64
    x = (torch.rand(1, 40, 20, generator=generator) < 0.3).float().numpy()
    options = SpikingOptions(steps=40, readout="none")
    made = chain(bindsnet, weight, second)
    torch.save(made.state_dict(), tmp_path / "state.pt")
    module = read_bindsnet(saved(tmp_path, made), options)
    wanted = expected(x[0], weight.numpy(), second.numpy())
    assert wanted.sum() > 10
    np.testing.assert_array_equal(run(module, x)["Z"][0], wanted)
    again = read_statedict(str(tmp_path / "state.pt"), options)
    np.testing.assert_array_equal(run(again, x)["Z"][0], wanted)
    assert any("does not hold the class" in n.message for n in options.notes)


def test_convolution_and_learned_thresholds(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    c = bindsnet
    theta = torch.linspace(0, 5, 4)[:, None, None].expand(4, 6, 6).contiguous()
    x, y = node(c["Input"], (1, 8, 8)), node(c["AdaptiveLIFNodes"], (4, 6, 6), theta=theta, **LIF)
    link = connection(
        c["Conv2dConnection"],
        x,
        y,
        w=torch.ones(4, 1, 3, 3),
        b=torch.zeros(4),
        kernel_size=(3, 3),
        stride=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
    )
    path = saved(tmp_path, network(c, {"X": x, "C": y}, {("X", "C"): link}))
    module = read_bindsnet(path, SpikingOptions(steps=9, readout="count"))
    neuron = next(op for op in module.net.ops if op.mnemonic == "snn.lif_nodes")
    np.testing.assert_allclose(module.array(neuron.thresh), -52 + theta[:, 0, 0].numpy())
    counts = answer(module, torch.ones(1, 9, 1, 8, 8))
    assert counts.shape == (1, 4, 6, 6)
    assert counts[0, 0].min() == 2


def diehl_and_cook(c: dict[str, Any], one_spike: bool = True) -> Any:
    """The network of Diehl and Cook 2015, as BindsNET builds it."""
    x = node(c["Input"], (25,))
    ae = node(c["DiehlAndCookNodes"], (9,), theta=torch.rand(9), one_spike=one_spike, **LIF)
    ai = node(c["LIFNodes"], (9,), **LIF)
    weight = c["Weight"]()
    weight.value = nn.Parameter(torch.rand(25, 9))
    links = {("X", "Ae"): connection(c["MulticompartmentConnection"], x, ae, pipeline=[weight]),
             ("Ae", "Ai"): connection(c["Connection"], ae, ai, w=22.5 * torch.eye(9)),
             ("Ai", "Ae"): connection(c["Connection"], ai, ae, w=-17.5 * (1 - torch.eye(9)))}  # fmt: skip
    return network(c, {"X": x, "Ae": ae, "Ai": ai}, links)


def test_diehl_and_cook_needs_two_concessions(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path, diehl_and_cook(bindsnet))
    for accept, code in (((), "AKC0371"), (("lateral",), "AKC0374")):
        with pytest.raises(DiagnosticError) as caught:
            read_bindsnet(path, SpikingOptions(steps=9, readout="count", accept=accept))
        assert caught.value.diagnostics[0].code == code
    options = SpikingOptions(steps=9, readout="count", accept=("lateral", "one-spike"))
    module = read_bindsnet(path, options)
    assert module.net.output_types[0].shape == (9,)
    assert "dropped" in options.notes[0].message


Made = Callable[[dict[str, Any]], Any]


def pair(c: dict[str, Any], kind: str, link: str = "Connection", **values: Any) -> Any:
    """Input and one population of a class."""
    x, y = node(c["Input"], (4,)), node(c[kind], (3,), **{**LIF, **values})
    return network(c, {"X": x, "Y": y}, {("X", "Y"): connection(c[link], x, y, w=torch.ones(4, 3))})


REFUSED: dict[str, tuple[Made, str, str]] = {
    "izhikevich": (lambda c: pair(c, "IzhikevichNodes"), "AKC0372", "IzhikevichNodes"),
    "srm0": (lambda c: pair(c, "SRM0Nodes"), "AKC0376", "at random"),
    "csrm": (lambda c: pair(c, "CSRMNodes"), "AKC0372", "kernel"),
    "local": (lambda c: pair(c, "LIFNodes", "LocalConnection"), "AKC0378", "own weights at every place"),
    "max pool": (lambda c: pair(c, "LIFNodes", "MaxPool2dConnection"), "AKC0372", "running firing rates"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind: str, bindsnet: dict[str, Any], tmp_path: Path) -> None:
    make, code, words = REFUSED[kind]
    with pytest.raises(DiagnosticError) as caught:
        read_bindsnet(saved(tmp_path, make(bindsnet)), SpikingOptions(steps=3, readout="count"))
    assert caught.value.diagnostics[0].code == code
    assert words in caught.value.diagnostics[0].message


class Malicious:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_a_network_with_code_in_it_is_refused_and_does_not_run(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    made = pair(bindsnet, "LIFNodes")
    made.note = Malicious(f"touch {marker}")
    path = saved(tmp_path, made)
    for read in (read_bindsnet, read_statedict):
        with pytest.raises(DiagnosticError, match="could run code") as caught:
            read(path, SpikingOptions(steps=3, readout="count"))
        assert caught.value.diagnostics[0].code == "AKC0382"
    assert not marker.exists()
