# SPDX-License-Identifier: Apache-2.0
"""NIR graphs: written with the nir package, and by snnTorch's own exporter."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.nir import ROWS, read_nir
from akc.frontends.spiking.reader import SpikingOptions
from akc.ir.ops import snn as ops
from akc.sim.run import run
from tests.frontends.spiking.networks import answer, inputs, on_grid


def options(**fields: Any) -> SpikingOptions:
    """10 steps, read by counts."""
    return SpikingOptions(**{"steps": 10, "readout": "count", **fields})


def written(tmp_path: Path, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> str:
    """A graph in a file."""
    path = tmp_path / "net.nir"
    nir.write(str(path), nir.NIRGraph(nodes=nodes, edges=edges, type_check=False))
    return str(path)


def chained(tmp_path: Path, shape: tuple[int, ...], *nodes: Any) -> str:
    """A chain of nodes; the edges stand in reverse order, as an exporter may leave them."""
    named = {"in": nir.Input(input_type={"input": np.array(shape)}), **{f"n{i}": n for i, n in enumerate(nodes)},
             "out": nir.Output(output_type={"output": np.array([1])})}  # fmt: skip
    names = list(named)
    return written(tmp_path, named, list(pairwise(names))[::-1])


def lif(n: int, **fields: Any) -> Any:
    """A LIF node of n neurons."""
    values = {"tau": 0.002, "r": 3.0, "v_leak": 0.1, "v_threshold": 0.4, "v_reset": -0.1, **fields}
    return nir.LIF(**{k: np.full(n, v) for k, v in values.items()})


def test_snntorch_export_is_read_back_with_the_right_reset(tmp_path: Path) -> None:
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(1)
    beta, theta = torch.linspace(0.2, 0.9, 8), torch.full((8,), 0.75)
    cells = [
        snn.Leaky(beta=beta, threshold=theta, init_hidden=True),
        snn.Leaky(beta=beta[:4], threshold=theta[:4], init_hidden=True),
    ]
    network = on_grid(nn.Sequential(nn.Linear(20, 8), cells[0], nn.Linear(8, 4), cells[1]), 3.0)
    path = str(tmp_path / "net.nir")
    nir.write(path, export_to_nir(network, torch.zeros(1, 20), ignore_dims=[0]))
    for cell in cells:
        cell.reset_mem()
    module = read_nir(path, options(reset="subtract", producer="snntorch"))
    neuron = next(op for op in module.net.ops if isinstance(op, ops.Leaky))
    np.testing.assert_allclose(module.array(neuron.beta), beta.numpy(), atol=1e-5)
    x = inputs(10, 3, 20)
    spikes = sum(network(step) for step in x).detach().numpy()
    assert np.abs(answer(module, x.transpose(0, 1)) - spikes).mean() < 0.05


def test_definition_by_forward_euler(tmp_path: Path) -> None:
    weight = np.array([[0.5, -0.25], [0.75, 1.0], [0.25, 0.5]], np.float32)
    path = chained(tmp_path, (2,), nir.Linear(weight=weight), lif(3))
    module = read_nir(path, options(dt=1e-4, producer="spec", readout="none", steps=200))
    x = (np.random.default_rng(1).random((1, 200, 2)) * 4).astype(np.float32)
    v, spikes = np.full(3, 0.1), []
    for step in x[0]:
        v = v + 1e-4 / 0.002 * (0.1 - v + 3.0 * (weight @ step))
        s = v > 0.4
        v = np.where(s, -0.1, v)
        spikes.append(s)
    assert np.array(spikes).any()
    assert (next(iter(run(module, x).values()))[0] == np.array(spikes)).mean() > 0.99


def test_norse_writes_tau_upside_down(tmp_path: Path) -> None:
    path = chained(tmp_path, (2,), nir.Linear(weight=np.eye(2, dtype=np.float32)), lif(2, tau=1e-5, r=1.0, v_leak=0.0))
    neuron = next(op for op in read_nir(path, options()).net.ops if isinstance(op, ops.LifBox))
    assert neuron.dt == 0.001
    assert neuron.tau_mem_inv == pytest.approx(100.0)


def test_convolution_pools_and_full_tensors(tmp_path: Path) -> None:
    conv = nir.Conv2d(
        input_shape=(8, 8),
        weight=np.ones((3, 1, 3, 3), np.float32),
        stride=1,
        padding=1,
        dilation=1,
        groups=1,
        bias=np.zeros(3, np.float32),
    )
    neurons = nir.IF(r=np.ones((3, 8, 8)), v_threshold=np.ones((3, 8, 8)), v_reset=np.zeros((3, 8, 8)))
    pool = nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
    flat = nir.Flatten(start_dim=0, end_dim=-1, input_type={"input": np.array([3, 4, 4])})
    dense = nir.Affine(weight=np.ones((2, 48), np.float32), bias=np.zeros(2, np.float32))
    path = chained(
        tmp_path,
        (1, 1, 8, 8),
        conv,
        neurons,
        pool,
        flat,
        dense,
        nir.IF(r=np.ones(2), v_threshold=np.full(2, 100.0), v_reset=np.zeros(2)),
    )
    module = read_nir(path, options(producer="norse", steps=4))
    assert module.net.inputs[0].type.shape == (1, 8, 8)
    counts = answer(module, torch.ones(1, 4, 1, 8, 8))
    np.testing.assert_array_equal(counts, [[4, 4]])


def test_recurrence_of_one_layer(tmp_path: Path) -> None:
    nodes = {"in": nir.Input(input_type={"input": np.array([2])}), "w": nir.Linear(weight=np.eye(2, dtype=np.float32)),
             "lif": lif(2), "back": nir.Linear(weight=-np.eye(2, dtype=np.float32)),
             "out": nir.Output(output_type={"output": np.array([2])})}  # fmt: skip
    edges = [("in", "w"), ("w", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")]
    module = read_nir(written(tmp_path, nodes, edges), options(producer="spec"))
    assert [op.mnemonic for op in module.net.ops][-6:-1] == [
        "nn.affine",
        "host.previous",
        "nn.dense",
        "host.add",
        "snn.lif_box",
    ]


def test_refusals(tmp_path: Path) -> None:
    delay = chained(tmp_path, (2,), nir.Linear(weight=np.eye(2)), nir.Delay(delay=np.ones(2)), lif(2))
    with pytest.raises(DiagnosticError, match="delays spikes on their way"):
        read_nir(delay, options())
    with pytest.raises(DiagnosticError, match="AKC0381"):
        read_nir(chained(tmp_path, (2,), nir.Linear(weight=np.eye(2)), lif(2)), options(producer="brian"))
    (tmp_path / "no.nir").write_bytes(b"not HDF5")
    with pytest.raises(DiagnosticError, match="AKC0389"):
        read_nir(str(tmp_path / "no.nir"), options())
    branch = {"in": nir.Input(input_type={"input": np.array([2])}), "a": lif(2), "b": lif(2),
              "out": nir.Output(output_type={"output": np.array([2])})}  # fmt: skip
    with pytest.raises(DiagnosticError, match="leads to 2 nodes"):
        read_nir(written(tmp_path, branch, [("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")]), options())


def test_every_node_of_nir_has_a_row() -> None:
    names = {n for n, c in vars(nir).items() if isinstance(c, type) and issubclass(c, nir.NIRNode)}
    assert names - {"NIRNode", "NIRGraph", "Input", "Output"} <= set(ROWS)


def test_the_package_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DiagnosticError, match=r"AKC0313.*reading .nir files needs h5py"):
        read_nir(str(tmp_path / "net.nir"), options())
