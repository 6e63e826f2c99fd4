# SPDX-License-Identifier: Apache-2.0
"""The spiking MNIST network from snnTorch to an AKD1000 program, with the accuracy of each way to compile it.

    python examples/mnist_snn/run.py

Leaves the text of every stage in examples/mnist_snn/akir (long weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import data, roads, training
from examples.mnist_snn.train import pixels, trained

FOLDER = Path(__file__).parent
CALIBRATION = 2_000


def case(count: int = 10_000) -> roads.Case:
    """The trained network, the first `count` test digits, and the training digits that training never saw."""
    digits = data.mnist()
    model, inputs = trained(), pixels(digits.test[:count])
    return roads.Case(
        source=model,
        example=(1, 784),
        inputs=inputs,
        labels=digits.test_labels[:count],
        scores=training.outputs(model, inputs),
        calibration=pixels(digits.train[-CALIBRATION:]),
        input_range=(0.0, 1.0),
    )


def main() -> None:
    """Prints the table of all 10,000 test digits."""
    whole = case()
    rows, program = roads.compare(whole, roads.SPIKING_ROADS, FOLDER / "akir")
    print(roads.report("MNIST, 784-256-10 snn.Leaky", rows, program, len(whole.labels)))


if __name__ == "__main__":
    main()
