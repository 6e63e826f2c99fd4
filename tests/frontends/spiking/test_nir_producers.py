# SPDX-License-Identifier: Apache-2.0
"""Which tool wrote a NIR file: never guessed where two would spike differently, and every way out arrives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import sinabs.layers as sl
import sinabs.nir as sinabs_nir
import torch
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange.to_nir import export_to_nir
from torch import nn

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.nir import read_nir
from akc.ir.ops import snn, snn_inclusive
from tests.frontends.spiking.networks import answer, inputs, on_grid
from tests.frontends.spiking.test_nir import chained, options

STEPS = 16


def full(n: int = 4, **values: float) -> dict[str, np.ndarray]:
    """Parameters of n equal neurons."""
    return {key: np.full(n, value) for key, value in values.items()}


REST = {"v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
AMBIGUOUS: dict[str, tuple[Any, set[str]]] = {
    "a LIF of tau 1.5 by SpikingJelly": (nir.LIF(**full(tau=1.5e-4, r=1.0, **REST)), {"spikingjelly", "norse"}),
    "an IF of r 1": (nir.IF(**full(r=1.0, v_threshold=1.0)), {"sinabs", "sinabs-reader", "norse", "spec"}),
    "tau in steps": (nir.LIF(**full(tau=8.0, r=1.0, **REST)), {"sinabs", "sinabs-reader", "norse", "spikingjelly"}),
    "a CubaLIF with zero reset": (
        nir.CubaLIF(**full(tau_syn=2e-4, tau_mem=4e-4, r=4.0, w_in=2.0, **REST)),
        {"snntorch", "spikingjelly"},
    ),
    "potentials": (nir.LI(**full(tau=0.01, r=1.0, v_leak=0.0)), {"norse", "spec"}),
}


def a_file(tmp_path: Path, *nodes: Any) -> str:
    weight = np.random.default_rng(1).normal(0, 1, (4, 6)).astype(np.float32)
    return chained(tmp_path, (6,), nir.Linear(weight=weight), *nodes)


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_two_meanings_are_asked_for(name: str, tmp_path: Path) -> None:
    """The error shows every meaning; each --producer that it names is then read without a question."""
    node, tools = AMBIGUOUS[name]
    path = a_file(tmp_path, node)
    with pytest.raises(DiagnosticError) as refused:
        read_nir(path, options(readout="none"))
    (fault,) = refused.value.diagnostics
    assert fault.code == "AKC0330"
    named = [re.findall(r"--producer ([\w-]+)", line)[0] for line in fault.help]
    assert set(named) == tools
    for tool in named:
        module = read_nir(path, options(readout="none", producer=tool))
        assert any(isinstance(op, snn.Neuron) for op in module.net.ops)


def test_meanings_that_are_the_same_are_not_asked_for(tmp_path: Path) -> None:
    """An IF of r 1e4 adds its input once a step, whether SpikingJelly wrote it or the definition counts."""
    options_ = options()
    module = read_nir(a_file(tmp_path, nir.IF(**full(r=1e4, v_threshold=1.0))), options_)
    assert any(isinstance(op, snn_inclusive.SjIf) for op in module.net.ops)
    assert "spikingjelly or spec" in options_.notes[0].message


def test_other_numbers_have_one_meaning(tmp_path: Path) -> None:
    upside_down = read_nir(a_file(tmp_path, nir.LIF(**full(tau=1e-5, r=1.0, **REST))), options())
    assert any(isinstance(op, snn.LifBox) for op in upside_down.net.ops)
    by_definition = read_nir(a_file(tmp_path, nir.LIF(**full(tau=0.002, r=3.0, **REST))), options())
    assert any(isinstance(op, snn.LifBox) for op in by_definition.net.ops)


def test_the_question_of_resets_is_one_warning(tmp_path: Path) -> None:
    cells = (nir.LIF(**full(tau=0.002, r=3.0, **REST)), nir.Linear(weight=np.eye(4, dtype=np.float32)))
    chosen = options()
    read_nir(a_file(tmp_path, *cells, nir.LIF(**full(tau=0.002, r=3.0, **REST))), chosen)
    (asked,) = (note for note in chosen.notes if "resets the membrane" in note.message)
    assert asked.origin == ("n1", "n3")


@pytest.mark.parametrize("threshold", [0.25, 1.0])
def test_soft_reset_loses_no_spike(threshold: float, tmp_path: Path) -> None:
    """While the potential stays above the threshold the neuron goes on firing."""
    path = a_file(tmp_path, nir.IF(**full(r=1.0, v_threshold=threshold)))
    module = read_nir(path, options(producer="spec", dt=1.0, reset="subtract", steps=STEPS))
    weight = np.asarray(nir.read(path, type_check=False).nodes["n0"].weight)
    x = inputs(30, STEPS, 6, gain=1.0)
    v, total = np.zeros((30, 4)), np.zeros((30, 4))
    for t in range(STEPS):
        v += x[:, t].numpy() @ weight.T
        total += v > threshold
        v -= threshold * (v > threshold)
    np.testing.assert_array_equal(answer(module, x), total)


# -- the exporters themselves ----------------------------------------------------------------------

JELLY = {
    "if": lambda: neuron.IFNode(),
    "if at another level": lambda: neuron.IFNode(v_threshold=0.75, v_reset=-0.5),
    "lif": lambda: neuron.LIFNode(tau=2.0),
    "lif of a small tau": lambda: neuron.LIFNode(tau=1.5),
    "lif undivided": lambda: neuron.LIFNode(tau=4.0, decay_input=False),
    "parametric": lambda: neuron.ParametricLIFNode(init_tau=2.0),
}


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("kind", JELLY)
def test_spikingjelly_writes_and_akc_reads(kind: str, mode: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = on_grid(nn.Sequential(layer.Linear(12, 16), JELLY[kind](), layer.Linear(16, 4), neuron.IFNode()), 6.0)
    functional.set_step_mode(network, mode)
    path = str(tmp_path / "net.nir")
    export_to_nir(network, torch.zeros(1, 12) if mode == "s" else torch.zeros(STEPS, 1, 12), path)
    functional.set_step_mode(network, "m")
    functional.reset_net(network)
    x = inputs(STEPS, 50, 12)
    with torch.no_grad():
        wanted = network(x).sum(0).numpy()
    module = read_nir(path, options(producer="spikingjelly", steps=STEPS))
    got = answer(module, x.transpose(0, 1))
    assert 0 < wanted.mean() < STEPS
    assert (got == wanted).mean() > 0.99  # the file's 1e-4 rounds the decay in the last bit


def sinabs_network(**fields: Any) -> nn.Sequential:
    torch.manual_seed(0)
    cells = [sl.IAFSqueeze(batch_size=1, **fields), sl.LIFSqueeze(tau_mem=6.0, batch_size=1)]
    return on_grid(nn.Sequential(nn.Conv2d(2, 4, 3), cells[0], nn.Flatten(), nn.Linear(64, 4), cells[1]), 8.0)


@pytest.mark.parametrize(("producer", "floor"), [("sinabs", None), ("sinabs-reader", -1.0)])
def test_sinabs_writes_and_akc_reads(producer: str, floor: float | None, tmp_path: Path) -> None:
    """As the network was, and as sinabs reads its own file: from_nir bounds potentials and scales no inputs."""
    network = sinabs_network(min_v_mem=floor)
    x = inputs(STEPS, 2, 6, 6)
    graph = sinabs_nir.to_nir(network, x)
    graph.nodes["4"] = nir.LIF(**{k: np.full(4, np.asarray(v)) for k, v in
                                  (("tau", 6.0), ("r", 1.0), ("v_leak", 0.0), ("v_threshold", 1.0))})  # fmt: skip
    graph.infer_types()
    path = str(tmp_path / "net.nir")
    nir.write(path, graph)
    for cell in (network[1], network[4]):
        cell.reset_states()
    other = network if producer == "sinabs" else _normless(network)
    with torch.no_grad():
        wanted = other(x).numpy()
    got = answer(read_nir(path, options(producer=producer, steps=STEPS, readout="none")), x[None])[0]
    assert wanted.max() > 1
    np.testing.assert_array_equal(got, wanted)


def _normless(network: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*network[:4], sl.LIFSqueeze(tau_mem=6.0, batch_size=1, norm_input=False))
