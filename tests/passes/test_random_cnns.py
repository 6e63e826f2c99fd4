# SPDX-License-Identifier: Apache-2.0
"""Random networks from ONNX, opsets 11 to 21: refused, or every number of onnxruntime's; none is bent.

`python -m tests.passes.random_cnns --count 3000 --seed 1` tries more.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from tests.passes.random_cnns import IMPORTED_WRONG, LOWERED_WRONG, SAME, verdict

PARTS, EACH, FIRST_SEED = 10, 30, 5000


@cache
def _part(part: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for seed in range(FIRST_SEED + part * EACH, FIRST_SEED + (part + 1) * EACH):
        found.setdefault(verdict(seed), []).append(seed)
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_none_is_bent(part: int) -> None:
    """Import and rewriting keep the numbers, or there is a diagnostic."""
    found = _part(part)
    assert not found.get(IMPORTED_WRONG) and not found.get(LOWERED_WRONG), found


def test_many_are_taken() -> None:
    """A third of all networks, whose kernels, strides and borders are random, finds a place on the chip."""
    count = Counter({name: len(seeds) for part in range(PARTS) for name, seeds in _part(part).items()})
    taken = sum(len(_part(part).get(SAME, [])) for part in range(PARTS))
    assert taken > PARTS * EACH // 3, count
