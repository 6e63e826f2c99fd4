# SPDX-License-Identifier: Apache-2.0
"""Neurons with uneven counts as several one-bit neurons: the jumps, the rewriting, and that it is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.compiler.pipeline import Context
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.ir.ops import akida
from akc.ir.parser import parse
from akc.passes.shared.neurons.counts import jumps
from akc.passes.spiking.rate import Rate
from akc.passes.spiking.split_counts import SplitCounts
from akc.sim.run import run
from tests.passes.test_spiking import dense, filled, images, output

MAPS = """akir 1.0

net @maps(%image: f32[8, 8, 1]) -> f32[3] {
  %steps = host.repeat(%image, steps=15) : f32[T=15, 8, 8, 1]
  %conv = nn.conv(%steps, weight=#conv.weight, bias=#conv.bias, pad=[1, 1, 1, 1]) : f32[T=15, 8, 8, 3] from "conv"
  %lif1 = snn.leaky(%conv, beta=#lif1.beta, reset=zero) : f32[T=15, 8, 8, 3] from "lif1"
  %pool = nn.max_pool(%lif1, size=[2, 2], stride=[2, 2]) : f32[T=15, 4, 4, 3] from "pool"
  %back = nn.permute(%pool, order=[2, 0, 1]) : f32[T=15, 3, 4, 4] from "flatten"
  %flat = nn.reshape(%back, shape=[48]) : f32[T=15, 48] from "flatten"
  %fc = nn.dense(%flat, weight=#fc.weight) : f32[T=15, 3] from "fc"
  %y = host.sum(%fc) : f32[3] from "read"
  return %y
}

weights {
  #conv.weight : f32[3, 3, 3, 1] = elided sha256:0000000000000000
  #conv.bias : f32[3] = elided sha256:0000000000000000
  #lif1.beta : f32[3] = dec "0.9 0.8 1"
  #fc.weight : f32[3, 48] = elided sha256:0000000000000000
}
"""

NEURONS = {
    "hard reset": "snn.leaky(%fc1, beta=0.9, reset=zero)",
    "no memory, subtract": "snn.leaky(%fc1, beta=0.0)",
    "soft reset": "snn.leaky(%fc1, beta=0.9)",
    "norse": "snn.lif_box(%fc1, tau_mem_inv=400.0)",
    "refractory": "snn.lif_nodes(%fc1, thresh=0.4, reset=0.0, rest=0.0, refrac=1.0, decay=0.9)",
}


def jumps_of(neuron: str, steps: int = 15) -> Any:
    """The jumps of one neuron."""
    kind = f"f32[T={steps}, 1]"
    module = parse(f"akir 1.0\n\nnet @n(%x: {kind}) -> {kind} {{\n  %s = {neuron} : {kind}\n  return %s\n}}\n")
    return jumps(module.net.producer("s"), module, steps)


def test_jumps_of_a_hard_reset() -> None:
    """T / p spikes, p the steps to the threshold: 1, 2, 3, 5, 7 and 15 of 15."""
    found = jumps_of("snn.leaky(%x, beta=0.9, reset=zero)")
    np.testing.assert_array_equal(np.cumsum(found.increment), [1, 2, 3, 5, 7, 15])
    np.testing.assert_allclose(found.threshold, [0.1259, 0.1917, 0.2442, 0.3690, 0.5263, 1.0], atol=1e-4)


@pytest.mark.parametrize("steps", [4, 15])
def test_jumps_without_memory(steps: int) -> None:
    """Above theta every other step fires, above twice theta every one."""
    found = jumps_of("snn.leaky(%x, beta=0.0, threshold=0.7)", steps)
    np.testing.assert_allclose(found.threshold, [0.7, 1.4], rtol=1e-6)
    np.testing.assert_array_equal(found.increment, [-(-steps // 2), steps // 2])


def test_a_threshold_that_counts_itself_is_met() -> None:
    found = jumps_of("snn.mcculloch_pitts(%x, thresh=2.0)", 3)
    assert found.threshold == np.nextafter(np.float32(2), np.float32(0))


def test_no_count_no_jumps() -> None:
    """A neuron that never fires, and one that fires without a current."""
    assert jumps_of("snn.leaky(%x, beta=0.5, threshold=1e30)") is None
    assert jumps_of("snn.lif_box(%x, v_leak=3.0, tau_mem_inv=900.0)") is None


@pytest.mark.parametrize("name", NEURONS)
def test_counts_are_the_sources_exactly(name: str) -> None:
    """With unrounded weights the one-bit neurons sum to the source's simulated spikes, on every input."""
    before, x = dense(NEURONS[name]), images(2000)
    context = Context()
    split = SplitCounts(when="always").run(before, context)
    assert "of one bit" in context.warnings[0].message
    counts = run(before, x, keep=True)["lif1"].sum(axis=1)
    assert len(np.unique(counts)) > 2
    after = Rate().run(split, context)
    bits = run(after, x, keep=True)["lif1"]
    heights = split.array("fc2.weight") / np.repeat(before.array("fc2.weight"), bits.shape[1] // 10, axis=1) * 15
    np.testing.assert_array_equal(np.rint((bits * heights[0]).reshape(len(x), 10, -1).sum(axis=2)), counts)
    assert heights[0].max() / heights[0].min() <= 2.0001


def test_maps_and_layout() -> None:
    """Channels keep their parameters and places through permutations."""
    text = MAPS.replace("[2, 2], stride=[2, 2]", "[1, 1], stride=[1, 1]").replace("48", "192").replace("4, 4", "8, 8")
    before, x = filled(text), images(50, 8, 8, 1)
    split = SplitCounts(when="uneven").run(before, context := Context())
    assert split.net.types["lif1"].shape[-1] > 9
    np.testing.assert_allclose(output(split, x), output(before, x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(output(Rate().run(split, context), x), output(before, x), rtol=1e-4, atol=1e-4)


def test_pools() -> None:
    """Rates pool to the largest count, which is the sum of the largest bits; then onto the chip."""
    before, x = filled(MAPS), images(50, 8, 8, 1)
    split = SplitCounts(when="uneven").run(before, context := Context())
    counts = run(before, x, keep=True)["lif1"].sum(axis=1).reshape(50, 4, 2, 4, 2, 3).max(axis=(2, 4))
    wanted = counts.transpose(0, 3, 1, 2).reshape(50, 48) @ before.array("fc.weight").T
    np.testing.assert_allclose(output(Rate().run(split, context), x), wanted, rtol=1e-4, atol=1e-4)
    lowered = akc.lower(before, calibrate=images(200, 8, 8, 1, seed=3), options={"split-counts": {"when": "uneven"}})
    layers = [op for op in lowered.net.ops if isinstance(op, akida.Layer) and op.activation]
    assert [op.act_bits for op in layers] == [1]
    assert level_of(lowered) == "quantised"
    assert same_answers(lowered, before, x) >= 0.8


@pytest.mark.parametrize("name", ["hard reset", "no memory, subtract"])
def test_texts(name: str, akir_snapshot: SnapshotAssertion) -> None:
    context = Context()
    split = SplitCounts(when="uneven").run(dense(NEURONS[name]), context)
    assert split == akir_snapshot(name=name)
    assert Rate().run(split, context) == akir_snapshot(name=f"{name}, by rate")


def test_what_stays() -> None:
    """By default all; even counts; more jumps or channels than asked for; neurons that are read out."""
    even, uneven = dense(), dense(NEURONS["hard reset"])
    for options, module in (
        ({}, uneven),
        ({"when": "uneven"}, even),
        ({"when": "always", "most": 5}, uneven),
        ({"when": "always", "units": 50}, uneven),
    ):
        assert SplitCounts(**options).run(module, Context()) is module
    split = SplitCounts(when="always").run(uneven, Context())
    assert split.net.types["lif2"] == uneven.net.types["lif2"]


def same_answers(lowered: Module, before: Module, x: np.ndarray) -> float:
    """Share of samples with the same largest result."""
    return float((output(lowered, x).argmax(1) == output(before, x).argmax(1)).mean())


def test_answers_come_nearer_to_the_source() -> None:
    """In real numbers, where even levels of a hard reset are far off; fit-rate compares with the source before."""
    before, x = dense(NEURONS["hard reset"]), images(1000)
    split = SplitCounts(when="always").run(before, context := Context())
    assert same_answers(Rate().run(split, context), before, x) > same_answers(Rate().run(before, Context()), before, x)
    assert split.source == before
    assert Rate().run(split, context).source == before
