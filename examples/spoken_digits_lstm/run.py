# SPDX-License-Identifier: Apache-2.0
"""Spoken digits: a convolution + LSTM network whose LSTM the chip does not have, and what dropping it costs.

    python examples/spoken_digits_lstm/run.py

Leaves the text of every stage of the retrained network in examples/spoken_digits_lstm/akir (long weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

from attrs import evolve

sys.path.append(str(Path(__file__).resolve().parents[2]))

import akc
from examples import roads, speech, training
from examples.accuracy import Row, row
from examples.spoken_digits_lstm.train import WithoutLstm, inputs, retrained, trained

FOLDER = Path(__file__).parent
CALIBRATION = 500
DROPPED = evolve(
    roads.CALIBRATED,
    what="akc calibrated, LSTM dropped, read-out as it was",
    options={**roads.CALIBRATED.options, "drop-lstm": {"by": "mean"}},
    least=0.0,
)
RETRAINED = evolve(roads.CALIBRATED, what="akc calibrated, LSTM dropped, read-out retrained")
NAIVE = evolve(roads.NAIVE, what="naive int4, LSTM dropped, read-out retrained")
DATA_FREE = evolve(roads.DATA_FREE, what="akc without samples, LSTM dropped, read-out retrained")


def case(count: int | None = None) -> roads.Case:
    """The network with its LSTM and the first `count` words of the test voices (all by default)."""
    spoken = speech.tidigits_like()
    model, test = trained(), inputs(spoken.test[:count])
    return roads.Case(
        source=model,
        example=(1, 1, 64, 64),
        inputs=test,
        labels=spoken.test_labels[:count],
        scores=training.outputs(model, test, batch=100),
        calibration=inputs(spoken.train[:CALIBRATION]),
        input_range=(0.0, 5.0),
    )


def retrained_case(count: int | None = None) -> roads.Case:
    """The network without its LSTM, with the retrained read-out, judged by itself."""
    whole, model = case(count), retrained()
    return evolve(whole, source=model, scores=training.outputs(model, whole.inputs, batch=100))


def float_rows(whole: roads.Case) -> list[Row]:
    """What dropping costs in real numbers, before the chip."""
    dropped = WithoutLstm(whole.source.features)
    dropped.readout = whole.source.readout
    found = [row("source network (float)", whole.scores, whole.labels, whole.answers)]
    for what, model in (
        ("LSTM dropped, read-out as it was", dropped),
        ("LSTM dropped, read-out retrained", retrained()),
    ):
        scores = training.outputs(model, whole.inputs, batch=100)
        found.append(row(f"{what} (float)", scores, whole.labels, whole.answers))
    return found


def compare(whole: roads.Case, stages: Path | None = None) -> tuple[list[Row], akc.Program]:
    """All rows, and the program of the retrained network."""
    rows = float_rows(whole)
    short = evolve(whole, source=retrained())
    for one, road in ((whole, DROPPED), (short, NAIVE), (short, DATA_FREE), (short, RETRAINED)):
        program = roads.compile_case(one, road, stages if road is RETRAINED else None)
        rows.append(row(road.what, roads.scores_of(program, whole.inputs), whole.labels, whole.answers))
    return rows, program


def main() -> None:
    """Prints the table of all test words."""
    whole = case()
    rows, program = compare(whole, FOLDER / "akir")
    print(roads.report("Spoken digits, convolutions + LSTM", rows, program, len(whole.labels)))


if __name__ == "__main__":
    main()
