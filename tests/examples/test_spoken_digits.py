# SPDX-License-Identifier: Apache-2.0
"""What is particular to the spoken-digit networks, on a part of the test voices."""

from __future__ import annotations

import numpy as np
import pytest

from akc.ir.ops.akida import Layer
from examples import roads
from examples.spoken_digits_esn import run as spoken_digits_esn
from examples.spoken_digits_lstm import run as spoken_digits_lstm

pytestmark = pytest.mark.example


def test_the_reservoir_runs_on_sums_from_the_chip() -> None:
    case = spoken_digits_esn.case(100)
    program = roads.compile_case(case, roads.CALIBRATED)
    layers = [op for op in program.module.net.ops if isinstance(op, Layer)]
    assert [op.origin for op in layers] == [("input",), ("neurons",), ("readout",)]
    # 4 bits hold the drawn weights, so that their sums are exact
    weight = case.source.neurons.recurrent.weight.detach().numpy()
    np.testing.assert_array_equal(program.module.array(layers[1].weights), np.rint(weight / np.abs(weight).max() * 7))
    assert spoken_digits_esn.same_counts(program, case) > 99


def test_dropping_the_lstm() -> None:
    case = spoken_digits_lstm.case(200)
    source, dropped, retrained = spoken_digits_lstm.float_rows(case)
    program = roads.compile_case(case, spoken_digits_lstm.DROPPED)
    chip = roads.rows_of(case, {"dropped": program})[1]
    assert source.accuracy > 98 and dropped.accuracy < 50 and retrained.accuracy > 97
    assert abs(chip.accuracy - dropped.accuracy) < 8
