# SPDX-License-Identifier: Apache-2.0
"""Trains three convolutional networks on Fashion-MNIST and writes an ONNX file of each.

python examples/fashion_cnn/train.py            # all three
python examples/fashion_cnn/train.py lenet      # one of lenet, vgg, ds_cnn
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import data, training
from examples.accuracy import percent

MEAN, DEVIATION = 0.2860, 0.3530


def lenet() -> nn.Module:
    """LeNet-5 with ReLU and max pools."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def vgg() -> nn.Module:
    """Three stages of two 3x3 convolutions, max pools between them."""
    stages = [
        *(*_block(1, 16), *_block(16, 16), nn.MaxPool2d(2)),
        *(*_block(16, 32), *_block(32, 32), nn.MaxPool2d(2)),
        *(*_block(32, 48), *_block(48, 48)),
    ]
    return nn.Sequential(*stages, nn.Flatten(), nn.Linear(48 * 49, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))


def ds_cnn() -> nn.Module:
    """Depthwise separable blocks with an activation after each half, and a global average."""
    return nn.Sequential(
        *_block(1, 32, kernel=5),
        nn.MaxPool2d(2),
        *_separable(32, 64),
        *_separable(64, 64),
        *_separable(64, 96),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, 10),
    )


def _block(channels: int, filters: int, kernel: int = 3, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU()]


def _separable(channels: int, filters: int) -> list[nn.Module]:
    return [*_block(channels, channels, groups=channels), *_block(channels, filters, kernel=1)]


class Recipe(NamedTuple):
    """How a network is made: its constructor and the number of epochs."""

    build: Callable[[], nn.Module]
    epochs: int


RECIPES = {"lenet": Recipe(lenet, 6), "vgg": Recipe(vgg, 4), "ds_cnn": Recipe(ds_cnn, 6)}


def onnx_file(name: str) -> Path:
    """Where the trained network of that name is kept."""
    return Path(__file__).with_name(f"fashion_{name}.onnx")


def train(name: str) -> None:
    """Trains one network, tests it on the 10,000 test pictures, exports it."""
    pictures = data.fashion_mnist()
    training.seeded(0)
    model = RECIPES[name].build()
    inputs = data.normalise(pictures.train, MEAN, DEVIATION)
    training.fit(model, inputs, pictures.train_labels, RECIPES[name].epochs)
    answers = training.outputs(model, data.normalise(pictures.test, MEAN, DEVIATION)).argmax(axis=1)
    print(f"{name}: float accuracy on {len(answers)} test pictures: {percent(answers, pictures.test_labels):.2f} %")
    training.export_onnx(model, torch.zeros(1, 1, 28, 28), onnx_file(name))


if __name__ == "__main__":
    for chosen in sys.argv[1:] or RECIPES:
        train(chosen)
