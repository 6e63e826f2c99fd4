# SPDX-License-Identifier: Apache-2.0
"""Trains a convolutional spiking network on saccade events (34x34x2) and writes nmnist_conv_snn.pt, a state_dict.

python examples/nmnist_conv_snn/train.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import snntorch as snn
import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import saccades, training
from examples.accuracy import percent

FRAMES = 30
"""Time steps of 10 ms in the 300 ms of a recording."""
BETA = 0.9
TRAIN_DIGITS, TEST_DIGITS = 12_000, 2_000
WEIGHTS_FILE = Path(__file__).with_name("nmnist_conv_snn.pt")


class EventDigits(nn.Module):
    """Two spiking convolutions (the first one pooled) and a dense read-out, read by the summed membrane."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 12, 5, padding=2)
        self.pool1 = nn.MaxPool2d(2)
        self.lif1 = snn.Leaky(beta=BETA)
        self.conv2 = nn.Conv2d(12, 32, 3, stride=2, padding=1)
        self.lif2 = snn.Leaky(beta=BETA)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(32 * 9 * 9, 10)
        self.lif3 = snn.Leaky(beta=BETA)

    def forward(self, events: Tensor) -> Tensor:
        """Summed output membrane f32 [n, 10] of event counts f32 [n, FRAMES, 2, 34, 34]."""
        first, second, output = self.lif1.reset_mem(), self.lif2.reset_mem(), self.lif3.reset_mem()
        membranes = []
        for step in range(FRAMES):
            spikes, first = self.lif1(self.pool1(self.conv1(events[:, step])), first)
            spikes, second = self.lif2(self.conv2(spikes), second)
            _, output = self.lif3(self.fc(self.flatten(spikes)), output)
            membranes.append(output)
        return torch.stack(membranes).sum(0)


def trained() -> nn.Module:
    """The network with the weights of nmnist_conv_snn.pt; the factory that `akc lower train.py:trained` calls."""
    model = EventDigits()
    model.load_state_dict(torch.load(WEIGHTS_FILE, weights_only=True))
    return model.eval()


def mean_membrane_loss(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the output membrane averaged over the steps."""
    return nn.functional.cross_entropy(model(x) / FRAMES, labels)


def main() -> None:
    """Trains on events of the first training digits, tests on events of the first test digits, saves the weights."""
    events, labels = saccades.event_digits("train", TRAIN_DIGITS, FRAMES)
    training.seeded(0)
    model = EventDigits()
    training.fit(model, events, labels, epochs=4, batch=64, rate=5e-3, loss=mean_membrane_loss)
    events, labels = saccades.event_digits("test", TEST_DIGITS, FRAMES)
    answers = training.outputs(model, events, batch=100).argmax(axis=1)
    print(f"accuracy on {len(answers)} test digits, read by summed membrane: {percent(answers, labels):.2f} %")
    torch.save(model.state_dict(), WEIGHTS_FILE)


if __name__ == "__main__":
    main()
