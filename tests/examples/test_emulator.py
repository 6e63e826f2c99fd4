# SPDX-License-Identifier: Apache-2.0
"""The example networks on the emulated chip: every integer is the simulator's, on MNIST for the whole test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import akc
from akc.verification import verify
from examples import data
from examples.mnist_mlp.run import case as mnist_case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.example


def test_the_whole_mnist_test_set() -> None:
    whole = mnist_case()
    program = akc.build(akc.lower(whole.source, calibrate=whole.calibration))
    with akc.open_device("emulator") as device:
        result = verify(device, program, whole.inputs)
        result.check()
        assert [(s.samples, s.values) for s in result.sequences] == [(10_000, 100_000)]
        device.program(program)
        answers = np.asarray(device.predict(whole.inputs)).reshape(10_000, -1).argmax(axis=1)
    accuracy = float((answers == whole.labels).mean())
    source = float((whole.scores.argmax(axis=1) == whole.labels).mean())
    assert accuracy > source - 0.01


def pictures() -> Any:
    """64 normalised digits; every network of 28x28 pictures can run on them."""
    return data.normalise(data.mnist().test[:64])


@pytest.mark.parametrize("name", sorted(str(p.relative_to(EXAMPLES)) for p in EXAMPLES.glob("*/*.onnx")))
def test_every_onnx_example(name: str) -> None:
    program = akc.build(akc.lower(str(EXAMPLES / name), calibrate=pictures(), host="allow"))
    with akc.open_device("emulator") as device:
        verify(device, program, pictures()).check()
        device.program(program)
        np.testing.assert_array_equal(device.predict(pictures()), program.run(pictures()))
