# SPDX-License-Identifier: Apache-2.0
"""One step of edge learning on an FNP's weight memory; the rule is the simulator's (akc.sim.learning)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve

from akc.sim import learning
from akc.sim.learning import Limits, State
from akc.targets.akida1.program.fnp_memory import Memory

Array = npt.NDArray[Any]


def learn(memory: Memory, levels: Array, learn_class: int, bounds: Limits, random: np.random.Generator) -> Memory:
    """The memory after one input.

    levels: 0 or 1 [inputs], in the memory's order; learn_class: label + 1, 0 for none; bounds: what the
    learning registers hold. Gives the very same object where no unit is eligible.
    """
    learned = memory.learned
    assert learned is not None
    before = State(memory.weights, learned.thresholds, learned.swaps, learned.classes)
    after = learning.learn(before, levels, learn_class, bounds, random)
    if after is before:
        return memory
    return evolve(
        memory, weights=after.weights, learned=evolve(learned, thresholds=after.thresholds, swaps=after.swaps)
    )
