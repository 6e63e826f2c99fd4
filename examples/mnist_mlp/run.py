# SPDX-License-Identifier: Apache-2.0
"""The MNIST network from its ONNX file to an AKD1000 program, with the accuracy of each way to compile it.

    python examples/mnist_mlp/run.py

Leaves the text of every stage in examples/mnist_mlp/akir (long weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import data, roads
from examples.onnx_scores import onnx_scores

FOLDER = Path(__file__).parent
ONNX_FILE = FOLDER / "mnist_mlp.onnx"
CALIBRATION = 1_000


def case(count: int = 10_000) -> roads.Case:
    """The trained network and the first `count` test digits, normalised as torchvision does."""
    digits = data.mnist()
    inputs = data.normalise(digits.test[:count])
    return roads.Case(
        source=str(ONNX_FILE),
        inputs=inputs,
        labels=digits.test_labels[:count],
        scores=onnx_scores(ONNX_FILE, inputs),
        calibration=data.normalise(digits.train[:CALIBRATION]),
        input_range=data.normalised_range(),
    )


def main() -> None:
    """Prints the table of all 10,000 test digits."""
    whole = case()
    rows, program = roads.compare(whole, stages=FOLDER / "akir")
    print(roads.report("MNIST, 784-256-128-10", rows, program, len(whole.labels)))


if __name__ == "__main__":
    main()
