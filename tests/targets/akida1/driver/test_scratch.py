# SPDX-License-Identifier: Apache-2.0
"""The allocator of device memory."""

from __future__ import annotations

import pytest

from akc.targets.akida1.driver.scratch import Scratch
from akc.targets.faults import OutOfMemory


def test_addresses_are_aligned_and_follow_each_other() -> None:
    scratch = Scratch(0x1000, 0x100)
    assert [scratch.allocate(n) for n in (5, 4, 1)] == [0x1000, 0x1008, 0x100C]
    assert scratch.used == 13


def test_only_freeing_the_top_block_lowers_the_mark() -> None:
    scratch = Scratch(0, 0x100)
    first, second, third = (scratch.allocate(8) for _ in range(3))
    scratch.free(second)
    assert scratch.used == 24
    scratch.free(third)
    assert scratch.used == 8
    scratch.free(first)
    assert (scratch.used, scratch.top) == (0, 24)


def test_a_full_memory_says_what_is_missing() -> None:
    scratch = Scratch(0, 16)
    scratch.allocate(12)
    with pytest.raises(OutOfMemory, match="8 bytes of device memory are needed, 4 are left"):
        scratch.allocate(8)
    scratch.reset()
    assert scratch.allocate(16) == 0
