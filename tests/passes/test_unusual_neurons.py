# SPDX-License-Identifier: Apache-2.0
"""Neurons that are no leaky sums: refused by name, fitted to samples on request, exact on the host."""

from __future__ import annotations

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module
from akc.passes import SPIKING
from akc.passes.shared.neurons.spikes import choose_way
from akc.sim.run import run
from tests.passes.test_spiking import DENSE, filled, images, output

NEURONS = {
    "alpha": "snn.alpha(%fc1, alpha=0.9, beta=0.8, threshold=0.5)",
    "lsnn": "snn.lsnn(%fc1, tau_adapt_inv=20.0, beta=0.5, v_th=0.4, tau_mem_inv=300.0)",
    "lif_ex": "snn.lif_ex(%fc1, v_th=0.4, tau_mem_inv=300.0)",
    "lif_adex": "snn.lif_adex(%fc1, v_th=0.4, tau_mem_inv=300.0, adaptation_spike=0.1, tau_ada_inv=50.0)",
    "izhikevich": "snn.izhikevich(%gain, a=0.02, b=0.2, c=-65.0, d=2.0, v_start=-70.0, u_start=-14.0)",
}
CODES = {"lsnn": "AKC0373"}
"""By neuron; the others are AKC0372."""


def network(name: str) -> Module:
    """The dense network with one of them in the middle; Izhikevich's currents are counted in tens."""
    text = DENSE.replace("OUT", "output=membrane, ")
    gain = "  %gain = nn.affine(%fc1, scale=12.0) : f32[T=15, 10]\n  // the hidden neurons"
    return filled(
        text.replace("  // the hidden neurons", gain if "%gain" in NEURONS[name] else "").replace(
            "NEURON", NEURONS[name]
        )
    )


@pytest.mark.parametrize("name", NEURONS)
def test_refused_by_name_with_the_ways_out(name: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        akc.lower(network(name))
    fault = caught.value.diagnostics[0]
    assert fault.code == CODES.get(name, "AKC0372")
    assert f"layer 'lif1' (snn.{name})" in fault.message
    assert [way in fault.help[i] for i, way in enumerate(("--fit, with --calibrate", "--spikes hybrid"))] == [True] * 2
    with pytest.raises(DiagnosticError, match="AKC0412"):
        akc.lower(network(name), options={"rate": {"fit": True}})


@pytest.mark.parametrize("name", NEURONS)
def test_fitted_to_samples(name: str, akir_snapshot: SnapshotAssertion) -> None:
    """The staircase of a constant current is far off; the fit comes near, and says how near."""
    module, x = network(name), images(400)
    context = Context()
    lowered = akc.lower(module, calibrate=images(800, seed=7), options={"rate": {"fit": True}}, context=context)
    assert lowered == akir_snapshot(name=name)
    report = context.reports["fit-rate"]
    layer = report.layers[0]
    assert layer.after <= layer.before * (0.6 if name in ("alpha", "lsnn") else 1.0)
    assert layer.explained > 0.8
    assert f"{layer.explained:.0%} of its counts explained" in str(report)
    assert report.same[report.kept] >= report.same["unfitted"]
    assert name in ("lif_ex", "lif_adex") or report.kept != "unfitted", "the fit is worth its while"
    assert (output(lowered, x).argmax(1) == output(module, x).argmax(1)).mean() > 0.85


def test_a_bad_fit_is_refused() -> None:
    module, options = network("alpha"), {"rate": {"fit": True}, "fit-rate": {"explained": 1.0}}
    with pytest.raises(DiagnosticError) as caught:
        akc.lower(module, calibrate=images(400, seed=7), options=options)
    fault = caught.value.diagnostics[0]
    assert fault.code == "AKC0391"
    assert "rates of 'lif1' cannot be fitted" in fault.message
    akc.lower(module, calibrate=images(400, seed=7), options=options, least=0)


@pytest.mark.parametrize("name", NEURONS)
def test_exact_on_the_host(name: str) -> None:
    """The neuron's own equations on potentials from the chip, for inputs and weights that the chip holds."""
    text = network(name)
    from attrs import evolve

    from akc.ir.weights import Weight

    weights = {
        key: Weight.of(np.clip(np.rint(w.array * 10), -7, 7) if w.array.ndim == 2 else np.rint(w.array), "f32")
        for key, w in text.weights.items()
    }
    module, x = evolve(text, weights=weights), np.rint(images(200) * 7 + 7).astype(np.float32)
    assert choose_way(module, True)[0] == "hybrid"
    context = Context(samples={"image": x}, host="allow")
    lowered = run_pipeline(module, SPIKING["hybrid"], context)
    np.testing.assert_array_equal(run(lowered, x, keep=True)["lif1"], run(module, x, keep=True)["lif1"])
    assert run(module, x, keep=True)["lif1"].any()
