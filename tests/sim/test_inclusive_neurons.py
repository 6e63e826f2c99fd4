# SPDX-License-Identifier: Apache-2.0
"""Neurons that fire from their threshold on, against the packages' own spikes: bit for bit on the same currents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sinabs.activation as sa
import sinabs.layers as sl
import torch
from spikingjelly.activation_based import neuron

from akc.ir.module import Module, Net, Value
from akc.ir.ops import snn, snn_inclusive
from akc.ir.types import TensorType
from akc.passes.shared.neurons.staircase import staircase
from akc.sim.neurons import scan

STEPS, BATCH, NEURONS = 40, 16, 24


def currents(grid: int | None) -> torch.Tensor:
    """Currents [T, batch, n]; on a grid, potentials often meet the threshold exactly."""
    x = torch.randn(STEPS, BATCH, NEURONS, generator=torch.Generator().manual_seed(3)) * 0.7 + 0.3
    return x if grid is None else (x * grid).round() / grid


def ours(kind: type[snn.Neuron], x: torch.Tensor, **fields: Any) -> list[np.ndarray]:
    """Spikes and membranes."""
    kinds = TensorType("f32", (NEURONS,), STEPS)
    module = Module(net=Net(name="n", inputs=(Value("x", kinds),), statements=(), outputs=(), output_types=()))
    made = (kind(x="x", result=Value("s", kinds), output=o, **fields) for o in ("spikes", "membrane"))
    return [scan(op, x.numpy(), module) for op in made]


def membranes_of(cell: Any, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """A SpikingJelly cell, step by step."""
    spikes, membranes = [], []
    with torch.no_grad():
        for step in x:
            spikes.append(cell(step))
            membranes.append(cell.v)
    return torch.stack(spikes).numpy(), torch.stack(membranes).numpy()


@pytest.mark.parametrize("grid", [None, 4])
@pytest.mark.parametrize("v_reset", [None, 0.0, -0.25])
def test_spikingjelly_integrate_and_fire(v_reset: float | None, grid: int | None) -> None:
    x = currents(grid)
    wanted = membranes_of(neuron.IFNode(v_threshold=1.25, v_reset=v_reset), x)
    reset = {"reset": "subtract"} if v_reset is None else {"v_reset": v_reset}
    for got, want in zip(ours(snn_inclusive.SjIf, x, v_threshold=1.25, **reset), wanted):
        np.testing.assert_array_equal(got, want)
    assert 0 < wanted[0].mean() < 1


@pytest.mark.parametrize("grid", [None, 4])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("v_reset", [None, 0.0, -0.25])
@pytest.mark.parametrize("tau", [1.5, 2.0, 4.0])
def test_spikingjelly_leaky(tau: float, v_reset: float | None, decay_input: bool, grid: int | None) -> None:
    x = currents(grid)
    cell = neuron.LIFNode(tau=tau, decay_input=decay_input, v_threshold=0.5, v_reset=v_reset)
    wanted = membranes_of(cell, x)
    reset = {"reset": "subtract"} if v_reset is None else {"v_reset": v_reset}
    got = ours(snn_inclusive.SjLif, x, tau=tau, decay_input=decay_input, v_threshold=0.5, **reset)
    for found, want in zip(got, wanted):
        np.testing.assert_array_equal(found, want)


SPIKES = {"multi": (sa.MultiSpike, 0), "single": (sa.SingleSpike, 1), "max": (sa.MaxSpike(3), 3)}


@pytest.mark.parametrize("v_min", [None, -0.5])
@pytest.mark.parametrize("reset", ["subtract", "value"])
@pytest.mark.parametrize("how", list(SPIKES))
@pytest.mark.parametrize("alpha", [None, 0.875])
def test_sinabs(alpha: float | None, how: str, reset: str, v_min: float | None) -> None:
    x = currents(4) * 2
    function, most = SPIKES[how]
    own = sa.MembraneSubtract() if reset == "subtract" else sa.MembraneReset(0.25)
    shared: dict[str, Any] = {"spike_threshold": torch.tensor(0.75), "spike_fn": function, "reset_fn": own}
    tau = -1 / np.log(alpha) if alpha else 0.0
    layer = (
        sl.LIF(tau_mem=tau, norm_input=False, min_v_mem=v_min, record_states=True, **shared)
        if alpha
        else sl.IAF(min_v_mem=v_min, record_states=True, **shared)
    )
    with torch.no_grad():
        spikes = layer(x.transpose(0, 1)).transpose(0, 1).numpy()
    membranes = layer.recordings["v_mem"].transpose(0, 1).numpy()
    fields: dict[str, Any] = {"threshold": 0.75, "taken": 0.75, "most": most, "reset": reset}
    fields |= {"alpha": layer.alpha_mem_calculated.item()} | ({} if v_min is None else {"v_min": v_min})
    fields |= {"v_reset": 0.25} if reset == "value" else {}
    got = ours(snn_inclusive.SinabsLif, x, **fields)
    np.testing.assert_array_equal(got[0], spikes)
    np.testing.assert_array_equal(got[1], membranes)
    assert spikes.max() > 1 or most == 1


def test_sinabs_with_a_synaptic_current() -> None:
    x = currents(4)
    layer = sl.LIF(tau_mem=5.0, tau_syn=3.0, norm_input=False)
    with torch.no_grad():
        spikes = layer(x.transpose(0, 1)).transpose(0, 1).numpy()
    fields = {"alpha": layer.alpha_mem_calculated.item(), "alpha_syn": layer.alpha_syn_calculated.item()}
    np.testing.assert_array_equal(ours(snn_inclusive.SinabsSynaptic, x, **fields)[0], spikes)
    assert spikes.max() > 1


def test_several_spikes_a_step_have_a_staircase_of_one_spike_a_step() -> None:
    kind = TensorType("f32", (1,), 15)
    module = Module(net=Net(name="n", inputs=(Value("x", kind),), statements=(), outputs=(), output_types=()))
    op = snn_inclusive.SinabsLif(x="x", result=Value("s", kind), threshold=3.0, taken=3.0)
    stairs = staircase(op, module, 15, 15)
    assert stairs.error.max() < 0.1
    np.testing.assert_allclose([stairs.threshold[0], stairs.step[0]], [3 / 15, 3 / 15], rtol=0.02)
