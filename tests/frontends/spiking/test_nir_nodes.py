# SPDX-License-Identifier: Apache-2.0
"""NIR nodes one by one, each against its equation; nested graphs, producers, edges that lead back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch.nn import functional

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.nir import read_nir
from akc.ir.ops import host
from tests.frontends.spiking.networks import answer, inputs
from tests.frontends.spiking.test_nir import chained, lif, options, written

STEPS = 20
X = inputs(1, STEPS, 4, gain=2.0)


def over_time(tmp_path: Path, *nodes: Any, shape: tuple[int, ...] = (4,), **fields: Any) -> np.ndarray:
    """Values over time of a chain of nodes on X."""
    chosen = {"producer": "spec", "readout": "none", "steps": STEPS, **fields}
    return answer(read_nir(chained(tmp_path, shape, *nodes), options(**chosen)), X)[0]


def four(value: float) -> np.ndarray:
    """A parameter of four neurons."""
    return np.full(4, value, np.float32)


def test_leaky_integrator_with_a_current(tmp_path: Path) -> None:
    numbers = {"tau_syn": 0.003, "tau_mem": 0.005, "r": 2.0, "v_leak": 0.25, "w_in": 1.5}
    got = over_time(tmp_path, nir.CubaLI(**{k: four(v) for k, v in numbers.items()}), dt=1e-3)
    current, v = np.zeros(4), np.full(4, 0.25)
    wanted = []
    for step in X[0].numpy():
        current = current + (1.5 * step - current) / 3
        v = v + (0.25 - v + 2.0 * current) / 5
        wanted.append(v)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_threshold_scale_and_delays_of_nothing(tmp_path: Path) -> None:
    scale = np.array([0.5, 1.0, 2.0, -1.0], np.float32)
    nodes = (nir.Scale(scale=scale), nir.Delay(delay=four(0.0)), nir.Threshold(threshold=four(0.75)))
    got = over_time(tmp_path, *nodes, readout="count")
    np.testing.assert_array_equal(got, (X[0].numpy() * scale > 0.75).sum(0))


@pytest.mark.parametrize("padding", [1, "same", "valid"])
def test_convolution_along_one_axis(padding: int | str, tmp_path: Path) -> None:
    weight = (np.arange(18).reshape(3, 2, 3) % 5 - 1).astype(np.float32) / 4
    node = nir.Conv1d(input_shape=2, weight=weight, stride=1, padding=padding, dilation=1, groups=1,
                      bias=np.array([0.5, -0.5, 0.25], np.float32))  # fmt: skip
    x = inputs(1, STEPS, 2, 6, gain=2.0)
    pad = 0 if padding == "valid" else 1
    current = functional.conv1d(x[0], torch.tensor(weight), torch.tensor(node.bias), padding=pad).numpy()
    threshold = np.full(current.shape[1:], 1.0)
    path = chained(tmp_path, (2, 6), node, nir.Threshold(threshold=threshold))
    module = read_nir(path, options(producer="spec", steps=STEPS))
    np.testing.assert_array_equal(answer(module, x)[0], (current > 1).sum(0))


def test_sinabs_counts_time_in_steps(tmp_path: Path) -> None:
    node = nir.LIF(tau=four(8.0), r=four(1.0), v_leak=four(0.0), v_threshold=four(0.5), v_reset=four(0.0))
    got = over_time(tmp_path, node, producer="sinabs", reset="subtract")
    alpha, v, wanted = np.exp(-1 / 8), np.zeros(4), []
    for step in X[0].numpy():
        v = alpha * v + (1 - alpha) * step
        wanted.append(np.trunc(np.maximum(v, 0) / 0.5))
        v = v - 0.5 * wanted[-1]
    assert 0 < np.mean(wanted) < 1
    np.testing.assert_array_equal(got, np.array(wanted))


@pytest.mark.parametrize(("producer", "gain"), [("spec", 0.1), ("norse", 1.0), ("snntorch", 1.0)])
def test_integrate_and_fire_by_producer(producer: str, gain: float, tmp_path: Path) -> None:
    got = over_time(tmp_path, nir.IF(r=four(1.0), v_threshold=four(0.5), v_reset=four(0.0)), producer=producer, dt=0.1)
    v, wanted = np.zeros(4), []
    for step in X[0].numpy():
        v = v + gain * step
        wanted.append(v > 0.5)
        v = np.where(wanted[-1], 0, v)
    np.testing.assert_array_equal(got, np.array(wanted))


def test_graphs_in_graphs(tmp_path: Path) -> None:
    """Two levels deep, with a loop inside, as exporters write recurrent layers."""
    kinds = {"input": nir.Input(input_type={"input": np.array([4])}),
             "output": nir.Output(output_type={"output": np.array([4])})}  # fmt: skip
    back = nir.Linear(weight=-np.eye(4, dtype=np.float32))
    loop = nir.NIRGraph(nodes={**kinds, "lif": lif(4), "w_rec": back}, type_check=False,
                        edges=[("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")])  # fmt: skip
    block = nir.NIRGraph(nodes={**kinds, "inner": loop}, edges=[("inner", "output"), ("input", "inner")],
                         type_check=False)  # fmt: skip
    first = nir.Linear(weight=np.eye(4, dtype=np.float32))
    edges = [("block", "output"), ("w", "block"), ("input", "w")]
    module = read_nir(written(tmp_path, {**kinds, "w": first, "block": block}, edges), options(producer="spec"))
    assert any(isinstance(op, host.Previous) for op in module.net.ops)
    assert {"w", "block.inner.lif"} <= {name for op in module.net.ops for name in op.origin}
    flat = {**kinds, "w": first, "lif": lif(4), "w_rec": back}
    edges = [("input", "w"), ("w", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    other = read_nir(written(tmp_path, flat, edges), options(producer="spec", steps=STEPS))
    same = read_nir(written(tmp_path, flat, edges[::-1]), options(producer="spec", steps=STEPS))
    np.testing.assert_array_equal(answer(other, X), answer(same, X))


def test_a_loop_over_two_layers_is_refused(tmp_path: Path) -> None:
    nodes = {"input": nir.Input(input_type={"input": np.array([4])}), "a": lif(4), "b": lif(4),
             "back": nir.Linear(weight=np.eye(4, dtype=np.float32)),
             "output": nir.Output(output_type={"output": np.array([4])})}  # fmt: skip
    edges = [("input", "a"), ("a", "b"), ("b", "back"), ("back", "a"), ("b", "output")]
    with pytest.raises(DiagnosticError, match=r"AKC0371.*'back' \(Linear\) leads back to an earlier layer"):
        read_nir(written(tmp_path, nodes, edges), options())
