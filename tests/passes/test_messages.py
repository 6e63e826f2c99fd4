# SPDX-License-Identifier: Apache-2.0
"""What users read when a pass refuses or warns, for every code of passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError, render_all
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module, Value
from akc.ir.ops import nn, nn_recurrent
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.passes import LEGALISE, LOWER
from tests.passes.branching import LEFT
from tests.passes.building import Building, sampled
from tests.passes.test_other_passes import dense, recurrent


def _opaque() -> Module:
    net = Building(9).dense(5)
    net.ops.append(
        nn.Opaque(result=Value("norm", net.last.type), inputs=(net.last.name,), op="LayerNorm", origin=("/norm1",))
    )
    return net.dense(3).module()


def _forked() -> Module:
    net = Building(9).dense(5).relu()
    module = net.dense(3).module()
    again = evolve(net.ops[-1], result=Value("other", net.ops[-1].type))
    return evolve(module, net=evolve(module.net, statements=(*module.net.statements, again)))


WRONG_SAMPLES = {"image": np.zeros((4, 3), np.float32)}

FAULTS: dict[str, tuple[Callable[[], Module], str, dict[str, Any]]] = {
    "AKC0410": (dense, LOWER, {"samples": WRONG_SAMPLES}),
    "AKC0412": (dense, f"{LEGALISE},calibrate,lower-int4{{rounding=error-feedback}}", {}),
    "AKC0413": (dense, f"{LEGALISE},lower-int4", {}),
    "AKC0420": (_opaque, LEGALISE, {}),
    "AKC0421": (lambda: recurrent(nn_recurrent.Lstm, "last"), LEGALISE, {}),
    "AKC0422": (lambda: Building(20, 20, 4).conv(3, 9, pad=(4, 4, 4, 4)).relu().module(), LEGALISE, {}),
    "AKC0423": (
        lambda: Building(19, 19, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().max_pool(3).conv(3, 1).relu().module(),
        LEGALISE,
        {},
    ),
    "AKC0424": (
        lambda: Building(9, 9, 4).conv(3, 3, pad=(1, 1, 1, 1)).conv(3, 3, pad=(1, 1, 1, 1)).relu().module(),
        LEGALISE,
        {},
    ),
    "AKC0425": (_forked, LEGALISE, {}),
    "AKC0426": (
        lambda: Building(9, 9, 4).conv(3, 1).relu().batch_norm().module(),
        LEGALISE,
        {},
    ),
    "AKC0416": (lambda: Building(4, 13).flatten().dense(3).module(), "insert-image-layer{filters=1}", {}),
    "AKC0427": (
        lambda: Building(5, 6, 4).conv(3, 1).relu().add(nn.Permute, order=(1, 0, 2)).conv(3, 1).relu().module(),
        LEGALISE,
        {},
    ),
    "AKC0431": (lambda: recurrent(nn_recurrent.Gru, "last", 5, 6), "drop-lstm{by=mean}", {}),
}

WARNINGS: dict[str, tuple[Callable[[], Module], str, dict[str, Any]]] = {
    "AKC0411": (dense, LOWER, {}),
    "AKC0411-promised": (dense, LOWER, {"input_range": (-1.0, 2.0)}),
    "AKC0415": (
        lambda: Building(6, 6, 4).conv(3, 3, pad=(1, 1, 1, 1)).relu().module(),
        LOWER.replace("offset-input,", ""),
        {"samples": {"image": np.linspace(-1, 1, 8 * 144, dtype=np.float32).reshape(8, 6, 6, 4)}},
    ),
    "AKC0450": (lambda: LEFT["different-activations"][0]().module(), "merge-branches", {"host": "allow"}),
    "AKC0430": (lambda: recurrent(nn_recurrent.Rnn, "all"), "drop-lstm{by=mean}", {}),
    "AKC0430-last": (lambda: recurrent(nn_recurrent.Lstm, "last"), "drop-lstm{by=last}", {}),
}


def _written(module: Module) -> Module:
    """The module as its user wrote it, so that messages point into the text."""
    return parse(print_module(module, elide=False), "net.akir")


@pytest.mark.parametrize("code", FAULTS)
def test_faults(code: str, text_snapshot: SnapshotAssertion) -> None:
    """The whole message."""
    make, pipeline, fields = FAULTS[code]
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(_written(make()), pipeline, Context(**fields))
    assert all(d.code == code for d in fault.value.diagnostics)
    assert render_all(fault.value.diagnostics) == text_snapshot(name=code)


@pytest.mark.parametrize("code", WARNINGS)
def test_warnings(code: str, text_snapshot: SnapshotAssertion) -> None:
    """The whole message; the network goes on."""
    make, pipeline, fields = WARNINGS[code]
    context = Context(**fields)
    run_pipeline(_written(make()), pipeline, context)
    assert render_all(context.warnings) == text_snapshot(name=code)


def test_no_warning_with_samples() -> None:
    """Samples leave nothing to be assumed."""
    context = sampled(dense())
    run_pipeline(dense(), LOWER, context)
    assert not context.warnings
