# SPDX-License-Identifier: Apache-2.0
"""The event-camera network from snnTorch to an AKD1000 program, with the accuracy of each way to compile it.

    python examples/nmnist_conv_snn/run.py

The 300 ms of a recording are cut into equal windows, one pass of the chip each; calibration chooses how many.
Leaves the text of every stage in examples/nmnist_conv_snn/akir (long weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import roads, saccades, training
from examples.nmnist_conv_snn.train import FRAMES, TEST_DIGITS, trained

FOLDER = Path(__file__).parent
CALIBRATION = 600


def case(count: int = TEST_DIGITS) -> roads.Case:
    """The trained network and the events of the first `count` test digits."""
    events, labels = saccades.event_digits("test", count, FRAMES)
    known, _ = saccades.event_digits("train", CALIBRATION, FRAMES)
    model, inputs = trained(), events.astype("float32")
    return roads.Case(
        source=model,
        example=(1, FRAMES, 2, saccades.SENSOR, saccades.SENSOR),
        inputs=inputs,
        labels=labels,
        scores=training.outputs(model, inputs, batch=100),
        calibration=known.astype("float32"),
        input_range=(0.0, 15.0),
    )


def main() -> None:
    """Prints the table of all test digits."""
    whole = case()
    rows, program = roads.compare(whole, roads.SPIKING_ROADS, FOLDER / "akir")
    print(roads.report("Saccade events, convolutional snn.Leaky", rows, program, len(whole.labels)))


if __name__ == "__main__":
    main()
