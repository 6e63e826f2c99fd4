# SPDX-License-Identifier: Apache-2.0
"""The text is the whole state: a pipeline that goes on from the printed text after any pass gives the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve, frozen

from akc.compiler.pipeline import Context, describe, parse_pipeline, run_pipeline
from akc.ir.module import Module
from akc.ir.ops import snn
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.passes import BUILD, LOWER, SPIKING
from tests.passes.test_spiking import EVENTS, MEMORYLESS, dense, filled, images, spikes

CNN = """akir 1.0

net @cnn(%image: f32[12, 12, 1]) -> f32[5] {
  %conv = nn.conv(%image, weight=#conv.weight, pad=[1, 1, 1, 1]) : f32[12, 12, 6] from "conv"
  %relu = nn.relu(%conv) : f32[12, 12, 6] from "relu"
  %pool = nn.max_pool(%relu, size=[2, 2], stride=[2, 2]) : f32[6, 6, 6] from "pool"
  %conv2 = nn.conv(%pool, weight=#conv2.weight, pad=[1, 1, 1, 1]) : f32[6, 6, 8] from "conv2"
  %relu2 = nn.relu(%conv2) : f32[6, 6, 8] from "relu2"
  %flat = nn.reshape(%relu2, shape=[288]) : f32[288] from "flat"
  %fc = nn.dense(%flat, weight=#fc.weight) : f32[5] from "fc"
  return %fc
}

weights {
  #conv.weight : f32[6, 3, 3, 1] = elided sha256:0
  #conv2.weight : f32[8, 3, 3, 6] = elided sha256:0
  #fc.weight : f32[5, 288] = elided sha256:0
}
"""


@frozen
class Road:
    """A pipeline, a network for it, its samples (or None) and whether the host may help."""

    pipeline: str
    module: Callable[[], Module]
    samples: Callable[[], np.ndarray[Any, Any]] | None = None
    host: str = "refuse"


NARROW = LOWER.replace("lower-int4", "lower-int4{activations=2}")
UNEVEN = SPIKING["rate"].replace("split-counts", "split-counts{when=always}")
FITTED = SPIKING["rate"].replace(",rate,", ",rate{fit=true window=1},").replace("fit-rate", "fit-rate{explained=0}")
LEAST = "fit-rate{least=0"


def events() -> np.ndarray[Any, Any]:
    """Samples for EVENTS."""
    return spikes(60, 12, 8, 8, 2)


def unusual() -> Module:
    """A neuron that no staircase is right for."""
    return dense("snn.alpha(%fc1, alpha=0.9, beta=0.8)")


ROADS = {
    "default": Road(BUILD, lambda: filled(CNN), lambda: images(40, 12, 12, 1)),
    "default without samples": Road(LOWER, lambda: filled(CNN)),
    "narrow": Road(NARROW, lambda: filled(CNN), lambda: images(40, 12, 12, 1)),
    "narrow without samples": Road(NARROW, lambda: filled(CNN)),
    "percentile": Road(
        NARROW.replace("calibrate", "calibrate{method=percentile}"), lambda: filled(CNN), lambda: images(40, 12, 12, 1)
    ),
    "rate": Road(SPIKING["rate"], dense, lambda: images(60)),
    "rate without samples": Road(SPIKING["rate"], dense),
    "rate by windows": Road(SPIKING["rate"], lambda: filled(EVENTS), events),
    "rate of split counts": Road(UNEVEN, lambda: dense("snn.leaky(%fc1, beta=0.8, reset=zero)"), lambda: images(60)),
    "rate of an unusual neuron": Road(FITTED, unusual, lambda: images(60)),
    "hybrid": Road(SPIKING["hybrid"], dense, lambda: images(60), "allow"),
    "step": Road(SPIKING["step"], lambda: filled(MEMORYLESS, whole=True), lambda: spikes(50, 9, 12)),
    "learning": Road(
        f"{LOWER.replace('lower-int4', 'lower-int4{activations=1}')},learn{{num_classes=5}}",
        lambda: filled(CNN),
        lambda: images(40, 12, 12, 1),
    ),
}


def _run(module: Module, passes: list[Any], road: Road) -> Module:
    samples = None if road.samples is None else {module.net.inputs[0].name: road.samples()}
    return run_pipeline(module, passes, Context(samples=samples, host=road.host))


@pytest.mark.parametrize("name", ROADS)
def test_every_stop(name: str) -> None:
    road = ROADS[name]
    passes: list[Any] = [
        evolve(one, least=0.0) if one.name == "fit-rate" else one for one in parse_pipeline(road.pipeline)
    ]
    module = road.module()
    text = print_module(module)
    for one in passes:
        module, text = _run(module, [one], road), print_module(_run(parse(text), [one], road))
        assert print_module(module) == text, describe(one)
    assert module.source is None


def test_a_source_stands_in_the_text_until_it_is_fitted_to() -> None:
    """From rate on, neurons and all; fit-rate takes it away, with samples or without."""
    first, rest = SPIKING["rate"].split(",fold-layout,")
    text = print_module(run_pipeline(dense(), first, Context()))
    assert text.count("source {") == 1 and "snn.leaky" in text.split("source {")[1]
    assert parse(text).source == dense()
    assert not any(isinstance(op, snn.Neuron) for op in parse(text).net.ops)
    assert run_pipeline(parse(text), f"fold-layout,{rest}", Context()).source is None
