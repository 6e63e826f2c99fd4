# SPDX-License-Identifier: Apache-2.0
"""Spoken digits: a spiking reservoir whose sums the chip computes and whose neurons the host keeps.

    python examples/spoken_digits_esn/run.py

The chip has no recurrence. At each step it computes the input potentials and the recurrent potentials, two
dense layers on 1-bit spikes; the host adds them to the membranes. The read-out is a third dense layer, on the
spike counts of seven windows. Leaves the text of the read-out's stages in examples/spoken_digits_esn/akir.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[2]))

import akc
from akc.arrays import float_network
from examples import roads, speech, training
from examples.data import Bytes, Floats
from examples.spoken_digits_esn.train import NEURONS, STEPS, WINDOWS, Reservoir, count_spikes, trained

FOLDER = Path(__file__).parent
CALIBRATION = 600
LARGEST_COUNT = float(STEPS // WINDOWS)


def spike_layer(weights: Floats, spikes: Floats) -> akc.Program:
    """A dense layer [units, inputs] on spikes: 1-bit inputs, 4-bit weights, potentials out.

    spikes [n, inputs] show that the inputs are 0 or 1.
    """
    exact = {"input": 1, "activations": 1, "scale": "max", "rounding": "nearest"}
    module = akc.lower(float_network([weights], None, ()), calibrate=spikes, options={"lower-int4": exact})
    return akc.build(module)


def reservoir_programs(model: Reservoir) -> tuple[akc.Program, akc.Program]:
    """The programs of the input weights and of the recurrent weights."""
    with torch.no_grad():
        layers = [model.input.weight.numpy(), model.neurons.recurrent.weight.numpy()]
    first, second = (spike_layer(weights, np.eye(weights.shape[1], dtype=np.float32)) for weights in layers)
    return first, second


def count_on_chip(programs: tuple[akc.Program, akc.Program], model: Reservoir, spikes: Bytes) -> Floats:
    """The reservoir's spike counts f32 [n, WINDOWS * NEURONS], its weighted sums by the programs.

    The host's part is snn.RLeaky's: U = beta U + input + recurrent - threshold where it fired, S = [U > threshold].
    """
    beta, threshold = np.float32(model.neurons.beta.item()), np.float32(model.neurons.threshold.item())
    count = len(spikes)
    drive = programs[0].run(spikes.reshape(count * STEPS, -1).astype(np.float32)).reshape(count, STEPS, NEURONS)
    membrane = np.zeros((count, NEURONS), np.float32)
    fired = np.zeros((count, NEURONS), np.float32)
    counts = np.zeros((count, WINDOWS, NEURONS), np.float32)
    for step in range(STEPS):
        membrane = beta * membrane + drive[:, step] + programs[1].run(fired) - fired * threshold
        fired = (membrane > threshold).astype(np.float32)
        counts[:, step * WINDOWS // STEPS] += fired
    return counts.reshape(count, -1)


def case(counts: Floats, model: Reservoir, spoken: speech.Spoken) -> roads.Case:
    """The read-out on spike counts of the first test words; the source's answers are the whole float network's."""
    count = len(counts)
    return roads.Case(
        source=model.readout,
        example=(1, WINDOWS * NEURONS),
        inputs=counts,
        labels=spoken.test_labels[:count],
        scores=training.outputs(model, spoken.test[:count], batch=200),
        calibration=count_spikes(model, spoken.train[:CALIBRATION]),
        input_range=(0.0, LARGEST_COUNT),
    )


def main() -> None:
    """Prints the table of all test words."""
    spoken, model = speech.shd_like(), trained()
    programs = reservoir_programs(model)
    counts = count_on_chip(programs, model, spoken.test)
    same = float((counts == count_spikes(model, spoken.test)).mean())
    rows, program = roads.compare(case(counts, model, spoken), stages=FOLDER / "akir")
    print(roads.report("Spoken digits, spiking reservoir", rows, program, len(counts)))
    print(f"reservoir: {programs[0].size:,} and {programs[1].size:,} bytes; {100 * same:.3f} % of the spike counts")
    print("with its sums from the chip equal snnTorch's")


if __name__ == "__main__":
    main()
