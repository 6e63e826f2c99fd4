# SPDX-License-Identifier: Apache-2.0
"""Spoken digits: a spiking reservoir whose sums the chip computes and whose neurons the host keeps.

    python examples/spoken_digits_esn/run.py

The chip has no recurrence. At each step it computes the input potentials and the recurrent potentials, two
dense layers on spikes; the host adds them to the membranes and counts. The read-out is a third dense layer, on
the spike counts of seven windows. Leaves the text of every stage in examples/spoken_digits_esn/akir (long
weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))

import akc
from akc.sim.run import run
from examples import roads, speech, training
from examples.data import Floats
from examples.spoken_digits_esn.train import CHANNELS, STEPS, count_spikes, trained

FOLDER = Path(__file__).parent
CALIBRATION = 600


def case(count: int | None = None) -> roads.Case:
    """The trained network and the first `count` words of the test voices (all by default)."""
    spoken = speech.shd_like()
    model, inputs = trained(), spoken.test[:count].astype(np.float32)
    return roads.Case(
        source=model,
        example=(1, STEPS, CHANNELS),
        inputs=inputs,
        labels=spoken.test_labels[:count],
        scores=training.outputs(model, inputs, batch=200),
        calibration=spoken.train[:CALIBRATION].astype(np.float32),
        input_range=(0.0, 1.0),
        host="allow",
    )


def same_counts(program: akc.Program, whole: roads.Case) -> float:
    """How many of the spike counts, sums from the chip, are snnTorch's, in percent."""
    counts: Floats = run(program.module, whole.inputs, keep=True)["cat"]
    return 100 * float(np.mean(counts == count_spikes(whole.source, whole.inputs)))


def main() -> None:
    """Prints the table of all test words."""
    whole = case()
    rows, program = roads.compare(whole, stages=FOLDER / "akir")
    print(roads.report("Spoken digits, spiking reservoir", rows, program, len(whole.labels)))
    print(f"{same_counts(program, whole):.3f} % of the spike counts, with sums from the chip, equal snnTorch's")


if __name__ == "__main__":
    main()
