# SPDX-License-Identifier: Apache-2.0
"""A spiking loop whose state changes, start and read-out a test fills in; weights on a grid, so that sums are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import snntorch as snn
import torch
from torch import nn

import akc
from akc.ir.module import Module
from akc.sim.run import run
from tests.frontends.spiking.networks import inputs, on_grid

STEPS = 7


def count(hidden: Any, spikes: Any, membranes: Any) -> Any:
    """The usual read-out."""
    return torch.stack(spikes).sum(0)


class ByHand(nn.Module):
    """20-16-4 with two snn.Leaky; touch(spikes, membrane) is done to the first membrane between the steps."""

    def __init__(
        self,
        read: Callable[..., Any] = count,
        touch: Callable[..., Any] = lambda k, m: m,
        start: Any = None,
        lif: Callable[[], Any] = lambda: snn.Leaky(beta=0.75),
        outputs: int = 4,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.l1 = nn.Linear(20, 16), lif()
        self.fc2, self.l2 = nn.Linear(16, outputs), snn.Leaky(beta=0.75)
        on_grid(self, 4.0)
        self.read, self.touch, self.start = read, touch, start

    def forward(self, x: torch.Tensor) -> Any:
        m1, m2 = self.l1.reset_mem(), self.l2.reset_mem()
        if self.start is not None:
            m1 = self.start(x)
        hidden, spikes, membranes = [], [], []
        for _ in range(STEPS):
            k, m1 = self.l1(self.fc1(x), m1)
            hidden.append(k)
            m1 = self.touch(k, m1)
            k, m2 = self.l2(self.fc2(k), m2)
            spikes.append(k)
            membranes.append(m2)
        return self.read(hidden, spikes, membranes)


X = inputs(6, 20)


def imported(network: nn.Module, **options: Any) -> Module:
    """The module of a network that takes 20 numbers."""
    return akc.lower(network.eval(), pipeline="", **{"example": (1, 20), "input_range": (0.0, 1.0), **options})


def flat(results: Any) -> list[Any]:
    """Tensors of nested results, in order."""
    if isinstance(results, dict):
        results = list(results.values())
    if isinstance(results, list | tuple):
        return [leaf for part in results for leaf in flat(part)]
    return [results.detach().numpy()]


def same(network: nn.Module, x: torch.Tensor = X, time: int | None = None, **options: Any) -> Module:
    """Import a network and hold every result against its own; time: the time axis of x, which comes second in akc."""
    module = imported(network, **options)
    with torch.no_grad():
        wanted = flat(network(x))
    given = x if time is None else x.movedim(time, 1)
    got = list(run(module, given.numpy()).values())
    assert len(got) == len(wanted)
    for found, expected in zip(got, wanted):
        np.testing.assert_allclose(found.reshape(-1), expected.reshape(-1), rtol=1e-5, atol=1e-6)
        assert np.ptp(expected) > 0
    return module
