# SPDX-License-Identifier: Apache-2.0
"""The first seeds of the generator of texts."""

from __future__ import annotations

import pytest

from tests.fuzz.texts import verdict

CHUNK = 5


@pytest.mark.parametrize("first", range(0, 20, CHUNK))
def test_each_pass_keeps_its_promise_or_refuses(first: int) -> None:
    found = [verdict(seed) for seed in range(first, first + CHUNK)]
    assert "kept" in found
    assert all(one == "kept" or "AKC0" in one for one in found)
