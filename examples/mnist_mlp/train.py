# SPDX-License-Identifier: Apache-2.0
"""Trains the MNIST network 784-256-128-10 and writes mnist_mlp.onnx.

python examples/mnist_mlp/train.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import data, training
from examples.accuracy import percent

ONNX_FILE = Path(__file__).with_name("mnist_mlp.onnx")


def network() -> nn.Module:
    """Two hidden layers with batch norm and ReLU; takes normalised pictures [n, 1, 28, 28]."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 10),
    )


def main() -> None:
    """Trains, tests on the 10,000 test digits, exports."""
    digits = data.mnist()
    training.seeded(0)
    model = network()
    training.fit(model, data.normalise(digits.train), digits.train_labels, epochs=6)
    answers = training.outputs(model, data.normalise(digits.test)).argmax(axis=1)
    print(f"float accuracy on {len(answers)} test digits: {percent(answers, digits.test_labels):.2f} %")
    training.export_onnx(model, torch.zeros(1, 1, 28, 28), ONNX_FILE)


if __name__ == "__main__":
    main()
