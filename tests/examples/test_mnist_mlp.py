# SPDX-License-Identifier: Apache-2.0
"""The MNIST network: all rows of its table on a part of the test set, its stages, all test digits on the emulator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import akc
from akc.devices.verification import verify
from examples import roads
from examples.accuracy import percent
from examples.mnist_mlp.run import case

pytestmark = pytest.mark.example


def test_all_rows(tmp_path: Path) -> None:
    rows, program = roads.compare(case(2_000), stages=tmp_path)
    assert [row.what for row in rows[1:]] == [road.what for road in roads.ROADS]
    assert all(row.same >= 98.0 for row in rows)
    assert (len(program.sequences), roads.processors(program)) == (1, 3)
    stages = sorted(path.name for path in tmp_path.iterdir())
    assert stages[0] == "00-input.akir" and stages[-1].endswith("place.akir")
    assert any("lower-int4" in name for name in stages)


def test_the_whole_test_set_on_the_emulator() -> None:
    whole = case()
    program = roads.compile_case(whole, roads.CALIBRATED)
    with akc.open_device("emulator") as device:
        result = verify(device, program, whole.inputs)
        result.check()
        assert [(s.samples, s.values) for s in result.sequences] == [(10_000, 100_000)]
        device.program(program)
        answers = np.asarray(device.predict(whole.inputs)).reshape(10_000, -1).argmax(axis=1)
    assert percent(answers, whole.labels) > percent(whole.answers, whole.labels) - 0.2
