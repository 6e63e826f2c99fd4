# SPDX-License-Identifier: Apache-2.0
"""Live Norse networks: the imported module gives the framework's own numbers, exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse.torch.functional.izhikevich import tonic_spiking
from norse.torch.functional.reset import reset_subtract, reset_value
from torch import nn

import akc
from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.norse import ROWS, read_norse
from akc.frontends.spiking.reader import SpikingOptions
from tests.frontends.spiking.networks import answer, inputs, on_grid


class Loop(nn.Module):
    """A SequentialState in a loop over x[t]."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = norse.SequentialState(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, out = None, []
        for t in range(x.shape[0]):
            v, state = self.layers(x[t], state)
            out.append(v)
        return torch.stack(out).max(0)[0]


BOX = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(300.0), v_th=torch.tensor(0.4))
ADAPTING = norse.LSNNParameters(
    v_th=torch.tensor(0.3), beta=torch.tensor(0.125), tau_adapt_inv=torch.tensor(20.0), v_reset=torch.tensor(-0.125)
)
CELLS = {
    "lif": lambda: (norse.LIFCell(), norse.LICell()),
    "own parameters": lambda: (
        norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.3), v_reset=torch.tensor(-0.2))),
        norse.LICell(dt=0.002),
    ),
    "box": lambda: (norse.LIFBoxCell(BOX), norse.LIBoxCell()),
    "iaf": lambda: (norse.IAFCell(), norse.LICell()),
    "lsnn": lambda: (norse.LSNNCell(ADAPTING), norse.LICell()),
    "adaptive threshold": lambda: (
        norse.LSNNCell(norse.LSNNParameters(v_th=torch.tensor(0.3), beta=torch.tensor(0.2))),
        norse.LICell(),
    ),
}


@pytest.mark.parametrize("kind", CELLS)
def test_cells_in_a_loop(kind: str) -> None:
    torch.manual_seed(1)
    hidden, last = CELLS[kind]()
    network = on_grid(Loop(nn.Linear(20, 16), hidden, nn.Linear(16, 4), last), 4.0)
    module = read_norse(network, (12, 1, 20))
    x = inputs(12, 5, 20)
    expected = network(x).detach().numpy()
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), expected)


MODELS = {
    "exponential": lambda: norse.LIFExCell(norse.LIFExParameters(v_th=torch.tensor(0.4))),
    "adapting exponential": lambda: norse.LIFAdExCell(norse.LIFAdExParameters(v_th=torch.tensor(0.4))),
    "izhikevich": lambda: norse.IzhikevichCell(tonic_spiking),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_with_exponentials_and_squares(kind: str) -> None:
    """Float32 to the last bit only where exp and squares are the same; nearly all samples agree."""
    torch.manual_seed(6)
    gain = 200.0 if kind == "izhikevich" else 4.0
    network = on_grid(Loop(nn.Linear(20, 16), MODELS[kind](), nn.Linear(16, 4), norse.LICell()), gain)
    module = read_norse(network, (12, 1, 20))
    x = inputs(12, 30, 20)
    with torch.no_grad():
        expected = network(x).numpy()
    assert np.ptp(expected) > 0
    near = np.isclose(answer(module, x.transpose(0, 1)), expected, rtol=1e-4, atol=1e-5).all(axis=1)
    assert near.mean() > 0.9


def test_modules_with_time() -> None:
    torch.manual_seed(2)
    network = on_grid(
        norse.SequentialState(
            nn.Linear(20, 16), norse.LIF(), nn.Linear(16, 8), norse.IAF(), nn.Linear(8, 4), norse.LI()
        ),
        4.0,
    )
    module = read_norse(network, (12, 1, 20), SpikingOptions(readout="last"))
    x = inputs(12, 5, 20)
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x)[0][-1].detach().numpy())


def test_convolutions_and_lift() -> None:
    torch.manual_seed(3)
    network = on_grid(
        Loop(nn.Conv2d(1, 4, 3), norse.LIFCell(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4), norse.LICell()), 4.0
    )
    module = read_norse(network, (6, 1, 1, 8, 8))
    x = inputs(6, 3, 1, 8, 8, gain=3.0)
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), network(x).detach().numpy())


def test_recurrent_cell() -> None:
    torch.manual_seed(4)
    network = on_grid(norse.SequentialState(norse.LIFRecurrentCell(20, 16), nn.Linear(16, 4), norse.LICell()), 4.0)
    module = read_norse(network, (1, 20), SpikingOptions(readout="last", steps=9, coding="spikes"))
    x, state = inputs(9, 5, 20), None
    for t in range(9):
        v, state = network(x[t], state)
    np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), v.detach().numpy())


