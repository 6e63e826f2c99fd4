# SPDX-License-Identifier: Apache-2.0
"""Trains a convolution + LSTM network on cochlea spikes of spoken digits, and its read-out again without the LSTM.

    python examples/spoken_digits_lstm/train.py

Writes spoken_digits_lstm.pt, the network, and retrained_readout.pt, a dense layer for the time-averaged
convolutional features: what is left to learn once the LSTM is dropped. Both are state_dicts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples import speech, training
from examples.accuracy import percent
from examples.data import Bytes, Floats

CLASSES = 11
FEATURES = 64
WEIGHTS_FILE = Path(__file__).with_name("spoken_digits_lstm.pt")
READOUT_FILE = Path(__file__).with_name("retrained_readout.pt")


class SpokenDigits(nn.Module):
    """Convolutions over time and channel, a mean over channels, an LSTM over time, a dense read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(1, 16, kernel=5), nn.MaxPool2d(2), *_block(16, 32), nn.MaxPool2d(2), *_block(32, FEATURES)
        )
        self.lstm = nn.LSTM(FEATURES, FEATURES, batch_first=True)
        self.readout = nn.Linear(FEATURES, CLASSES)

    def forward(self, spikes: Tensor) -> Tensor:
        """Class scores f32 [n, 11] of spike counts f32 [n, 1, 64 time bins, 64 channels]."""
        over_time = self.features(spikes).mean(dim=3).transpose(1, 2)
        states, _ = self.lstm(over_time)
        scores: Tensor = self.readout(states[:, -1])
        return scores


class WithoutLstm(nn.Module):
    """The same convolutions, averaged over channels and time, with a read-out of its own."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.readout = nn.Linear(FEATURES, CLASSES)

    def forward(self, spikes: Tensor) -> Tensor:
        """Class scores f32 [n, 11] of spike counts f32 [n, 1, 64 time bins, 64 channels]."""
        scores: Tensor = self.readout(self.flatten(self.pool(self.features(spikes))))
        return scores


def _block(channels: int, filters: int, kernel: int = 3) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU()]


def trained() -> SpokenDigits:
    """The network with the weights of spoken_digits_lstm.pt; a factory for `akc lower train.py:trained`."""
    model = SpokenDigits()
    model.load_state_dict(torch.load(WEIGHTS_FILE, weights_only=True))
    return model.eval()


def retrained() -> WithoutLstm:
    """The network without its LSTM and with the retrained read-out; a factory for `akc lower train.py:retrained`."""
    model = WithoutLstm(trained().features)
    model.readout.load_state_dict(torch.load(READOUT_FILE, weights_only=True))
    return model.eval()


def inputs(counts: Bytes) -> Floats:
    """Spike counts u8 [n, 64, 64] as f32 [n, 1, 64, 64]."""
    return counts[:, None].astype("float32")


def main() -> None:
    """Trains on ten voices, tests on two others; then trains a read-out on the frozen convolutions."""
    spoken = speech.tidigits_like()
    training.seeded(0)
    model = SpokenDigits()
    training.fit(model, inputs(spoken.train), spoken.train_labels, epochs=16, batch=32)
    _report("with the LSTM", model, spoken)
    torch.save(model.state_dict(), WEIGHTS_FILE)
    short = WithoutLstm(model.features)
    training.seeded(1)
    training.fit(short.readout, _averaged(short, spoken.train), spoken.train_labels, epochs=30, batch=32, rate=2e-2)
    _report("without the LSTM, read-out retrained", short, spoken)
    torch.save(short.readout.state_dict(), READOUT_FILE)


def _averaged(model: WithoutLstm, counts: Bytes) -> Floats:
    """The frozen convolutions' averaged features, f32 [n, 64]."""
    return training.outputs(nn.Sequential(model.features, model.pool, model.flatten), inputs(counts), batch=100)


def _report(what: str, model: nn.Module, spoken: speech.Spoken) -> None:
    answers = training.outputs(model, inputs(spoken.test), batch=100).argmax(axis=1)
    print(f"{what}: float accuracy on {len(answers)} test words: {percent(answers, spoken.test_labels):.2f} %")


if __name__ == "__main__":
    main()
