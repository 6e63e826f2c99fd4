# SPDX-License-Identifier: Apache-2.0
"""What the ways onto the chip promise: fewer bits, deeper networks, windows, and exactness where it is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.compiler.pipeline import Context
from akc.ir.module import Module
from akc.ir.ops import akida
from akc.sim.run import run
from tests.passes.test_spiking import EVENTS, MEMORYLESS, RECURRENT, dense, filled, images, output, spikes

DEEP = """akir 1.0

net @deep(%image: f32[12]) -> f32[4] {
  %steps = host.repeat(%image, steps=15) : f32[T=15, 12]
  %fc1 = nn.dense(%steps, weight=#w1) : f32[T=15, 24] from "fc1"
  %lif1 = snn.leaky(%fc1, beta=0.9, threshold=0.4) : f32[T=15, 24] from "lif1"
  %fc2 = nn.dense(%lif1, weight=#w2) : f32[T=15, 24] from "fc2"
  %lif2 = snn.leaky(%fc2, beta=0.9, threshold=0.4) : f32[T=15, 24] from "lif2"
  %fc3 = nn.dense(%lif2, weight=#w3) : f32[T=15, 24] from "fc3"
  %lif3 = snn.leaky(%fc3, beta=0.9, threshold=0.4) : f32[T=15, 24] from "lif3"
  %fc4 = nn.dense(%lif3, weight=#w4) : f32[T=15, 4] from "fc4"
  %lif4 = snn.leaky(%fc4, output=membrane, beta=0.9, reset=none) : f32[T=15, 4] from "lif4"
  %y = host.mean(%lif4) : f32[4] from "read"
  return %y
}

weights {
  #w1 : f32[24, 12] = elided sha256:0000000000000000
  #w2 : f32[24, 24] = elided sha256:0000000000000000
  #w3 : f32[24, 24] = elided sha256:0000000000000000
  #w4 : f32[4, 24] = elided sha256:0000000000000000
}
"""


def lowered(module: Module, x: np.ndarray, context: Context | None = None, **options: Any) -> Module:
    """The network calibrated on x, never refused."""
    return akc.lower(module, calibrate=x, options=options, least=0, context=context)


def same(one: Module, other: Module, x: np.ndarray) -> float:
    """Share of samples with the same answer."""
    return float((output(one, x).argmax(1) == output(other, x).argmax(1)).mean())


@pytest.mark.parametrize(("bits", "least"), [(4, 0.9), (2, 0.8), (1, 0.6)])
def test_bits_of_a_level(bits: int, least: float) -> None:
    """rate{bits=} is all that needs saying; fewer bits answer less like the source."""
    module, x = dense(), images(500)
    found = lowered(module, images(400, seed=7), rate={"bits": bits})
    layers = [op for op in found.net.ops if isinstance(op, akida.Layer) and op.activation]
    assert {op.act_bits for op in layers} == {bits}
    assert same(found, module, x) >= least


def test_a_deep_network() -> None:
    """Three hidden layers, each fitted on the ones in front as they are quantised."""
    module, x = filled(DEEP), images(500)
    context = Context()
    found = lowered(module, images(800, seed=7), context)
    report = context.reports["fit-rate"]
    assert [layer.name for layer in report.layers] == ["lif1", "lif2", "lif3"]
    assert all(layer.after <= layer.before for layer in report.layers)
    assert same(found, module, x) >= 0.75
    assert len([op for op in found.net.ops if isinstance(op, akida.FullyConnected)]) == 4


@pytest.mark.parametrize("bits", [4, 2, 1])
@pytest.mark.parametrize("window", [1, 4, 12])
def test_windows(window: int, bits: int) -> None:
    """Any number of passes, any bits; the host sums over them."""
    module, x = filled(EVENTS), spikes(100, 12, 8, 8, 2)
    found = lowered(module, x, rate={"window": window, "bits": bits})
    assert {v.type.steps for v in found.net.values.values() if v.name.endswith("_levels")} == (
        {None} if window == 1 else {window}
    )
    wanted = output(module, x) - output(module, x).mean(0)
    centred = output(found, x) - output(found, x).mean(0)
    assert np.corrcoef(centred.ravel(), wanted.ravel())[0, 1] > {4: 0.6, 2: 0.5, 1: 0.3}[bits]


@pytest.mark.parametrize("reset", ["zero", "none"])
@pytest.mark.parametrize("samples", [False, True])
def test_step_is_exact(reset: str, samples: bool) -> None:
    """Every spike and every count, by the default road, with samples or without."""
    module = filled(MEMORYLESS.replace("reset=zero", f"reset={reset}"), whole=True)
    x = spikes(200, 9, 12)
    found = akc.lower(module, calibrate=x if samples else None, input_range=(0.0, 1.0), spikes="step")
    np.testing.assert_array_equal(output(found, x), output(module, x))
    assert output(module, x).std() > 0.5


NEURONS = {
    "rleaky, beta 0.3": "snn.rleaky(%fc1, %back, beta=0.3, threshold=4.3)",
    "rleaky, beta 0.95, reset zero": "snn.rleaky(%fc1, %back, beta=0.95, threshold=4.3, reset=zero)",
    "rleaky, beta 1": "snn.rleaky(%fc1, %back, beta=1.0, threshold=4.0)",
    "norse recurrent": "snn.lif_recurrent(%fc1, %back, v_th=2.0)",
}


@pytest.mark.parametrize("name", NEURONS)
def test_hybrid_is_exact_at_any_beta(name: str) -> None:
    """Weights that four bits hold: every spike of every step is the source's, by the default road."""
    text = RECURRENT.replace("snn.rleaky(%fc1, %back, beta=0.5, threshold=4.3)", NEURONS[name])
    module, x = filled(text, whole=True), spikes(100, 9, 12)
    found = akc.lower(module, calibrate=x[:60], host="allow")
    wanted = run(module, x, keep=True)["lif1"]
    np.testing.assert_array_equal(run(found, x, keep=True)["lif1"], wanted)
    assert 0.02 < wanted.mean() < 0.98


BIASES = (
    RECURRENT.replace("weight=#fc1.weight", "weight=#fc1.weight, bias=#fc1.bias")
    .replace("weight=#back.weight", "weight=#back.weight, bias=#back.bias")
    .replace(
        "  #back.weight",
        """  #fc1.bias : f32[10] = dec "0.11 -0.23 0.37 1.41 -0.52 0.63 0.74 -1.85 0.96 0.07"
  #back.bias : f32[10] = dec "-0.31 0.43 0.17 -0.81 0.72 0.13 -0.44 0.95 0.16 0.27"
  #back.weight""",
    )
)


@pytest.mark.parametrize("samples", [False, True])
def test_hybrid_is_exact_with_any_bias(samples: bool, akir_snapshot: SnapshotAssertion) -> None:
    """The host adds biases; the chip would round them to whole potentials. Spikes are seen in samples, or said."""
    module, x = filled(BIASES, whole=True), spikes(100, 9, 12)
    options = {"lower-int4": {"input": None if samples else 1}}
    found = akc.lower(module, calibrate=x[:60] if samples else None, input_range=(0, 1), host="allow", options=options)
    np.testing.assert_array_equal(run(found, x, keep=True)["lif1"], run(module, x, keep=True)["lif1"])
    program = akc.build(found, host="allow")
    np.testing.assert_array_equal(program.run(x), output(module, x))
    if samples:
        assert found == akir_snapshot(name="hybrid with biases")


def test_hybrid_of_scaled_weights_is_exact_but_for_one_rounding() -> None:
    """Whole numbers times a scale of each row: potentials are the source's up to the last float32."""
    module, x = filled(RECURRENT, whole=True), spikes(100, 9, 12)
    from attrs import evolve

    from akc.ir.weights import Weight

    scales = np.linspace(0.01, 0.3, 10)[:, None]
    weights = {key: Weight.of(w.array * scales, "f32") for key, w in module.weights.items()}
    module = evolve(module, weights=weights)
    found = akc.lower(module, calibrate=x[:60], host="allow")
    values, wanted = run(found, x, keep=True), run(module, x, keep=True)
    np.testing.assert_allclose(values["fc1"], wanted["fc1"], rtol=1e-5, atol=1e-6)
