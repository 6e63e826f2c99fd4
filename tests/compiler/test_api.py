# SPDX-License-Identifier: Apache-2.0
"""The Python API of the first screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import akc
from akc.ir.levels import level_of
from tests.cli import models


def _matrices() -> tuple[list[np.ndarray], list[np.ndarray]]:  # type: ignore[type-arg]
    generator = np.random.default_rng(3)
    weights = [generator.normal(0, 0.3, shape).astype(np.float32) for shape in ((12, 20), (7, 12), (3, 7))]
    return weights, [generator.normal(0, 0.1, len(w)).astype(np.float32) for w in weights]


def test_every_public_name_is_there() -> None:
    for name in akc.__all__:
        assert getattr(akc, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        akc.nothing  # noqa: B018


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_network_from_matrices_builds(bits: int) -> None:
    weights, biases = _matrices()
    module = akc.dense_network(weights, biases, (20,), bits=bits, input_range=(0.0, 1.0))
    assert level_of(module) == "quantised"
    program = akc.build(module)
    assert program.bytes == program.info + program.data
    x = np.random.default_rng(0).uniform(0, 1, (9, 20)).astype(np.float32)
    assert program.run(x).shape == (9, 3)


def test_four_bits_follow_the_float_network() -> None:
    """Levels of 1/15 and weights of a sign and three bits: the outputs stay close to the float ones."""
    weights, biases = _matrices()
    x = np.random.default_rng(0).uniform(0, 1, (200, 20)).astype(np.float32)
    module = akc.dense_network(weights, biases, (20,), calibrate=x)
    y = x
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        y = y @ w.T + b
        y = np.maximum(y, 0) if number < 2 else y
    error = np.abs(akc.build(module).run(x) - y).mean() / np.abs(y).mean()
    assert error < 0.25


def test_matrices_that_form_no_chain_are_all_named() -> None:
    weights, biases = _matrices()
    with pytest.raises(akc.DiagnosticError) as caught:
        akc.dense_network([weights[0], weights[2]], [biases[0], biases[1]], (21,))
    assert len(caught.value.diagnostics) == 3


def test_text_goes_round_and_builds_to_the_same_bytes(tmp_path: Path) -> None:
    module = akc.lower(str(models.dense(tmp_path / "m.onnx")), input_range=(0.0, 1.0))
    program = akc.build(akc.print_module(module))
    assert program.bytes == akc.build(module).bytes
    program.save(tmp_path / "net.akd")
    again = akc.load(tmp_path / "net.akd")
    assert again == program


def test_lowering_takes_a_module_a_context_and_pass_options(tmp_path: Path) -> None:
    context = akc.Context()
    module = akc.lower(
        str(models.dense(tmp_path / "m.onnx")), context=context, options={"lower-int4": {"activations": 2}}
    )
    assert any("calibration" in d.message for d in context.warnings)
    assert all(op.type.dtype in ("u2", "i32") for s in module.net.sequences for op in s.ops)
    with pytest.raises(akc.DiagnosticError, match="did you mean lower-int4"):
        akc.lower(module, pipeline="lower-int4", options={"lower-int": {}})
