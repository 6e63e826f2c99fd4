# SPDX-License-Identifier: Apache-2.0
"""Inputs coded by the time to the first spike: tables on the host, fitted or by rule, and which one is taken."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context
from akc.ir.module import Module
from akc.ir.ops import host
from akc.passes.shared.neurons.latency import Currents, once_at_most, shape_of
from akc.passes.spiking.rate import Rate
from tests.passes.test_spiking import filled, output

STEPS = 12

TEXT = """akir 1.0

net @late(%pixels: f32[T=12, 49]) -> f32[10] {
  %fc1 = nn.dense(%pixels, weight=#fc1.weight, bias=#fc1.bias) : f32[T=12, 32] from "fc1"
  %lif1 = snn.leaky(%fc1, beta=0.9) : f32[T=12, 32] from "lif1"
  %fc2 = nn.dense(%lif1, weight=#fc2.weight) : f32[T=12, 10] from "fc2"
  %y = host.mean(%fc2) : f32[10] from "read"
  return %y
}

weights {
  #fc1.weight : f32[32, 49] = elided sha256:0000000000000000
  #fc1.bias : f32[32] = elided sha256:0000000000000000
  #fc2.weight : f32[10, 32] = elided sha256:0000000000000000
}
"""


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """200 digits in 7x7 pixels, 0 to 1, and their classes."""
    with np.load(Path(__file__).parents[1] / "data" / "mnist_200.npz") as file:
        images, labels = file["image"].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)) / 255, file["labels"]
    return images.reshape(len(images), -1).astype(np.float32), labels


def latency(images: np.ndarray) -> np.ndarray:
    """Bright pixels spike early, dark ones never: [n, T, pixels]."""
    spikes = np.zeros((len(images), STEPS, images.shape[1]), np.float32)
    sample, pixel = np.nonzero(images > 0.15)
    step = np.rint((1 - images[sample, pixel]) * (STEPS - 1)).astype(int)
    spikes[sample, step, pixel] = 1
    return spikes


@cache
def network() -> Module:
    """A random hidden layer of leaky neurons; the read-out is trained by ridge regression on what they fire."""
    from attrs import evolve

    from akc.ir.weights import Weight
    from akc.sim.run import run

    module = filled(TEXT)
    x, labels = digits()
    counts = run(module, latency(x), keep=True)["lif1"].mean(axis=1)
    centred, targets = counts - counts.mean(0), np.eye(10)[labels]
    weights = np.linalg.solve(centred.T @ centred + 0.05 * np.eye(32), centred.T @ (targets - targets.mean(0))).T
    return evolve(module, weights={**module.weights, "fc2.weight": Weight.of(weights, "f32")})


def test_tables_by_rule() -> None:
    """Every spike alike; earlier ones more, by the line (T - t) / T or by the membrane's decay."""
    neuron = network().net.producer("lif1")
    tables = {name: shape_of(name, STEPS, neuron, network()) for name in ("count", "linear", "decay")}
    assert all(table.sum() == pytest.approx(1) for table in tables.values())
    np.testing.assert_allclose(tables["count"], 1 / STEPS)
    np.testing.assert_allclose(tables["linear"] / tables["linear"][0], (STEPS - np.arange(STEPS)) / STEPS)
    np.testing.assert_allclose(tables["decay"] / tables["decay"][0], 0.9 ** np.arange(STEPS), rtol=1e-4)


def test_the_regression_finds_a_table_that_is_there() -> None:
    """T unknowns shared by all neurons, from the currents of each step."""
    rng = np.random.default_rng(0)
    steps, table = rng.normal(size=(500, 6)), np.array([0.9, 0.7, 0.5, 0.3, 0.2, 0.1])
    found = Currents(steps, steps @ table + rng.normal(0, 0.01, 500)).fitted()
    np.testing.assert_allclose(found, table, atol=0.01)


def test_every_table_is_measured() -> None:
    """With samples the one that answers most like the source is taken, and what each reached is told."""
    x = latency(digits()[0])
    context = Context(samples={"pixels": x})
    after = Rate(samples=40).run(network(), context)
    plan = context.reports["rate"]
    assert set(plan.tables) == {"linear", "decay", "fitted"}
    assert set(plan.tried) == {1, 3, 4, 5, 10}
    taken = plan.tables[plan.coding] if plan.coding != "count" else plan.tried[plan.windows]
    assert taken == max([*plan.tables.values(), *plan.tried.values()])
    assert (output(after, x).argmax(1) == output(network(), x).argmax(1)).mean() >= 0.85


@pytest.mark.parametrize("coding", ["count", "linear", "decay", "fitted"])
def test_onto_the_chip(coding: str, akir_snapshot: SnapshotAssertion) -> None:
    x = latency(digits()[0])
    context = Context(samples={"pixels": x})
    after = Rate(coding=coding, window=1).run(network(), context)
    if coding in ("linear", "decay"):
        assert Rate(coding=coding).run(network(), Context()) == akir_snapshot(name=coding)
    sums = [op for op in after.net.ops if isinstance(op, host.Sum)]
    assert (sums[0].weights is None) == (coding == "count")
    lowered = akc.lower(
        network(), calibrate=x, options={"rate": {"coding": coding, "window": 1}, "fit-rate": {"least": 0.5}}
    )
    same = (output(lowered, x).argmax(1) == output(network(), x).argmax(1)).mean()
    assert same >= 0.8


def test_the_report_tells_what_was_tried() -> None:
    context = Context()
    akc.lower(network(), calibrate=latency(digits()[0]), context=context, least=0)
    plan, text = context.reports["rate"], str(context.reports["rate"])
    assert f"linear {plan.tables['linear']:.1%}, decay {plan.tables['decay']:.1%}" in text
    assert f"taken: {plan.coding}" in text
    assert "windows: 1 " in text


def test_counts_are_left_alone() -> None:
    """Elements that spike twice are no latency code; tables need samples to be chosen or fitted."""
    twice = latency(digits()[0][:20])
    twice[:, -1] = 1
    assert once_at_most({"x": latency(digits()[0])})
    assert not once_at_most({"x": twice})
    context = Context(samples={"pixels": twice})
    Rate().run(network(), context)
    assert not context.reports["rate"].tables
    context = Context()
    Rate().run(network(), context)
    assert context.reports["rate"].coding == "count"
    with pytest.raises(DiagnosticError, match="AKC0412"):
        Rate(coding="fitted").run(network(), Context())
