# SPDX-License-Identifier: Apache-2.0
"""NIR files as the frameworks' own exporters write them: read back, they spike as the framework does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import norse.torch as norse
import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from akc.frontends.spiking.nir import read_nir
from akc.frontends.spiking.reader import SpikingOptions
from akc.ir.module import Module
from akc.ir.ops import host
from tests.frontends.spiking.networks import answer, inputs, on_grid

STEPS = 12


def options(**fields: Any) -> SpikingOptions:
    """Spikes over time of a file by one of the exporters."""
    return SpikingOptions(**{"steps": STEPS, "readout": "none", **fields})


def same_spikes(got: np.ndarray, wanted: np.ndarray, share: float = 0.999) -> None:
    """All but the spikes that the file's rounding of 1 - beta decides; some fire, some do not."""
    assert 0.02 < wanted.mean() < 0.98
    assert (got == wanted).mean() >= share


# -- snnTorch ------------------------------------------------------------------------------------


def by_snntorch(network: nn.Module, shape: tuple[int, ...], tmp_path: Path, **fields: Any) -> Module:
    """The module of a network that snnTorch's exporter wrote."""
    from snntorch.export_nir import export_to_nir

    graph = export_to_nir(network, torch.zeros(1, *shape), ignore_dims=[0])
    nir.write(str(tmp_path / "net.nir"), graph)
    for part in network:
        getattr(part, "reset_mem", lambda: None)()
    return read_nir(str(tmp_path / "net.nir"), options(**{"producer": "snntorch", "reset": "subtract", **fields}))


BETA, THRESHOLD = torch.linspace(0.2, 0.9, 8), torch.full((8,), 0.75)
HIDDEN = {"beta": BETA, "threshold": THRESHOLD, "init_hidden": True}
LINEAR = {**HIDDEN, "linear_features": 8}
SNNTORCH = {
    "leaky": lambda: snn.Leaky(**HIDDEN),
    "leaky zero": lambda: snn.Leaky(**HIDDEN, reset_mechanism="zero"),
    "synaptic": lambda: snn.Synaptic(alpha=BETA.flip(0), **HIDDEN),
    "rleaky": lambda: snn.RLeaky(**LINEAR),
    "rleaky one to one": lambda: snn.RLeaky(**HIDDEN, V=torch.linspace(-1, 1, 8), all_to_all=False),
    "rsynaptic": lambda: snn.RSynaptic(alpha=BETA.flip(0), **LINEAR),
}


@pytest.mark.parametrize("kind", SNNTORCH)
def test_snntorch(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = on_grid(nn.Sequential(nn.Linear(20, 8), SNNTORCH[kind]()), 3.0)
    with torch.no_grad():
        for parameter in network[1].parameters():
            parameter.clamp_(-1, 1)
    reset = "zero" if kind.endswith("zero") else "subtract"
    module = by_snntorch(network, (20,), tmp_path, reset=reset)
    assert any(isinstance(op, host.Previous) for op in module.net.ops) == kind.startswith("r")
    x = inputs(STEPS, 40, 20)
    spikes = torch.stack([network(step) for step in x]).transpose(0, 1).detach().numpy()
    same_spikes(answer(module, x.transpose(0, 1)), spikes, 0.995)


def test_snntorch_convolution_with_pool_and_flatten(tmp_path: Path) -> None:
    torch.manual_seed(2)
    maps = {"beta": torch.full((4, 6, 6), 0.5), "threshold": torch.full((4, 6, 6), 1.0), "init_hidden": True}
    network = on_grid(
        nn.Sequential(
            nn.Conv2d(2, 4, 3), snn.Leaky(**maps), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 8), snn.Leaky(**HIDDEN)
        ),
        5.0,
    )
    module = by_snntorch(network, (2, 8, 8), tmp_path)
    x = inputs(STEPS, 20, 2, 8, 8)
    spikes = torch.stack([network(step) for step in x]).transpose(0, 1).detach().numpy()
    same_spikes(answer(module, x.transpose(0, 1)), spikes, 0.99)


# -- Norse ---------------------------------------------------------------------------------------


def all_of(kind: Any, **changes: float) -> Any:
    """Norse parameters, one number for each of 8 neurons: the exporter cannot write bare numbers."""
    values = {key: torch.full((8,), float(value)) for key, value in kind()._asdict().items()
              if isinstance(value, torch.Tensor) and value.numel() == 1}  # fmt: skip
    return kind(**{**values, **{key: torch.full((8,), value) for key, value in changes.items()}})


NORSE = {
    "box": lambda: norse.LIFBoxCell(all_of(norse.LIFBoxParameters, tau_mem_inv=300.0, v_th=0.4)),
    "lif": lambda: norse.LIFCell(all_of(norse.LIFParameters, v_th=0.3, tau_syn_inv=350.0)),
    "iaf": lambda: norse.IAFCell(all_of(norse.IAFParameters, v_th=2.0)),
    "li box": lambda: norse.LIBoxCell(all_of(norse.LIBoxParameters, tau_mem_inv=200.0)),
}


@pytest.mark.parametrize("kind", NORSE)
def test_norse(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = on_grid(norse.SequentialState(nn.Linear(20, 8), NORSE[kind]()), 3.0)
    nir.write(str(tmp_path / "net.nir"), norse.to_nir(network, torch.zeros(20)))
    module = read_nir(str(tmp_path / "net.nir"), options(producer="norse"))
    x, state, values = inputs(STEPS, 40, 20), None, []
    for step in x:
        value, state = network(step, state)
        values.append(value)
    wanted = torch.stack(values).transpose(0, 1).detach().numpy()
    got = answer(module, x.transpose(0, 1))
    if kind.startswith("li "):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    else:
        same_spikes(got, wanted)
