# SPDX-License-Identifier: Apache-2.0
"""The first seeds of the generator of spiking modules."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.spiking_modules import verdict

CHUNK = 8


@pytest.mark.parametrize("first", range(0, 200, CHUNK))
def test_each_imports_equal_or_is_refused(first: int) -> None:
    found = Counter(verdict(seed).split()[0] for seed in range(first, first + CHUNK))
    assert found["equal"] and set(found) <= {"equal", "AKC0316", "AKC0396"}
