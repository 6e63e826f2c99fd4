# SPDX-License-Identifier: Apache-2.0
"""Each example on a small part of its test set: it compiles, and answers nearly as often right as its source.

The bounds leave room for the small number of samples; whole test sets are run by examples/<name>/run.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import akc
from examples import roads, speech
from examples.accuracy import Row, row, table
from examples.fashion_cnn import run as fashion_cnn
from examples.keyword_cnn import run as keyword_cnn
from examples.mnist_mlp import run as mnist_mlp
from examples.mnist_snn import run as mnist_snn
from examples.nmnist_conv_snn import run as nmnist_conv_snn
from examples.spoken_digits_esn import run as spoken_digits_esn
from examples.spoken_digits_esn.train import count_spikes, trained
from examples.spoken_digits_lstm import run as spoken_digits_lstm

pytestmark = pytest.mark.example


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {one.what: one for one in rows}


def check(rows: list[Row], loss: float, same: float) -> None:
    """The calibrated row loses at most `loss` points and gives the same answer in at least `same` percent."""
    found = by_name(rows)
    source, calibrated = found["source network (float)"], found[roads.CALIBRATED.what]
    assert calibrated.accuracy >= source.accuracy - loss, table(rows, 0)
    assert calibrated.same >= same, table(rows, 0)


def test_mnist_mlp(tmp_path: Path) -> None:
    rows, program = roads.compare(mnist_mlp.case(2_000), stages=tmp_path)
    check(rows, loss=0.5, same=99.0)
    assert by_name(rows)[roads.DATA_FREE.what].same >= 98.0
    assert (len(program.sequences), roads.processors(program)) == (1, 3)
    stages = sorted(path.name for path in tmp_path.iterdir())
    assert stages[0] == "00-input.akir" and stages[-1].endswith("place.akir")
    assert any("lower-int4" in name for name in stages)


@pytest.mark.parametrize(("name", "count", "loss"), [("lenet", 1_000, 1.5), ("vgg", 300, 2.0), ("ds_cnn", 300, 3.0)])
def test_fashion_cnn(name: str, count: int, loss: float) -> None:
    rows, program = roads.compare(fashion_cnn.case(name, count), [roads.CALIBRATED])
    check(rows, loss=loss, same=93.0)
    assert len(program.sequences) == 1


def test_keyword_cnn() -> None:
    rows, program = roads.compare(keyword_cnn.case(400), [roads.CALIBRATED])
    check(rows, loss=4.0, same=93.0)
    assert len(program.sequences) == 1


def test_mnist_snn() -> None:
    rows, program = roads.compare(mnist_snn.case(2_000), roads.SPIKING_ROADS)
    check(rows, loss=0.3, same=99.0)
    assert (len(program.sequences), roads.processors(program)) == (1, 2)


def test_nmnist_conv_snn() -> None:
    rows, program = roads.compare(nmnist_conv_snn.case(200), [roads.CALIBRATED])
    check(rows, loss=3.0, same=93.0)
    assert len(program.sequences) == 1


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


def test_committed_stages_are_read() -> None:
    """Every text in the examples parses and prints to itself."""
    texts = sorted(Path(roads.__file__).parent.glob("*/akir/**/*.akir"))
    assert len(texts) >= 40
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert akc.print_module(akc.parse(text)) == text, path


def test_rows_count_answers() -> None:
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    one = row("x", scores, np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1]))
    assert (one.accuracy, one.same) == (50.0, 75.0)
    assert "|   50.00% |" in table([one], 4) and table([one], 4).startswith("4 test samples")
