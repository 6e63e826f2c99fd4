# SPDX-License-Identifier: Apache-2.0
"""Sequences of faults on the emulated bus; any number of them: python -m tests.fuzz.driver_faults 20000."""

from __future__ import annotations

from tests.fuzz.driver_faults import many


def test_sequences_of_faults_end_in_a_named_error_or_the_right_numbers() -> None:
    told: list[str] = []
    seen = many(range(150), told.append)
    assert not told, told
    assert len(seen) > 4 and seen["numbers"] > 10, seen
