# SPDX-License-Identifier: Apache-2.0
"""What users read when a layer is refused, one golden text a reason; the frontends' tests provoke them."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import fields
from syrupy.assertion import SnapshotAssertion

import akc
from akc.base.diagnostics import DiagnosticError, render
from akc.compiler.sources import Options, read_source
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow
from akc.pages.compatibility import FRAMEWORKS

KINDS = {
    "lstm": "SLSTM", "recurrent": "RLeaky",
    "full-matrix": "LeakyParallel with a full weight_hh", "own-forward": "MyLeaky",
    "graded-layer": "GradedSpikes",
    "back-edge": "Affine",
    "neuron-model": "IzhikevichCell", "branches": "concat", "upsampling": "convT", "graded-spikes": "CUBA neurons",
    "adaptive-threshold": "LSNNCell", "winner-take-all": "Leaky", "one-spike": "DiehlAndCookNodes",
    "axonal-delay": "dense", "stochastic": "SRM0Nodes", "per-step-norm": "BatchNormTT1d",
    "unshared-weights": "LocalConnection", "lateral": "Connection", "rate-pooling": "MaxPool2dConnection",
    "complex": "RF_IZ neurons", "change-detector": "DeltaLeaky", "kernel-memory": "AssociativeLeaky",
    "no-such-conv": "snn.Conv2d", "no-such-lstm": "snn.LSTM", "no-such-layer": "SNUCell", "encoder": "PoissonEncoder",
    "encoder-inside": "spikegen.rate", "smooth-spikes": "LIFNode", "spiking-attention": "SpikingSelfAttention",
    "several-samples": "IAFSqueeze", "bounded-potential": "ExpLeak", "own-rule": "LIF",
}  # fmt: skip


NAMED_ELSEWHERE = {"own-forward", "no-such-conv", "no-such-lstm"}
"""Reasons that a frontend finds without a row."""


@pytest.mark.parametrize("reason", REFUSALS)
def test_message(reason: str, text_snapshot: SnapshotAssertion) -> None:
    assert render(REFUSALS[reason].diagnostic("lif1", KINDS[reason])) == text_snapshot(name=reason)


def test_rows_name_reasons_that_exist() -> None:
    rows = [row for _, _, table in FRAMEWORKS for row in table.values()]
    used = {row.refusal for row in rows if row.refusal}
    assert used <= set(REFUSALS)
    sources = "".join(path.read_text() for path in (Path(akc.__file__).parent / "frontends").rglob("*.py"))
    assert all(reason in used or f'REFUSALS["{reason}"]' in sources for reason in set(REFUSALS) - NAMED_ELSEWHERE)
    always = [row for row in rows if row.refusal and row.applies is fields(NeuronRow).applies.default]
    assert all(row.verdict in ("refused", "host") or row.name == "GradedSpikes" for row in always)


@pytest.mark.parametrize(
    ("written", "words"), [("Conv2d(1, 2, 3)", "torch.nn.Conv2d followed by"), ("LSTM(3, 3)", "SLSTM")]
)
def test_classes_that_snntorch_does_not_have(written: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(f"import snntorch as snn\n\ndef make():\n    return snn.{written}\n")
    with pytest.raises(DiagnosticError, match=words) as caught:
        read_source(f"{path}:make", Options(example=((1, 3),)))
    fault = caught.value.diagnostics[0]
    assert fault.code == "AKC0386"
    assert fault.span is not None and str(fault.span).endswith("net.py:4:5")
