# SPDX-License-Identifier: Apache-2.0
"""One step of edge learning, on the contents of an FNP's weight memory; the rule is that of akc.sim.learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve

from akc.sim import learning
from akc.sim.learning import Limits as Settings
from akc.targets.akd1000.fnp_memory import Memory

Array = npt.NDArray[Any]

__all__ = ["Settings", "learn"]


def learn(memory: Memory, levels: Array, learn_class: int, settings: Settings, random: np.random.Generator) -> Memory:
    """The memory after one input.

    levels: 0 or 1 [inputs], in the memory's order; learn_class: label + 1, 0 for none. Gives the very
    same object where no unit is eligible.
    """
    learned = memory.learned
    assert learned is not None
    before = learning.State(memory.weights, learned.thresholds, learned.swaps, learned.classes)
    after = learning.learn(before, levels, learn_class, settings, random)
    if after is before:
        return memory
    return evolve(
        memory, weights=after.weights, learned=evolve(learned, thresholds=after.thresholds, swaps=after.swaps)
    )
