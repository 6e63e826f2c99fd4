# SPDX-License-Identifier: Apache-2.0
"""One step of edge learning, on the contents of an FNP's weight memory (docs/akd1000/arithmetic.md).

Which synapses are swapped is drawn by chance; everything else is determined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from akc.targets.akd1000.fnp_memory import Memory

Array = npt.NDArray[Any]


@frozen
class Settings:
    """The learning registers: upper limit of a learned threshold, lower limit and decay of the swaps."""

    cap: int
    low: int
    decay: int


def learn(memory: Memory, levels: Array, learn_class: int, settings: Settings, random: np.random.Generator) -> Memory:
    """The memory after one input.

    levels: 0 or 1 [inputs], in the memory's order; learn_class: label + 1, 0 for none. Gives the very
    same object where no unit is eligible.
    """
    learned = memory.learned
    assert learned is not None
    potentials = memory.weights.astype(np.int64) @ levels.astype(np.int64)
    winner = _winner(potentials, learned.thresholds, learned.classes, learn_class)
    if winner is None:
        return memory
    weights, thresholds, swaps = memory.weights.copy(), learned.thresholds.copy(), learned.swaps.copy()
    count = _swap(weights[winner], levels, int(swaps[winner]), random)
    if count:
        thresholds[winner] = min(int(potentials[winner]), settings.cap)
    swaps[winner] = max(int(swaps[winner]) - settings.decay, settings.low)
    return evolve(memory, weights=weights, learned=evolve(learned, thresholds=thresholds, swaps=swaps))


def _winner(potentials: Array, thresholds: Array, classes: Array, learn_class: int) -> int | None:
    """The eligible unit with the largest potential, the first of equals. Class 0 in a unit takes any label."""
    candidates = (classes == learn_class) | (classes == 0) if learn_class else np.ones(len(potentials), bool)
    eligible = candidates & (potentials > thresholds)
    if not eligible.any():
        return None
    return int(np.argmax(np.where(eligible, potentials, -1)))


def _swap(weights: Array, levels: Array, most: int, random: np.random.Generator) -> int:
    """Turn as many unused ones off as inactive inputs on; gives how many. `weights` is changed in place."""
    unused = np.flatnonzero((weights == 1) & (levels == 0))
    missing = np.flatnonzero((weights == 0) & (levels == 1))
    count = min(most, len(unused), len(missing))
    weights[random.choice(unused, count, replace=False)] = 0
    weights[random.choice(missing, count, replace=False)] = 1
    return count
