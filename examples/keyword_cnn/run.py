# SPDX-License-Identifier: Apache-2.0
"""The keyword network from PyTorch to an AKD1000 program, with the accuracy of each way to compile it.

    python examples/keyword_cnn/run.py

Leaves the text of every stage in examples/keyword_cnn/akir (long weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import roads, speech, training
from examples.data import normalised_range
from examples.keyword_cnn.train import DEVIATION, MEAN, inputs, trained

FOLDER = Path(__file__).parent
CALIBRATION = 1_000


def case(count: int | None = None) -> roads.Case:
    """The trained network and the first `count` words of the test voices (all by default)."""
    spoken = speech.keywords()
    model, test = trained(), inputs(spoken.test[:count])
    return roads.Case(
        source=model,
        example=(1, 1, 50, 20),
        inputs=test,
        labels=spoken.test_labels[:count],
        scores=training.outputs(model, test),
        calibration=inputs(spoken.train[:CALIBRATION]),
        input_range=normalised_range(MEAN, DEVIATION),
    )


def main() -> None:
    """Prints the table of all test words."""
    whole = case()
    rows, program = roads.compare(whole, stages=FOLDER / "akir")
    print(roads.report("Spoken commands, DS-CNN", rows, program, len(whole.labels)))


if __name__ == "__main__":
    main()
