# SPDX-License-Identifier: Apache-2.0
"""Spiking LSTM layers: left out on request, refused by name, or kept on the host."""

from __future__ import annotations

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.passes import SPIKING
from akc.passes.shared.neurons.spikes import choose_way
from akc.passes.spiking.drop_lstm import DropLstm
from akc.sim.run import run
from tests.passes.test_spiking import filled, spikes

DENSE = """akir 1.0

net @words(%spikes: f32[T=9, 12]) -> f32[4] {
  %fc1 = nn.dense(%spikes, weight=#fc1.weight) : f32[T=9, 10] from "fc1"
  %lif1 = snn.leaky(%fc1, beta=0.9) : f32[T=9, 10] from "lif1"
  %slstm = snn.lstm(%lif1, threshold=0.1, w_ih=#l.w_ih, w_hh=#l.w_hh, b_ih=#l.bias) : f32[T=9, HIDDEN] from "slstm1"
  %fc2 = nn.dense(%slstm, weight=#fc2.weight) : f32[T=9, 4] from "fc2"
  %lif2 = snn.leaky(%fc2, output=membrane, beta=0.9) : f32[T=9, 4] from "lif2"
  %y = host.mean(%lif2) : f32[4] from "read"
  return %y
}

weights {
  #fc1.weight : f32[10, 12] = elided sha256:0000000000000000
  #l.w_ih : f32[GATES, 10] = elided sha256:0000000000000000
  #l.w_hh : f32[GATES, HIDDEN] = elided sha256:0000000000000000
  #l.bias : f32[GATES] = elided sha256:0000000000000000
  #fc2.weight : f32[4, HIDDEN] = elided sha256:0000000000000000
}
"""

MAPS = """akir 1.0

net @maps(%events: f32[T=6, 8, 8, 2]) -> f32[3] {
  %conv = nn.conv(%events, weight=#conv.weight, pad=[1, 1, 1, 1]) : f32[T=6, 8, 8, 4] from "conv"
  %lif1 = snn.leaky(%conv, beta=0.9) : f32[T=6, 8, 8, 4] from "lif1"
  %slstm = snn.conv_lstm(%lif1,
    threshold=0.05,
    weight=#l.weight,
    bias=#l.bias,
    pool=max,
    size=[2, 2],
  ) : f32[T=6, 4, 4, 4] from "slstm1"
  %flat = nn.reshape(%slstm, shape=[64]) : f32[T=6, 64] from "flatten"
  %fc = nn.dense(%flat, weight=#fc.weight) : f32[T=6, 3] from "fc"
  %lif2 = snn.leaky(%fc, output=membrane, beta=0.9) : f32[T=6, 3] from "lif2"
  %y = host.mean(%lif2) : f32[3] from "read"
  return %y
}

weights {
  #conv.weight : f32[4, 3, 3, 2] = elided sha256:0000000000000000
  #l.weight : f32[16, 3, 3, 8] = elided sha256:0000000000000000
  #l.bias : f32[16] = elided sha256:0000000000000000
  #fc.weight : f32[3, 64] = elided sha256:0000000000000000
}
"""  # fmt: skip


def words(hidden: int = 10) -> Module:
    """12-10-SLSTM-4."""
    return filled(DENSE.replace("HIDDEN", str(hidden)).replace("GATES", str(4 * hidden)))


CASES = {"dense": (words, spikes(60, 9, 12)), "maps": (lambda: filled(MAPS), spikes(60, 6, 8, 8, 2))}


@pytest.mark.parametrize("case", CASES)
def test_drop_lstm(case: str, akir_snapshot: SnapshotAssertion) -> None:
    """The layer's input goes on, pooled where the layer pools, and the rest goes onto the chip."""
    make, x = CASES[case]
    context = Context(samples={make().net.inputs[0].name: x})
    after = DropLstm(by="mean").run(make(), context)
    assert after == akir_snapshot(name=f"drop-{case}")
    assert [w.code for w in context.warnings] == ["AKC0430"]
    assert "'" not in context.warnings[0].message
    lowered = akc.lower(make(), calibrate=x, options={"drop-lstm": {"by": "mean"}, "fit-rate": {"least": 0.0}})
    assert level_of(lowered) == "quantised"


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name_with_the_ways_out(case: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        akc.lower(CASES[case][0]())
    fault = caught.value.diagnostics[0]
    assert fault.code == "AKC0370"
    assert "layer 'slstm1' (S" in fault.message
    assert any("drop-lstm" in line for line in fault.help)
    assert any("--host=allow" in line for line in fault.help)
    with pytest.raises(DiagnosticError, match="AKC0370"):
        akc.lower(CASES[case][0](), spikes="hybrid")


def test_other_sizes_are_refused_and_cut() -> None:
    with pytest.raises(DiagnosticError, match="10 features into 7") as caught:
        DropLstm(by="mean").run(words(7), Context())
    assert "by=cut" in caught.value.diagnostics[0].help[1]
    context = Context()
    after = DropLstm(by="cut").run(words(7), context)
    assert after.net.outputs == ("lif1",)
    assert set(after.weights) == {"fc1.weight"}
    assert "ends in front of SLSTM" in context.warnings[0].message
    x = spikes(5, 9, 12)
    np.testing.assert_array_equal(run(after, x)["lif1"], run(words(7), x, keep=True)["lif1"])


@pytest.mark.parametrize("case", CASES)
def test_on_the_host_by_hybrid(case: str) -> None:
    """Gates and state are the host's, the layers around them the chip's; exact where weights are whole."""
    make, x = CASES[case]
    assert choose_way(make(), True)[0] == "hybrid"
    module = filled(DENSE.replace("HIDDEN", "10").replace("GATES", "40") if case == "dense" else MAPS, whole=True)
    context = Context(samples={module.net.inputs[0].name: x}, host="allow")
    lowered = run_pipeline(module, SPIKING["hybrid"], context)
    assert level_of(lowered) == "quantised"
    found, wanted = run(lowered, x, keep=True), run(module, x, keep=True)
    np.testing.assert_array_equal(found["slstm"], wanted["slstm"])
    np.testing.assert_allclose(found["y"], wanted["y"], rtol=1e-5, atol=1e-4)
