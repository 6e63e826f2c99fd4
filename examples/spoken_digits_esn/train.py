# SPDX-License-Identifier: Apache-2.0
"""Makes a spiking reservoir for spoken digits, trains its read-out, and writes spoken_digits_esn.pt, a state_dict.

    python examples/spoken_digits_esn/train.py

Only the read-out is trained, by `akc.train_readout`: ridge regression on spike counts. The reservoir's random weights
are drawn as whole numbers from -7 to 7 times one scale, so that four bits hold them exactly.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import snntorch as snn
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

import akc
from examples import speech, training
from examples.accuracy import percent
from examples.data import Bytes, Floats

STEPS, CHANNELS, CLASSES = 140, 140, 20
NEURONS = 256
WINDOWS = 7
BETA = 0.9
INPUT_GAIN, RECURRENT_GAIN = 0.08, 0.02
INPUT_DENSITY, RECURRENT_DENSITY = 0.2, 0.1
WEIGHTS_FILE = Path(__file__).with_name("spoken_digits_esn.pt")


class Reservoir(nn.Module):
    """Input weights, recurrent leaky neurons, and a dense read-out of the spike counts in seven windows."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Linear(CHANNELS, NEURONS, bias=False)
        self.neurons = snn.RLeaky(beta=BETA, linear_features=NEURONS, learn_recurrent=False)
        self.readout = nn.Linear(WINDOWS * NEURONS, CLASSES)

    def counts(self, spikes: Tensor) -> Tensor:
        """Spikes per neuron and window, f32 [n, WINDOWS * NEURONS], of cochlea spikes f32 [n, STEPS, CHANNELS]."""
        fired, membrane = self.neurons.reset_mem()
        windows = []
        for window in range(WINDOWS):
            total = torch.zeros(len(spikes), NEURONS)
            for step in range(window * STEPS // WINDOWS, (window + 1) * STEPS // WINDOWS):
                fired, membrane = self.neurons(self.input(spikes[:, step]), fired, membrane)
                total = total + fired
            windows.append(total)
        return torch.cat(windows, dim=1)

    def forward(self, spikes: Tensor) -> Tensor:
        """Class scores f32 [n, 20]."""
        scores: Tensor = self.readout(self.counts(spikes))
        return scores


def trained() -> Reservoir:
    """The network with the weights of spoken_digits_esn.pt."""
    model = Reservoir()
    model.load_state_dict(torch.load(WEIGHTS_FILE, weights_only=True))
    return model.eval()


def draw_reservoir(model: Reservoir, seed: int) -> None:
    """Fills the input and recurrent weights in place."""
    generator = np.random.default_rng(seed)
    recurrent = model.neurons.recurrent
    with torch.no_grad():
        model.input.weight.copy_(_sparse(generator, (NEURONS, CHANNELS), INPUT_DENSITY, INPUT_GAIN))
        recurrent.weight.copy_(_sparse(generator, (NEURONS, NEURONS), RECURRENT_DENSITY, RECURRENT_GAIN))
        recurrent.bias.zero_()


def train_readout(model: Reservoir, spoken: speech.Spoken) -> None:
    """Trains the read-out in place, on the voices that are not for testing."""
    found = akc.Context()
    network = akc.train_readout(
        model,
        spoken.train.astype(np.float32),
        spoken.train_labels,
        replace=True,
        strength=0,
        example=((1, STEPS, CHANNELS),),
        context=found,
    )
    print(f"read-out: {found.notes['train-readout']}")
    trained = {key: torch.from_numpy(network.array(f"readout.{key}").copy()) for key in ("weight", "bias")}
    model.readout.load_state_dict(trained)


def count_spikes(model: Reservoir, spikes: Bytes, batch: int = 200) -> Floats:
    """The reservoir's answer to a whole set, f32 [n, WINDOWS * NEURONS]."""
    with torch.no_grad():
        parts = [model.counts(part.float()).numpy() for part in torch.split(torch.from_numpy(spikes), batch)]
    return np.concatenate(parts)


def _sparse(generator: np.random.Generator, shape: tuple[int, int], density: float, gain: float) -> Tensor:
    """Whole numbers -7..7 times the gain, at the given density; each row holds at least one 7."""
    values: NDArray[np.int64] = generator.integers(-7, 8, shape) * (generator.random(shape) < density)
    values[np.arange(shape[0]), generator.integers(0, shape[1], shape[0])] = 7
    return torch.from_numpy(values.astype(np.float32) * np.float32(gain))


def main() -> None:
    """Draws the reservoir, trains the read-out on ten voices, tests on two others, saves the weights."""
    spoken = speech.shd_like()
    training.seeded(0)
    model = Reservoir()
    draw_reservoir(model, seed=0)
    train_readout(model, spoken)
    answers = training.outputs(model, spoken.test, batch=200).argmax(axis=1)
    print(f"float accuracy on {len(answers)} test words: {percent(answers, spoken.test_labels):.2f} %")
    torch.save(model.state_dict(), WEIGHTS_FILE)


if __name__ == "__main__":
    main()
