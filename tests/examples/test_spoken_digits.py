# SPDX-License-Identifier: Apache-2.0
"""The spoken-digit networks on a part of the test voices."""

from __future__ import annotations

import pytest

from examples import roads, speech
from examples.spoken_digits_esn import run as spoken_digits_esn
from examples.spoken_digits_esn.train import count_spikes, trained
from examples.spoken_digits_lstm import run as spoken_digits_lstm
from tests.examples.bounds import by_name, check

pytestmark = pytest.mark.example


def test_spoken_digits_esn() -> None:
    spoken, model = speech.shd_like(), trained()
    counts = spoken_digits_esn.count_on_chip(spoken_digits_esn.reservoir_programs(model), model, spoken.test[:200])
    assert (counts == count_spikes(model, spoken.test[:200])).mean() > 0.99
    rows, _ = roads.compare(spoken_digits_esn.case(counts, model, spoken), [roads.CALIBRATED])
    check(rows, loss=1.0, same=98.5)


def test_spoken_digits_lstm() -> None:
    rows, program = spoken_digits_lstm.compare(spoken_digits_lstm.case(200))
    found = by_name(rows)
    retrained = found["LSTM dropped, read-out retrained (float)"]
    assert found["LSTM dropped, read-out as it was (float)"].accuracy < 50
    assert found[spoken_digits_lstm.DROPPED.what].accuracy < 50
    assert found[spoken_digits_lstm.RETRAINED.what].accuracy >= retrained.accuracy - 1.5
    assert len(program.sequences) == 1
