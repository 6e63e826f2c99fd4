# SPDX-License-Identifier: Apache-2.0
"""One step of edge learning on an FNP's weight memory, written from docs/akd1000/learning.md.

It shares no code with the simulator's, but draws from its generator in the same order, so that both can be compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from akc.targets.akida1.program.fnp_memory import Memory

Array = npt.NDArray[Any]


@frozen
class Limits:
    """What the learning registers hold: largest threshold, least number of swaps, decay of swaps a step."""

    cap: int
    low: int
    decay: int


def learn(memory: Memory, levels: Array, learn_class: int, bounds: Limits, random: np.random.Generator) -> Memory:
    """The memory after one input.

    levels: 0 or 1 [inputs], in the memory's order; learn_class: label + 1, 0 for none. Gives the very same object
    where no unit is eligible.
    """
    learned = memory.learned
    assert learned is not None
    active = levels.astype(bool)
    counts = memory.weights[:, active].sum(axis=1, dtype=np.int64)
    unit = _winner(counts, learned.thresholds, learned.classes, learn_class)
    if unit is None:
        return memory
    weights, thresholds, swaps = (np.array(a) for a in (memory.weights, learned.thresholds, learned.swaps))
    ones = weights[unit] == 1
    idle, wanted = np.flatnonzero(ones & ~active), np.flatnonzero(~ones & active)
    moved = min(int(swaps[unit]), idle.size, wanted.size)
    weights[unit, random.choice(idle, moved, replace=False)] = 0
    weights[unit, random.choice(wanted, moved, replace=False)] = 1
    if moved:
        thresholds[unit] = min(int(counts[unit]), bounds.cap)
    swaps[unit] = max(int(swaps[unit]) - bounds.decay, bounds.low)
    return evolve(memory, weights=weights, learned=evolve(learned, thresholds=thresholds, swaps=swaps))


def _winner(counts: Array, thresholds: Array, classes: Array, learn_class: int) -> int | None:
    """The unit with the most ones at active inputs among those of the class that are above their threshold."""
    best: int | None = None
    for unit, count in enumerate(counts.tolist()):
        other = learn_class and classes[unit] not in (0, learn_class)
        if not other and count > thresholds[unit] and (best is None or count > counts[best]):
            best = unit
    return best
