# SPDX-License-Identifier: Apache-2.0
"""Edge learning on the emulator: the rules of one step, and its effect in the chip's memories."""

from __future__ import annotations

import numpy as np
import pytest

from akc.targets.akida1.emulator.learning import Limits, learn
from akc.targets.akida1.program.fnp_memory import Learned, Memory

BOUNDS = Limits(cap=5, low=2, decay=3)


def memory(weights: list[list[int]], thresholds: list[int], swaps: list[int], classes: list[int]) -> Memory:
    learned = Learned(np.array(classes), 3, np.array(thresholds), np.array(swaps))
    return Memory(np.array(weights, np.int8), 1, learned=learned)


def step(before: Memory, levels: list[int], label: int = 0) -> Memory:
    return learn(before, np.array(levels), label, BOUNDS, np.random.default_rng(1))


WEIGHTS = [[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]]


def test_the_largest_potential_wins_and_the_first_of_equals() -> None:
    before = memory(WEIGHTS, [0, 0, 0], [1, 1, 1], [0, 0, 0])
    after = step(before, [0, 1, 1, 0, 1, 0])
    changed = (after.weights != before.weights).any(axis=1)
    assert changed.tolist() == [True, False, False]
    assert after.weights[0].tolist() == [0, 1, 1, 0, 1, 0], "the unused one goes, the missing one comes"
    assert after.learned is not None
    assert after.learned.thresholds.tolist() == [2, 0, 0]
    assert after.learned.swaps.tolist() == [2, 1, 1], "down to no less than the lower limit"


def test_only_units_of_the_class_may_learn() -> None:
    after = step(memory(WEIGHTS, [0, 0, 0], [1, 1, 1], [1, 1, 2]), [0, 1, 1, 0, 1, 0], label=2)
    assert after.learned is not None
    assert after.learned.swaps.tolist() == [1, 1, 2]


def test_nothing_changes_where_no_potential_exceeds_its_threshold() -> None:
    before = memory(WEIGHTS, [2, 2, 1], [1, 1, 1], [0, 0, 0])
    assert step(before, [0, 1, 1, 0, 1, 0]) is before


@pytest.mark.parametrize("seed", range(30))
def test_a_step_keeps_the_number_of_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = (rng.random((6, 40)) < 0.3).astype(int)
    before = memory(weights.tolist(), [0] * 6, rng.integers(0, 9, 6).tolist(), [0] * 6)
    levels = (rng.random(40) < 0.5).astype(int)
    after = learn(before, levels, 0, BOUNDS, rng)
    np.testing.assert_array_equal(after.weights.sum(axis=1), weights.sum(axis=1))
    winner = int(np.argmax(weights @ levels))
    unused = int(((weights[winner] == 1) & (levels == 0)).sum())
    missing = int(((weights[winner] == 0) & (levels == 1)).sum())
    assert before.learned is not None and after.learned is not None
    swapped = min(int(before.learned.swaps[winner]), unused, missing)
    assert int((after.weights != before.weights).sum()) == 2 * swapped
    if swapped:
        assert after.learned.thresholds[winner] == min(int(weights[winner] @ levels), BOUNDS.cap)
    assert after.learned.swaps[winner] == max(before.learned.swaps[winner] - BOUNDS.decay, BOUNDS.low)
