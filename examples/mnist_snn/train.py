# SPDX-License-Identifier: Apache-2.0
"""Trains the spiking MNIST network 784-256-10 of snn.Leaky neurons and writes mnist_snn.pt (a state_dict).

python examples/mnist_snn/train.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import snntorch as snn
import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import data, training
from examples.accuracy import percent

STEPS = 15
BETA = 0.9
WEIGHTS_FILE = Path(__file__).with_name("mnist_snn.pt")


class SpikingDigits(nn.Module):
    """784-256-10 leaky integrate-and-fire neurons under a constant input current, read by the summed membrane."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.lif1 = snn.Leaky(beta=BETA)
        self.fc2 = nn.Linear(256, 10)
        self.lif2 = snn.Leaky(beta=BETA)

    def forward(self, image: Tensor) -> Tensor:
        """Summed output membrane f32 [n, 10] of pictures f32 [n, 784] in 0..1."""
        hidden, output = self.lif1.reset_mem(), self.lif2.reset_mem()
        membranes = []
        for _ in range(STEPS):
            spikes, hidden = self.lif1(self.fc1(image), hidden)
            _, output = self.lif2(self.fc2(spikes), output)
            membranes.append(output)
        return torch.stack(membranes).sum(0)


def trained() -> nn.Module:
    """The network with the weights of mnist_snn.pt; the factory that `akc lower train.py:trained` calls."""
    model = SpikingDigits()
    model.load_state_dict(torch.load(WEIGHTS_FILE, weights_only=True))
    return model.eval()


def pixels(images: data.Bytes) -> data.Floats:
    """Pictures u8 [n, 28, 28] as currents f32 [n, 784] in 0..1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def mean_membrane_loss(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the output membrane averaged over the steps."""
    return nn.functional.cross_entropy(model(x) / STEPS, labels)


def main() -> None:
    """Trains on 58,000 digits (the last 2,000 are left for calibration), tests on 10,000, saves the weights."""
    digits = data.mnist()
    training.seeded(0)
    model = SpikingDigits()
    training.fit(model, pixels(digits.train[:58_000]), digits.train_labels[:58_000], epochs=4, loss=mean_membrane_loss)
    answers = training.outputs(model, pixels(digits.test)).argmax(axis=1)
    print(f"accuracy on {len(answers)} test digits, read by summed membrane: "
          f"{percent(answers, digits.test_labels):.2f} %")  # fmt: skip
    torch.save(model.state_dict(), WEIGHTS_FILE)


if __name__ == "__main__":
    main()
