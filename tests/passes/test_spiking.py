# SPDX-License-Identifier: Apache-2.0
"""Spiking networks onto the chip: by rate, step by step, with neurons on the host; before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.weights import Weight
from akc.passes import SPIKING
from akc.passes.shared.neurons.spikes import choose_way
from akc.passes.shared.neurons.staircase import fit, levels, respond, staircase
from akc.passes.spiking.fit_rate import FitRate, Score, best_of
from akc.passes.spiking.hybrid import Hybrid
from akc.passes.spiking.rate import Rate, usual_windows
from akc.passes.spiking.step import Step
from akc.sim.run import run

DENSE = """akir 1.0

net @digits(%image: f32[12]) -> f32[4] {
  %steps = host.repeat(%image, steps=15) : f32[T=15, 12]
  %fc1 = nn.dense(%steps, weight=#fc1.weight, bias=#fc1.bias) : f32[T=15, 10] from "fc1"
  // the hidden neurons
  %lif1 = NEURON : f32[T=15, 10] from "lif1"
  %fc2 = nn.dense(%lif1, weight=#fc2.weight, bias=#fc2.bias) : f32[T=15, 4] from "fc2"
  %lif2 = snn.leaky(%fc2, OUTbeta=0.9) : f32[T=15, 4] from "lif2"
  %y = host.sum(%lif2) : f32[4] from "read"
  return %y
}

weights {
  #fc1.weight : f32[10, 12] = elided sha256:0000000000000000
  #fc1.bias : f32[10] = elided sha256:0000000000000000
  #fc2.weight : f32[4, 10] = elided sha256:0000000000000000
  #fc2.bias : f32[4] = elided sha256:0000000000000000
}
"""

EVENTS = """akir 1.0

net @events(%events: f32[T=12, 8, 8, 2]) -> f32[3] {
  %conv = nn.conv(%events, weight=#conv.weight, bias=#conv.bias, pad=[1, 1, 1, 1]) : f32[T=12, 8, 8, 4] from "conv"
  %lif1 = snn.leaky(%conv, beta=#lif1.beta) : f32[T=12, 8, 8, 4] from "lif1"
  %pool = nn.max_pool(%lif1, size=[2, 2], stride=[2, 2]) : f32[T=12, 4, 4, 4] from "pool"
  %flat = nn.reshape(%pool, shape=[64]) : f32[T=12, 64] from "flatten"
  %fc = nn.dense(%flat, weight=#fc.weight) : f32[T=12, 3] from "fc"
  %out = snn.li_box(%fc, output=membrane, tau_mem_inv=200.0) : f32[T=12, 3] from "out"
  %y = host.mean(%out) : f32[3] from "read"
  return %y
}

weights {
  #conv.weight : f32[4, 3, 3, 2] = elided sha256:0000000000000000
  #conv.bias : f32[4] = elided sha256:0000000000000000
  #lif1.beta : f32[4] = dec "0.9 0.8 0.7 1"
  #fc.weight : f32[3, 64] = elided sha256:0000000000000000
}
"""

MEMORYLESS = """akir 1.0

net @gates(%spikes: f32[T=9, 12]) -> f32[4] {
  %fc1 = nn.dense(%spikes, weight=#fc1.weight) : f32[T=9, 10] from "fc1"
  %lif1 = snn.leaky(%fc1, beta=0.0, threshold=#lif1.threshold, reset=zero) : f32[T=9, 10] from "lif1"
  %fc2 = nn.dense(%lif1, weight=#fc2.weight) : f32[T=9, 4] from "fc2"
  %out = snn.mcculloch_pitts(%fc2, thresh=2.0) : f32[T=9, 4] from "out"
  %y = host.sum(%out) : f32[4] from "read"
  return %y
}

weights {
  #fc1.weight : f32[10, 12] = elided sha256:0000000000000000
  #lif1.threshold : f32[10] = dec "1 2 3 4 5 1.5 2.5 3.5 4.5 0.5"
  #fc2.weight : f32[4, 10] = elided sha256:0000000000000000
}
"""

RECURRENT = """akir 1.0

net @reservoir(%spikes: f32[T=9, 12]) -> f32[10] {
  %fc1 = nn.dense(%spikes, weight=#fc1.weight) : f32[T=9, 10] from "fc1"
  %before = host.previous(%lif1) : f32[T=9, 10] from "lif1"
  %back = nn.dense(%before, weight=#back.weight) : f32[T=9, 10] from "lif1"
  %lif1 = snn.rleaky(%fc1, %back, beta=0.5, threshold=4.3) : f32[T=9, 10] from "lif1"
  %y = host.sum(%lif1) : f32[10] from "read"
  return %y
}

weights {
  #fc1.weight : f32[10, 12] = elided sha256:0000000000000000
  #back.weight : f32[10, 10] = elided sha256:0000000000000000
}
"""


def filled(text: str, whole: bool = False, seed: int = 0) -> Module:
    """The module with random weights where the text has none; whole: numbers -7 to 7, each row holding a 7."""
    module = parse(text)
    rng = np.random.default_rng(seed)
    weights = {}
    for name, weight in module.weights.items():
        shape = weight.type.shape
        numbers = rng.integers(-7, 8, shape) if whole else rng.normal(0.05, 0.35, shape)
        if whole and len(shape) == 2:
            numbers[:, 0] = 7
        weights[name] = Weight.of(numbers.astype(np.float32), "f32") if weight.elided else weight
    return module.with_statements(module.net.statements, weights)


def dense(neuron: str = "snn.leaky(%fc1, beta=0.9)", out: str = "output=membrane, ") -> Module:
    """The dense network with this hidden neuron."""
    return filled(DENSE.replace("NEURON", neuron).replace("OUT", out))


def images(count: int, *shape: int, seed: int = 1) -> np.ndarray:
    """Random inputs in -1 to 1, so that answers differ."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, *(shape or (12,)))).astype(np.float32)


def spikes(count: int, *shape: int, share: float = 0.3) -> np.ndarray:
    """Random spikes."""
    return (np.random.default_rng(2).random((count, *shape)) < share).astype(np.float32)


def output(module: Module, x: np.ndarray) -> np.ndarray:
    """The only result."""
    return next(iter(run(module, x).values()))


# -- staircases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, 15])
def test_integrate_and_fire_is_a_staircase_exactly(steps: int) -> None:
    text = f"""akir 1.0

net @n(%x: f32[T={steps}, 1]) -> f32[T={steps}, 1] {{
  %s = snn.leaky(%x, beta=1.0, threshold=1.5) : f32[T={steps}, 1]
  return %s
}}
"""
    module = parse(text)
    op: Any = module.net.producer("s")
    found = staircase(op, module, steps, steps)
    current = np.random.default_rng(0).uniform(-1, 3, (20_001, 1))
    counts = respond(op, module, current, steps, "spikes")
    agree = levels(current, found.threshold, found.step, steps) == counts
    assert agree.mean() > 0.9995
    np.testing.assert_allclose(found.threshold, 1.5 / steps)


def test_fit_never_makes_it_worse() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(20, 30, (500, 6))
    wanted = np.clip(np.ceil((x - 5) / 4), 0, 15)
    start = (np.full(6, 12.0), np.full(6, 7.0))
    before = ((levels(x, *start, 15) - wanted) ** 2).mean(axis=0)
    _, _, after = fit(x, wanted, *start, 15)
    assert (after < before * 0.2).all()


# -- rate ----------------------------------------------------------------------------------------


RATES: dict[str, tuple[Any, dict[str, Any]]] = {
    "dense-count": (lambda: dense(out=""), {}),
    "dense-membrane": (dense, {}),
    "dense-cuba": (lambda: dense("snn.cubalif(%fc1, tau_syn=0.0002, tau_mem=0.001, r=10.0)"), {}),
    "events-3-windows": (lambda: filled(EVENTS), {"window": 3}),
    "encoder-on-the-host": (
        lambda: filled(
            EVENTS.replace(
                "%conv = nn.conv(%events",
                '%code = snn.iaf(%events) : f32[T=12, 8, 8, 2] from "code"\n  %conv = nn.conv(%code',
            )
        ),
        {"window": 2},
    ),
    "events-1-window": (lambda: filled(EVENTS), {"window": 1}),
}


@pytest.mark.parametrize("name", RATES)
def test_rate(name: str, akir_snapshot: SnapshotAssertion) -> None:
    make, options = RATES[name]
    context = Context()
    after = Rate(**options).run(make(), context)
    assert after == akir_snapshot
    assert "AKC0387" in [w.code for w in context.warnings]


def test_rate_of_integrate_and_fire_counts_exactly() -> None:
    before = dense("snn.leaky(%fc1, beta=1.0)")
    after = Rate().run(before, Context())
    x = images(200)
    counts = run(before, x, keep=True)["lif1"].sum(axis=1)
    found = run(after, x, keep=True)["lif1"]
    assert (np.abs(found - counts) > 0).mean() < 0.002


def test_integrators_between_layers_are_lines() -> None:
    """Norse's LICell in the middle of a network is linear in its input, so only the mean over time is taken."""
    before = dense("snn.li_box(%fc1, output=membrane, tau_mem_inv=500.0)")
    after = Rate().run(before, Context())
    x = images(50)
    wanted = run(before, x, keep=True)["lif1"].mean(axis=1)
    np.testing.assert_allclose(run(after, x, keep=True)["lif1"], wanted, rtol=1e-3, atol=1e-4)


def test_rate_leaves_other_networks_alone() -> None:
    module = akc.dense_network([np.ones((3, 4), np.int8)], None, (4,))
    assert Rate().run(module, Context()) is module


def test_rate_chooses_windows_on_samples() -> None:
    context = Context(samples={"events": spikes(30, 12, 8, 8, 2)})
    Rate().run(filled(EVENTS), context)
    plan = context.reports["rate"]
    assert set(plan.tried) == {1, 3, 4, 5, 10}
    assert plan.tried[plan.windows] == max(plan.tried.values())
    assert [usual_windows(t) for t in (1, 15, 300)] == [1, 5, 30]


@pytest.mark.parametrize("samples", [False, True])
def test_whole_road_by_rate(samples: bool, akir_snapshot: SnapshotAssertion) -> None:
    module, x = dense(), images(400)
    context = Context(samples={"image": images(300, seed=7)} if samples else None, input_range=(-1.0, 1.0))
    lowered = run_pipeline(module, SPIKING["rate"], context)
    assert level_of(lowered) == "quantised"
    assert lowered == akir_snapshot(name="with samples" if samples else "without samples")
    same = (output(lowered, x).argmax(1) == output(module, x).argmax(1)).mean()
    assert same > (0.92 if samples else 0.9)
    if samples:
        report = context.reports["fit-rate"]
        assert "lif1" in str(report)
        assert report.same[report.kept] >= 0.8


def test_events_by_windows() -> None:
    module, x = filled(EVENTS), spikes(60, 12, 8, 8, 2)
    context = Context(samples={"events": spikes(80, 12, 8, 8, 2)})
    lowered = run_pipeline(module, SPIKING["rate"], context)
    found = output(lowered, x)
    assert np.corrcoef(found.ravel(), output(module, x).ravel())[0, 1] > 0.9
    assert {s.name for s in lowered.net.sequences} == {"s0"}


def test_bad_fidelity_is_refused() -> None:
    context = Context(samples={"image": images(400, seed=7)}, input_range=(-1.0, 1.0))
    module = dense("snn.leaky(%fc1, beta=0.9, threshold=3.0, reset=zero)", out="")
    pipeline = SPIKING["rate"].replace("calibrate,lower-int4", "calibrate,lower-int4{weights=1}")
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(module, pipeline.replace("fit-rate", "fit-rate{least=1.0}"), context)
    fault = caught.value.diagnostics[0]
    assert fault.code == "AKC0391"
    assert "lif1" in fault.label
    assert len(fault.help) == 2


def test_the_better_candidate_within_chance_is_the_one_that_correlates() -> None:
    scores = {"a": Score(0.95, 0.03, 0.99), "b": Score(0.97, 0.03, 0.8), "c": Score(0.5, 0.05, 1.0)}
    assert best_of(scores) == "a"
    assert FitRate().run(module := dense(), Context()) is module


# -- step ----------------------------------------------------------------------------------------


def test_step(akir_snapshot: SnapshotAssertion) -> None:
    assert Step().run(filled(MEMORYLESS, whole=True), Context()) == akir_snapshot(name="step")


def test_whole_road_step_by_step_is_exact() -> None:
    module, x = filled(MEMORYLESS, whole=True), spikes(100, 9, 12)
    context = Context(samples={"spikes": spikes(50, 9, 12)})
    lowered = run_pipeline(module, SPIKING["step"].replace("input=1", "input=1 scale=max rounding=nearest"), context)
    np.testing.assert_array_equal(output(lowered, x), output(module, x))
    assert output(module, x).std() > 0.5


def test_step_refuses_neurons_with_memory() -> None:
    with pytest.raises(DiagnosticError) as caught:
        Step().run(dense("snn.leaky(%fc1, beta=0.0)"), Context())
    assert [d.code for d in caught.value.diagnostics] == ["AKC0392", "AKC0392"]


# -- hybrid --------------------------------------------------------------------------------------


def test_hybrid_is_exact_where_weights_are(akir_snapshot: SnapshotAssertion) -> None:
    module, x = filled(RECURRENT, whole=True), spikes(40, 9, 12)
    context = Context(samples={"spikes": spikes(50, 9, 12)}, host="allow")
    lowered = run_pipeline(module, SPIKING["hybrid"], context)
    assert lowered == akir_snapshot(name="hybrid")
    np.testing.assert_array_equal(output(lowered, x), output(module, x))
    program = akc.build(lowered, host="allow")
    assert len(program.sequences) == 2
    np.testing.assert_array_equal(program.run(x), output(lowered, x))


def test_hybrid_needs_permission_and_rate_refuses_feedback() -> None:
    module = filled(RECURRENT)
    for one in (Hybrid(), Rate()):
        with pytest.raises(DiagnosticError) as caught:
            one.run(module, Context())
        assert caught.value.diagnostics[0].code == "AKC0371"
    with pytest.raises(DiagnosticError) as caught:
        Hybrid().run(dense(), Context())
    assert {d.code for d in caught.value.diagnostics} == {"AKC0393"}


def test_neurons_that_differ_from_place_to_place_are_refused() -> None:
    module = filled(
        EVENTS.replace(
            '#lif1.beta : f32[4] = dec "0.9 0.8 0.7 1"', "#lif1.beta : f32[8, 8, 4] = elided sha256:0000000000000000"
        )
    )
    with pytest.raises(DiagnosticError, match="different parameters at different places"):
        Rate().run(module, Context())


# -- the choice ----------------------------------------------------------------------------------


def test_the_way_is_chosen_with_a_reason() -> None:
    assert choose_way(dense(), False)[0] == "rate"
    assert choose_way(filled(MEMORYLESS), False)[0] == "step"
    assert choose_way(filled(RECURRENT), True)[0] == "hybrid"
    context = Context()
    akc.lower(filled(MEMORYLESS, whole=True), context=context)
    assert any("so akc takes step" in w.message for w in context.warnings)
