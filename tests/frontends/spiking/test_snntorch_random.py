# SPDX-License-Identifier: Apache-2.0
"""Random snnTorch networks on random inputs: akc's simulator gives the framework's own spikes, every one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from safetensors.torch import save_file
from torch import nn

from akc.frontends.spiking.reader import SpikingOptions
from akc.frontends.spiking.snntorch import read_snntorch
from akc.frontends.spiking.weights import read_statedict
from tests.frontends.spiking.networks import answer, inputs, on_grid

RESETS = ("subtract", "zero", "none")
Draw = np.random.Generator


def per_neuron(draw: Draw, n: int, low: float, high: float) -> Any:
    """One number or one for each neuron, on a grid of 1/64."""
    values = np.round(draw.uniform(low, high, n if draw.random() < 0.5 else 1) * 64) / 64
    return float(values[0]) if len(values) == 1 else torch.tensor(values, dtype=torch.float32)


def common(draw: Draw, n: int) -> dict[str, Any]:
    """What all neurons take."""
    return {
        "threshold": per_neuron(draw, n, 0.3, 1.5),
        "reset_mechanism": str(draw.choice(RESETS)),
        "learn_threshold": bool(draw.random() < 0.3),
    }


def graded(draw: Draw, n: int) -> dict[str, Any]:
    """Now and then spikes of another height."""
    return {"graded_spikes_factor": per_neuron(draw, n, 0.5, 2.0)} if draw.random() < 0.3 else {}


def beta(draw: Draw, n: int) -> Any:
    """A decay; 0 and 1 are among them."""
    return float(draw.choice([0.0, 1.0])) if draw.random() < 0.2 else per_neuron(draw, n, 0.1, 0.98)


def leaky(draw: Draw, n: int) -> nn.Module:
    return snn.Leaky(beta(draw, n), reset_delay=bool(draw.random() < 0.5), **common(draw, n), **graded(draw, n))


def lapicque(draw: Draw, n: int) -> nn.Module:
    return snn.Lapicque(R=draw.choice([2.0, 5.0]), C=draw.choice([1.0, 2.0, 4.0]), time_step=1, **common(draw, n))


def synaptic(draw: Draw, n: int) -> nn.Module:
    delay = bool(draw.random() < 0.7)
    return snn.Synaptic(per_neuron(draw, n, 0.1, 0.9), beta(draw, n), reset_delay=delay, **common(draw, n))


def alpha(draw: Draw, n: int) -> nn.Module:
    return snn.Alpha(per_neuron(draw, n, 0.8, 0.95), per_neuron(draw, n, 0.3, 0.7), **common(draw, n))


def feedback(draw: Draw, n: int) -> dict[str, Any]:
    """A dense layer on the spikes, or one factor each."""
    if draw.random() < 0.5:
        return {"linear_features": n}
    return {"V": torch.tensor(np.round(draw.uniform(-1, 1, n) * 64) / 64, dtype=torch.float32), "all_to_all": False}


def rleaky(draw: Draw, n: int) -> nn.Module:
    delay = bool(draw.random() < 0.5)
    return snn.RLeaky(beta(draw, n), reset_delay=delay, **feedback(draw, n), **common(draw, n))


def rsynaptic(draw: Draw, n: int) -> nn.Module:
    return snn.RSynaptic(per_neuron(draw, n, 0.1, 0.9), beta(draw, n), **feedback(draw, n), **common(draw, n))


NEURONS: dict[str, Callable[[Draw, int], nn.Module]] = {
    "Leaky": leaky,
    "Lapicque": lapicque,
    "Synaptic": synaptic,
    "Alpha": alpha,
    "RLeaky": rleaky,
    "RSynaptic": rsynaptic,
}
STATES = {"Leaky": 1, "Lapicque": 1, "Synaptic": 2, "Alpha": 3, "RLeaky": 2, "RSynaptic": 3}


class Chain(nn.Module):
    """Dense layers with a neuron behind each; every step of the input, or the same input at every step."""

    def __init__(self, sizes: list[int], neurons: list[nn.Module], steps: int, timed: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.neurons = nn.ModuleList(neurons)
        self.steps, self.timed = steps, timed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = [tuple(neuron.reset_mem()) if isinstance(made := neuron.reset_mem(), tuple) else (made,)
                  for neuron in self.neurons]  # fmt: skip
        out = []
        for t in range(self.steps):
            value = x[t] if self.timed else x
            for i, (layer, neuron) in enumerate(zip(self.layers, self.neurons)):
                value, *rest = neuron(layer(value), *states[i])
                states[i] = (value, *rest) if type(neuron).__name__.startswith("R") else tuple(rest)
            out.append(value)
        return torch.stack(out)


def toml(network: Chain) -> str:
    """What a weights file does not hold: the order, and reset_delay."""
    lines = [f"input = [{network.layers[0].in_features}]"]
    for i, neuron in enumerate(network.neurons):
        lines += ["[[layer]]", f'name = "layers.{i}"', 'type = "dense"']
        lines += ["[[layer]]", f'name = "neurons.{i}"', f'type = "snn.{type(neuron).__name__}"']
        if hasattr(neuron, "reset_delay"):
            lines.append(f"reset_delay = {str(neuron.reset_delay).lower()}")
    return "\n".join(lines)


def save_model_weights(state: dict[str, torch.Tensor], path: Path) -> None:
    """A .safetensors file; it takes no tensor twice, as one-to-one feedback has it."""
    save_file({key: value.clone() for key, value in state.items()}, path)


def one_network(seed: int, kind: str, folder: Path) -> float:
    """Make it, read it live and as weights, run all on the same random inputs; gives the share of values not 0."""
    draw = np.random.default_rng(seed)
    torch.manual_seed(seed)
    sizes = [int(n) for n in draw.integers(3, 24, draw.integers(2, 5))]
    neurons = [NEURONS[kind if i == 0 else str(draw.choice(list(NEURONS)))](draw, n) for i, n in enumerate(sizes[1:])]
    steps, timed = int(draw.integers(2, 12)), bool(draw.random() < 0.5)
    network = Chain(sizes, neurons, steps, timed).eval()
    on_grid(network.layers, 4.0)
    for neuron in network.neurons:
        on_grid(neuron.recurrent, 2.0) if hasattr(neuron, "recurrent") else None
    shape = (steps, 1, sizes[0]) if timed else (1, sizes[0])
    module = read_snntorch(network, shape, SpikingOptions(readout="none"))
    x = inputs(*((steps, 7, sizes[0]) if timed else (7, sizes[0])), seed=seed, gain=2.0)
    wanted = network(x).transpose(0, 1).detach().numpy()
    got = answer(module, x.transpose(0, 1) if timed else x)
    assert (got == wanted).all(), f"seed {seed}: {(got != wanted).sum()} of {got.size} values differ"
    (folder / "net.toml").write_text(toml(network))
    path = folder / f"net.{draw.choice(['pt', 'safetensors'])}"
    (torch.save if path.suffix == ".pt" else save_model_weights)(network.state_dict(), path)
    coding = "spikes" if timed else "direct"
    options = SpikingOptions(readout="none", steps=steps, coding=coding, topology=str(folder / "net.toml"))
    stored = answer(read_statedict(str(path), options), x.transpose(0, 1) if timed else x)
    assert (stored == wanted).all(), f"seed {seed} from {path.name}: {(stored != wanted).sum()} values differ"
    return float((wanted != 0).mean())


@pytest.mark.parametrize("kind", NEURONS)
def test_chains_live_and_as_weights(kind: str, tmp_path: Path) -> None:
    """Every class at the front of 15 networks; the layers behind are of any class."""
    active = [one_network(1000 * list(NEURONS).index(kind) + seed, kind, tmp_path) for seed in range(15)]
    assert sum(0.05 < share < 0.95 for share in active) >= 8


OVER_TIME: dict[str, Callable[[Draw, int, int], nn.Module]] = {
    "LeakyParallel": lambda draw, a, b: snn.LeakyParallel(
        a, b, beta=float(draw.choice([0.25, 0.5, 0.75])), bias=bool(draw.random() < 0.5),
        threshold=per_neuron(draw, b, 0.3, 1.5)),
    "LinearLeaky": lambda draw, a, b: snn.LinearLeaky(
        per_neuron(draw, b, 0.1, 0.9), a, b, output=True, threshold=per_neuron(draw, b, 0.3, 1.5)),
}  # fmt: skip


@pytest.mark.parametrize("kind", OVER_TIME)
def test_neurons_that_take_all_steps_at_once(kind: str) -> None:
    for seed in range(10):
        draw = np.random.default_rng(seed)
        torch.manual_seed(seed)
        a, b, steps = (int(n) for n in draw.integers(3, 16, 3))
        network = on_grid(OVER_TIME[kind](draw, a, b), 4.0).eval()
        module = read_snntorch(network, (steps, 1, a), SpikingOptions(readout="count"))
        x = inputs(steps, 5, a, seed=seed, gain=2.0)
        made = network(x)
        spikes = made[0] if isinstance(made, tuple) else made
        wanted = spikes.sum(0).detach().numpy()
        assert np.abs(answer(module, x.transpose(0, 1)) - wanted).max() <= (0 if kind == "LeakyParallel" else 1)


class Hidden(nn.Module):
    """Convolutions with neurons that keep their own state; one step of the network."""

    def __init__(self, draw: Draw) -> None:
        super().__init__()
        channels = [int(n) for n in draw.integers(1, 5, 3)]
        kernels, pads = draw.choice([1, 3], 2), draw.integers(0, 2, 2)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, int(k), padding=int(p)) for (a, b), k, p in zip(pairwise(channels), kernels, pads)
        )
        self.neurons = nn.ModuleList(
            snn.Leaky(per_neuron(draw, 1, 0.3, 0.9), init_hidden=True, output=i == 1, **common(draw, 1))
            for i in range(2)
        )

    def forward(self, x: torch.Tensor) -> Any:
        return self.neurons[1](self.layers[1](nn.functional.max_pool2d(self.neurons[0](self.layers[0](x)), 2)))[0]


def test_convolutions_that_keep_their_state() -> None:
    for seed in range(10):
        draw = np.random.default_rng(seed)
        torch.manual_seed(seed)
        network = Hidden(draw).eval()
        on_grid(network.layers, 3.0)
        shape = (network.layers[0].in_channels, 9, 8)
        options = SpikingOptions(readout="none", steps=6, coding="spikes")
        module = read_snntorch(network, (1, *shape), options)
        x = inputs(6, 3, *shape, seed=seed, gain=2.0)
        for neuron in network.neurons:
            neuron.reset_mem()
        wanted = torch.stack([network(step) for step in x]).transpose(0, 1).detach().numpy()
        np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), wanted)
