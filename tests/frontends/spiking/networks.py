# SPDX-License-Identifier: Apache-2.0
"""Spiking PyTorch networks for the tests; weights on a grid of 1/64, so that sums are exact in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from akc.ir.module import Module
from akc.sim.run import run

torch.set_num_threads(1)


def on_grid(network: nn.Module, gain: float = 1.0) -> nn.Module:
    """Round every weight and bias to 1/64."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() >= 1:
                parameter.copy_((parameter * gain * 64).round() / 64)
    return network


def inputs(*shape: int, seed: int = 0, gain: float = 1.0) -> torch.Tensor:
    """Random inputs from 0 to gain, on the same grid."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(*shape, generator=generator) * gain * 64).round() / 64


def answer(module: Module, x: torch.Tensor) -> np.ndarray:
    """The only result of an imported module."""
    return next(iter(run(module, x.numpy()).values()))


class Loop(nn.Module):
    """Two dense layers with a neuron behind each; the input is repeated, or one step of it is taken."""

    def __init__(
        self, first: Any, second: Any, steps: int | None = 8, read: str = "both", sizes: Any = (20, 16, 4)
    ) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(sizes[0], sizes[1]), first
        self.fc2, self.lif2 = nn.Linear(sizes[1], sizes[2]), second
        self.steps, self.read = steps, read

    def forward(self, x: torch.Tensor) -> Any:
        first: tuple[Any, ...] = ()
        second: tuple[Any, ...] = ()
        spikes, membranes = [], []
        for t in range(x.shape[0] if self.steps is None else self.steps):
            current = self.fc1(x[t] if self.steps is None else x)
            s, *first = self.lif1(current, *first)
            s, *second = self.lif2(self.fc2(s), *second)
            spikes.append(s)
            membranes.append(second[-1])
        return READ[self.read](torch.stack(spikes), torch.stack(membranes))


READ = {
    "both": lambda s, m: (s, m),
    "count": lambda s, m: s.sum(0),
    "mean": lambda s, m: m.mean(0),
    "last": lambda s, m: m[-1],
    "max": lambda s, m: m.max(0)[0],
}
