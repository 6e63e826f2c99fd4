# SPDX-License-Identifier: Apache-2.0
"""Three convolutional networks on Fashion-MNIST, from their ONNX files to AKD1000 programs.

    python examples/fashion_cnn/run.py              # all three
    python examples/fashion_cnn/run.py lenet        # one of lenet, vgg, ds_cnn

Leaves the text of every stage in examples/fashion_cnn/akir/<network> (long weights elided).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import data, roads
from examples.onnx_scores import onnx_scores

FOLDER = Path(__file__).parent
NETWORKS = {"lenet": "LeNet-5 with max pools", "vgg": "VGG-like", "ds_cnn": "DS-CNN"}
MEAN, DEVIATION = 0.2860, 0.3530
CALIBRATION = 1_000  # of the training pictures, all of which are in the sample


def case(name: str, count: int = 10_000) -> roads.Case:
    """One of the trained networks and the first `count` test pictures."""
    pictures = data.fashion_sample() if count <= data.SAMPLE else data.fashion_mnist()
    inputs = data.normalise(pictures.test[:count], MEAN, DEVIATION)
    onnx_file = FOLDER / f"fashion_{name}.onnx"
    return roads.Case(
        source=str(onnx_file),
        inputs=inputs,
        labels=pictures.test_labels[:count],
        scores=onnx_scores(onnx_file, inputs),
        calibration=data.normalise(pictures.train[:CALIBRATION], MEAN, DEVIATION),
        input_range=data.normalised_range(MEAN, DEVIATION),
    )


def main(names: list[str]) -> None:
    """Prints the table of all 10,000 test pictures for each network."""
    for name in names:
        whole = case(name)
        rows, program = roads.compare(whole, stages=FOLDER / "akir" / name)
        print(roads.report(f"Fashion-MNIST, {NETWORKS[name]}", rows, program, len(whole.labels)), end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(NETWORKS))
