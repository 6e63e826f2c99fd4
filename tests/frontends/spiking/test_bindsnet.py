# SPDX-License-Identifier: Apache-2.0
"""BindsNET networks, saved by classes of the same names and attributes as BindsNET 0.3.4's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.bindsnet import ROWS, read_bindsnet
from akc.frontends.spiking.bindsnet_connections import APPENDERS, FEATURE_REFUSALS, FEATURES, IDLE_FEATURES
from akc.frontends.spiking.bindsnet_connections import REFUSED as REFUSED_CONNECTIONS
from akc.frontends.spiking.reader import SpikingOptions
from akc.frontends.spiking.weights import read_statedict
from akc.sim.run import run
from tests.frontends.spiking.networks import answer

NAMES = {
    "bindsnet.network.network": ("Network",),
    "bindsnet.network.nodes": (*ROWS, "Input"),
    "bindsnet.network.topology": (
        *APPENDERS,
        *REFUSED_CONNECTIONS,
    ),
    "bindsnet.network.topology_features": (*FEATURES, *FEATURE_REFUSALS, *IDLE_FEATURES, "Degradation"),
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


def test_random_chains(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    """Twenty chains of random sizes and weights, each for a random time."""
    paths = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        sizes, steps = [int(n) for n in draw.integers(2, 30, 3)], int(draw.integers(10, 60))
        weights = [torch.tensor(np.round(draw.uniform(-1, 5, pair) * 64) / 64).float() for pair in pairwise(sizes)]
        torch.save(chain(bindsnet, *weights), tmp_path / f"{seed}.bindsnet.pt")
        paths.append((tmp_path / f"{seed}.bindsnet.pt", steps, weights))
    saved(tmp_path, None)
    fired = 0
    for seed, (path, steps, weights) in enumerate(paths):
        x = (np.random.default_rng(seed).random((1, steps, len(weights[0]))) < 0.3).astype(np.float32)
        wanted = expected(x[0], *(w.numpy() for w in weights))
        module = read_bindsnet(str(path), SpikingOptions(steps=steps, readout="none"))
        np.testing.assert_array_equal(run(module, x)["Z"][0], wanted, err_msg=f"seed {seed}")
        fired += wanted.any()
    assert fired >= 15


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


def feature(c: dict[str, Any], kind: str, value: torch.Tensor) -> Any:
    """One feature of a pipeline."""
    made = c[kind]()
    made.value = nn.Parameter(value.float(), requires_grad=False)
    return made


def piped(c: dict[str, Any], *kinds: str) -> Any:
    """Input and one population behind a pipeline."""
    x, y = node(c["Input"], (4,)), node(c["LIFNodes"], (3,), **LIF)
    pipeline = [feature(c, kind, torch.rand(4, 3) * 8) for kind in ("Weight", *kinds)]
    link = connection(c["MulticompartmentConnection"], x, y, pipeline=pipeline)
    return network(c, {"X": x, "Y": y}, {("X", "Y"): link})


def two_inputs(c: dict[str, Any]) -> Any:
    """Two inputs of one population."""
    x, z, y = node(c["Input"], (4,)), node(c["Input"], (4,)), node(c["LIFNodes"], (3,), **LIF)
    links = {(n, "Y"): connection(c["Connection"], a, y, w=torch.ones(4, 3)) for n, a in (("X", x), ("Z", z))}
    return network(c, {"X": x, "Z": z, "Y": y}, links)


def branches(c: dict[str, Any]) -> Any:
    """An input of two populations."""
    x, y, z = node(c["Input"], (4,)), node(c["LIFNodes"], (3,), **LIF), node(c["LIFNodes"], (3,), **LIF)
    links = {("X", n): connection(c["Connection"], x, b, w=torch.ones(4, 3)) for n, b in (("Y", y), ("Z", z))}
    return network(c, {"X": x, "Y": y, "Z": z}, links)


REFUSED: dict[str, tuple[Made, str, str]] = {
    "izhikevich": (lambda c: pair(c, "IzhikevichNodes"), "AKC0372", "IzhikevichNodes"),
    "srm0": (lambda c: pair(c, "SRM0Nodes"), "AKC0376", "at random"),
    "csrm": (lambda c: pair(c, "CSRMNodes"), "AKC0372", "kernel"),
    "local": (lambda c: pair(c, "LIFNodes", "LocalConnection3D"), "AKC0378", "own weights at every place"),
    "mean field": (lambda c: pair(c, "LIFNodes", "MeanFieldConnection"), "AKC0386", "MeanFieldConnection"),
    "probability": (lambda c: piped(c, "Probability"), "AKC0376", "at random"),
    "history": (lambda c: piped(c, "AdaptationBaseSynapsHistory"), "AKC0372", "remembers"),
    "degradation": (lambda c: piped(c, "Degradation"), "AKC0386", "Degradation"),
    "two inputs": (lambda c: two_inputs(c), "AKC0394", "2 Input layers"),
    "branches": (lambda c: branches(c), "AKC0394", "feeds several layers (X_to_Y, X_to_Z)"),
    "max pool": (lambda c: pair(c, "LIFNodes", "MaxPool2dConnection"), "AKC0372", "running firing rates"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind: str, bindsnet: dict[str, Any], tmp_path: Path) -> None:
    make, code, words = REFUSED[kind]
    with pytest.raises(DiagnosticError) as caught:
        read_bindsnet(saved(tmp_path, make(bindsnet)), SpikingOptions(steps=3, readout="count"))
    assert caught.value.diagnostics[0].code == code
    assert words in caught.value.diagnostics[0].message


def currents_fire(currents: torch.Tensor) -> np.ndarray:
    """Spikes of LIF nodes by BindsNET's equations, [T, n] currents."""
    decay = np.exp(np.float32(-1 / 100), dtype=np.float32)
    v, waits, out = np.full(currents.shape[1], -65, np.float32), np.zeros(currents.shape[1]), []
    for current in currents.numpy():
        v = decay * (v + np.float32(65)) - np.float32(65) + np.where(waits > 0, 0, current).astype(np.float32)
        waits = waits - 1
        s = v >= -52
        v, waits = np.where(s, np.float32(-60), v), np.where(s, 5, waits)
        out.append(s)
    return np.array(out, np.float32)


