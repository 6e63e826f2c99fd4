# SPDX-License-Identifier: Apache-2.0
"""The trained MNIST network of the examples on 200 real digits: int4 answers as the float network does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from akc.compiler.pipeline import Context, run_pipeline
from akc.frontends.onnx.importer import read_onnx
from akc.passes import LOWER
from tests.passes.building import outputs

ROOT = Path(__file__).parents[2]


def _digits() -> tuple[np.ndarray, np.ndarray]:
    with np.load(ROOT / "tests" / "data" / "mnist_200.npz") as digits:
        pictures = (digits["image"].reshape(-1, 1, 28, 28) / np.float32(255) - 0.1307) / 0.3081
        return pictures.astype(np.float32), digits["labels"]


@pytest.mark.parametrize(
    ("samples", "options", "least"),
    [
        (True, "", 0.99),
        (False, "", 0.98),
        (True, "{weights=2}", 0.95),
        (True, "{rounding=nearest scale=max per=layer}", 0.97),
    ],
)
def test_same_answers(samples: bool, options: str, least: float) -> None:
    """The share of same answers, calibrated on the other half of the digits."""
    module = read_onnx(str(ROOT / "examples" / "mnist_mlp" / "mnist_mlp.onnx"))
    pictures, _ = _digits()
    name = module.net.inputs[0].name
    context = Context(samples={name: pictures[100:]} if samples else None, input_range=(-0.4242, 2.8215))
    lowered = run_pipeline(module, LOWER.replace("lower-int4", f"lower-int4{options}"), context)
    want, got = (outputs(m, pictures[:100]).argmax(axis=-1) for m in (module, lowered))
    assert (want == got).mean() >= least