REFUSED: dict[str, tuple[Any, str]] = {
    "adaptive": (lambda: norse.LSNNRecurrentCell(20, 20), "AKC0373"),
    "adex": (lambda: norse.LIFAdExRecurrentCell(20, 20), "AKC0372"),
    "exponential": (lambda: norse.LIFExRecurrentCell(20, 20), "AKC0372"),
    "refractory": (lambda: norse.LIFRefracCell(), "AKC0372"),
    "encoder": (lambda: norse.PoissonEncoder(5), "AKC0393"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind: str) -> None:
    make, code = REFUSED[kind]
    cell = make()
    with pytest.raises(DiagnosticError) as fault:
        read_norse(nn.Sequential(nn.Linear(20, 20), cell), (1, 20))
    assert fault.value.diagnostics[0].code == code
    assert type(cell).__name__ in fault.value.diagnostics[0].message


def test_every_cell_of_norse_has_a_row() -> None:
    bases = tuple(vars(norse.module.snn)[n] for n in ("SNNCell", "SNNRecurrentCell", "SNN", "SNNRecurrent"))
    cells = {n for n, c in vars(norse).items() if isinstance(c, type) and issubclass(c, bases)}
    assert cells <= set(ROWS)


def test_adaptive_thresholds_are_refused_by_name_without_samples() -> None:
    network = Loop(nn.Linear(20, 16), norse.LSNNCell(), nn.Linear(16, 4), norse.LICell())
    with pytest.raises(DiagnosticError, match=r"AKC0373.*layers.1.*threshold with each spike"):
        akc.lower(network, example=(12, 1, 20), input_range=(0, 1))


Draw = np.random.Generator


def around(draw: Draw, value: float) -> torch.Tensor:
    """A number near a value, on a grid."""
    return torch.tensor(np.round(value * draw.uniform(0.5, 1.5) * 64) / 64, dtype=torch.float32)


def potentials(draw: Draw, threshold: float) -> dict[str, torch.Tensor]:
    """Threshold, rest and reset."""
    named = {"v_th": around(draw, threshold)}
    return named | ({"v_leak": around(draw, 0.1), "v_reset": around(draw, -0.2)} if draw.random() < 0.5 else {})


HIDDEN: dict[str, Any] = {
    "lif": lambda draw: norse.LIFCell(
        norse.LIFParameters(tau_mem_inv=around(draw, 200), tau_syn_inv=around(draw, 300), **potentials(draw, 0.4)),
        dt=float(draw.choice([0.001, 0.002])),
    ),
    "box": lambda draw: norse.LIFBoxCell(
        norse.LIFBoxParameters(
            tau_mem_inv=around(draw, 300),
            reset_method=reset_subtract if draw.random() < 0.4 else reset_value,
            **potentials(draw, 0.3),
        )
    ),
    "iaf": lambda draw: norse.IAFCell(norse.IAFParameters(v_th=around(draw, 1.5))),
    "lsnn": lambda draw: norse.LSNNCell(
        norse.LSNNParameters(beta=around(draw, 0.3), tau_adapt_inv=around(draw, 30), **potentials(draw, 0.3))
    ),
}
LAST = {"li": norse.LICell, "li box": norse.LIBoxCell}


@pytest.mark.parametrize("kind", HIDDEN)
def test_random_networks(kind: str) -> None:
    """Each cell in front of ten networks of random depth, parameters and read-out cells."""
    active = []
    for seed in range(10):
        draw = np.random.default_rng(1000 * list(HIDDEN).index(kind) + seed)
        torch.manual_seed(seed)
        sizes = [int(n) for n in draw.integers(3, 20, draw.integers(3, 5))]
        cells = [HIDDEN[kind if i == 0 else str(draw.choice(list(HIDDEN)))](draw) for i in range(len(sizes) - 2)]
        cells.append(LAST[str(draw.choice(list(LAST)))]())
        layers = [part for (a, b), cell in zip(pairwise(sizes), cells) for part in (nn.Linear(a, b), cell)]
        network, steps = on_grid(Loop(*layers), 4.0), int(draw.integers(3, 14))
        module = read_norse(network, (steps, 1, sizes[0]))
        x = inputs(steps, 5, sizes[0], seed=seed, gain=2.0)
        expected = network(x).detach().numpy()
        np.testing.assert_array_equal(answer(module, x.transpose(0, 1)), expected, err_msg=f"seed {seed}")
        active.append(np.ptp(expected) > 0)
    assert sum(active) >= 6
