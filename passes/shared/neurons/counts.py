# SPDX-License-Identifier: Apache-2.0
"""The exact count of spikes of a neuron over a constant current: every current at which it jumps, and by how much.

`staircase` (passes/shared/neurons/staircase.py) is the even line nearest to the same function.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops import snn
from akc.passes.shared.neurons.staircase import SCAN, respond, width

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HALVINGS = 80
"""Enough to come from a millionth to neighbouring float32 numbers."""

PROBES = 1500
"""Currents on which the jumps found are held against the neuron itself."""


@frozen(eq=False)
class Jumps:
    """A row for each jump of each neuron: above `threshold` the count of neuron `owner` is higher by `increment`.

    threshold: the largest float32 current below the jump; rows are in order of owner, then of threshold.
    """

    owner: Integers
    threshold: Floats
    increment: Floats

    @property
    def most(self) -> int:
        """The largest number of jumps of one neuron."""
        return int(np.bincount(self.owner).max())

    def count(self, currents: Floats) -> Floats:
        """Spikes for currents [n, neurons]."""
        above = currents[:, self.owner] > self.threshold
        found = np.zeros(currents.shape[::-1])
        np.add.at(found, self.owner, (above * self.increment).T)
        return found.T

    def spread(self, largest: float) -> Jumps:
        """The same with rows repeated, so that none stands for more than `largest` times its neuron's smallest."""
        smallest = np.full(int(self.owner.max()) + 1, np.inf)
        np.minimum.at(smallest, self.owner, self.increment)
        times = np.ceil(self.increment / (largest * smallest[self.owner]) - 1e-9).astype(np.int64)
        return Jumps(
            np.repeat(self.owner, times), np.repeat(self.threshold, times), np.repeat(self.increment / times, times)
        )


def jumps(op: snn.Neuron, module: Module, steps: int) -> Jumps | None:
    """The jumps of the count in `steps` steps from rest; None where the count is no rising function of the current."""
    neurons = width(op, module)
    if not neurons:
        return None
    scanned = respond(op, module, np.repeat(SCAN[:, None], neurons, axis=1), steps, "spikes")
    most = scanned.max(axis=0)
    reach = SCAN[(scanned >= most).argmax(axis=0)] * 1.1
    if (most < 1).any() or respond(op, module, -reach[None], steps, "spikes").any():
        return None
    wanted = np.arange(1, int(most.max()) + 1)[:, None]
    edges = _edges(op, module, steps, wanted, reach)
    owner, place = np.nonzero((wanted <= most).T)
    found = _merged(owner, edges[place, owner])
    probes = np.random.default_rng(0).uniform(-0.1, 1.2, (PROBES, neurons)).astype(np.float32) * reach
    counted = respond(op, module, probes.astype(np.float32).astype(np.float64), steps, "spikes")
    rising = (found.count(probes.astype(np.float32).astype(np.float64)) == counted).mean() > 0.998
    return found if rising else None


def _edges(op: snn.Neuron, module: Module, steps: int, wanted: Integers, reach: Floats) -> Floats:
    """For each count [counts, neurons] the largest float32 current that gives less."""
    low = np.broadcast_to(-reach, (len(wanted), len(reach))).astype(np.float32)
    high = np.broadcast_to(reach, low.shape).astype(np.float32)
    for _ in range(HALVINGS):
        middle = ((low.astype(np.float64) + high) / 2).astype(np.float32)
        if ((middle == low) | (middle == high)).all():
            break
        enough = respond(op, module, middle.astype(np.float64), steps, "spikes") >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return low.astype(np.float64)


def _merged(owner: Integers, edge: Floats) -> Jumps:
    """Counts that are reached at the same current are one jump."""
    first = np.ones(len(owner), bool)
    first[1:] = (owner[1:] != owner[:-1]) | (edge[1:] > edge[:-1])
    group = np.cumsum(first) - 1
    return Jumps(owner[first], edge[first], np.bincount(group).astype(np.float64))
