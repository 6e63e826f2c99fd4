# SPDX-License-Identifier: Apache-2.0
"""Trains a depthwise-separable keyword network on spoken commands and writes keyword_cnn.pt, a state_dict.

python examples/keyword_cnn/train.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import speech, training
from examples.accuracy import percent
from examples.data import Bytes, Floats, normalise

CLASSES = (*speech.COMMANDS, "unknown", "silence")
MEAN, DEVIATION = 0.40, 0.20
WEIGHTS_FILE = Path(__file__).with_name("keyword_cnn.pt")


def network() -> nn.Module:
    """A DS-CNN (Zhang et al., "Hello Edge", 2017) as PyTorch users write it; takes [n, 1, 50, 20] log-mel pictures."""
    return nn.Sequential(
        *_block(1, 32, kernel=5),
        nn.MaxPool2d(2),
        *_separable(32, 64),
        *_separable(64, 64),
        *_separable(64, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, len(CLASSES)),
    )


def _block(channels: int, filters: int, kernel: int = 3, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU()]


def _separable(channels: int, filters: int) -> list[nn.Module]:
    return [*_block(channels, channels, groups=channels), *_block(channels, filters, kernel=1)]


def trained() -> nn.Module:
    """The network with the weights of keyword_cnn.pt; the factory that `akc lower train.py:trained` calls."""
    model = network()
    model.load_state_dict(torch.load(WEIGHTS_FILE, weights_only=True))
    return model.eval()


def inputs(pictures: Bytes) -> Floats:
    """Log-mel pictures u8 [n, 50, 20], normalised: f32 [n, 1, 50, 20]."""
    return normalise(pictures, MEAN, DEVIATION)


def main() -> None:
    """Trains on ten voices, tests on two others, saves the weights."""
    spoken = speech.keywords()
    training.seeded(0)
    model = network()
    training.fit(model, inputs(spoken.train), spoken.train_labels, epochs=12, batch=64, rate=5e-3)
    answers = training.outputs(model, inputs(spoken.test)).argmax(axis=1)
    print(f"float accuracy on {len(answers)} test words: {percent(answers, spoken.test_labels):.2f} %")
    torch.save(model.state_dict(), WEIGHTS_FILE)


if __name__ == "__main__":
    main()