def unshared(x: torch.Tensor, w: torch.Tensor, axes: int, size: int, stride: int) -> torch.Tensor:
    """What LocalConnection1D and 2D compute, by unfolding."""
    windows = x.unfold(-2, size, stride).unfold(-2, size, stride) if axes == 2 else x.unfold(-1, size, stride)
    cells = windows.reshape(x.shape[0], x.shape[1], -1, size**axes)
    return (cells.repeat(1, 1, w.shape[1] // cells.shape[2], 1) * w).sum(-1).sum(1)


LOCAL = {"LocalConnection1D": ((2, 9), (3, 4), 3), "LocalConnection2D": ((2, 7, 7), (3, 3, 3), 9)}
"""Shapes of input and target, cells of a window of 3 with stride 2."""


@pytest.mark.parametrize("kind", LOCAL)
def test_unshared_kernels_become_one_matrix(kind: str, bindsnet: dict[str, Any], tmp_path: Path) -> None:
    shape, target, cells = LOCAL[kind]
    generator, places = torch.Generator().manual_seed(2), int(np.prod(target))
    w = (torch.rand(shape[0], places, cells, generator=generator) * 480).round() / 64
    x, y = node(bindsnet["Input"], shape), node(bindsnet["LIFNodes"], target, **LIF)
    link = connection(bindsnet[kind], x, y, w=w, kernel_size=3, stride=2)
    path = saved(tmp_path, network(bindsnet, {"X": x, "Y": y}, {("X", "Y"): link}))
    module = read_bindsnet(path, SpikingOptions(steps=40, readout="none"))
    spikes = (torch.rand(40, *shape, generator=generator) < 0.3).float()
    wanted = currents_fire(unshared(spikes, w, len(shape) - 1, 3, 2))
    assert 0.05 < wanted.mean() < 0.5
    got = run(module, spikes[None].numpy())["Y"][0].reshape(40, -1)
    assert (got == wanted).mean() > 0.99


def test_features_of_a_pipeline(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(3)
    weight = (torch.rand(20, 8, generator=generator) * 320).round() / 64
    mask, bias = torch.rand(20, 8, generator=generator) < 0.6, torch.full((20, 8), 1 / 64)
    x, y = node(bindsnet["Input"], (20,)), node(bindsnet["LIFNodes"], (8,), **LIF)
    pipeline = [feature(bindsnet, k, v) for k, v in (("Bias", bias), ("Weight", weight), ("Mask", mask))]
    link = connection(bindsnet["MulticompartmentConnection"], x, y, pipeline=[*pipeline, bindsnet["Normalization"]()])
    path = saved(tmp_path, network(bindsnet, {"X": x, "Y": y}, {("X", "Y"): link}))
    module = read_bindsnet(path, SpikingOptions(steps=40, readout="none"))
    spikes = (torch.rand(40, 20, generator=generator) < 0.3).float()
    wanted = currents_fire(spikes @ (weight * mask) + (bias * weight * mask).sum(0))
    assert (run(module, spikes[None].numpy())["Y"][0] == wanted).mean() > 0.99


def test_pools_by_rate_are_pools_where_the_user_says_so(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    x, y = node(bindsnet["Input"], (2, 6, 6)), node(bindsnet["McCullochPitts"], (2, 3, 3), thresh=1.0)
    link = connection(bindsnet["MaxPool2dConnection"], x, y, kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))
    path = saved(tmp_path, network(bindsnet, {"X": x, "Y": y}, {("X", "Y"): link}))
    options = SpikingOptions(steps=5, readout="count", accept=("rate-pooling",))
    module = read_bindsnet(path, options)
    assert any("largest of each window" in note.message for note in options.notes)
    spikes = (torch.rand(1, 5, 2, 6, 6) < 0.2).float()
    np.testing.assert_array_equal(answer(module, spikes), nn.functional.max_pool2d(spikes[0], 2).sum(0)[None].numpy())


def test_sparse_weights(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    weight = (torch.rand(20, 6) * 8).round() * (torch.rand(20, 6) < 0.4)
    x, y = node(bindsnet["Input"], (20,)), node(bindsnet["LIFNodes"], (6,), **LIF)
    link = connection(bindsnet["SparseConnection"], x, y, w=weight.to_sparse(), b=None)
    made = network(bindsnet, {"X": x, "Y": y}, {("X", "Y"): link})
    torch.save(made.state_dict(), tmp_path / "state.pt")
    options = SpikingOptions(steps=20, readout="count")
    for module in (read_bindsnet(saved(tmp_path, made), options), read_statedict(str(tmp_path / "state.pt"), options)):
        (dense,) = [op for op in module.net.ops if op.mnemonic == "nn.dense"]
        np.testing.assert_array_equal(module.array(dense.weight), weight.numpy().T)


def test_kernels_of_a_state_dict(bindsnet: dict[str, Any], tmp_path: Path) -> None:
    """Stride 1 and a border that fits are taken; of other windows the file says too little."""
    for target, fits in (((4, 6, 6), True), ((4, 8, 8), True), ((4, 3, 3), False)):
        x, y = node(bindsnet["Input"], (1, 8, 8)), node(bindsnet["LIFNodes"], target, **LIF)
        link = connection(bindsnet["Conv2dConnection"], x, y, w=torch.ones(4, 1, 3, 3), b=torch.zeros(4))
        torch.save(network(bindsnet, {"X": x, "Y": y}, {("X", "Y"): link}).state_dict(), tmp_path / "state.pt")
        if fits:
            module = read_statedict(str(tmp_path / "state.pt"), SpikingOptions(steps=5, readout="count"))
            assert module.net.output_types[0].shape == target
            continue
        with pytest.raises(DiagnosticError, match="AKC0385"):
            read_statedict(str(tmp_path / "state.pt"), SpikingOptions(steps=5, readout="count"))


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
