# SPDX-License-Identifier: Apache-2.0
"""The rows of registers: they do not overlap, and encoding and decoding are inverse."""

from __future__ import annotations

import numpy as np
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.targets.akida1.program.fnp_memory import UNIT
from akc.targets.akida1.program.registers import BLOCKS, CNP, FNP, RegisterBlock, hrc_block, np_block
from akc.targets.akida1.program.tracks import HEADER

ALL = [*BLOCKS, UNIT, HEADER]


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.name)
def test_rows_are_disjoint_and_inside(block: RegisterBlock) -> None:
    taken: dict[int, int] = {}
    for row in block.fields:
        assert 0 <= row.word < block.length
        assert 0 < row.width <= 32 - row.low
        assert not taken.get(row.word, 0) & row.mask, f"{row.name} overlaps another row"
        taken[row.word] = taken.get(row.word, 0) | row.mask
    assert len(block.by_name) == len(block.fields)
    assert {row.status for row in block.fields} <= {"verified", "constant"}


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.name)
def test_decoding_is_the_inverse_of_encoding(block: RegisterBlock) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = {
            row.name: int(rng.integers(0, 1 << row.width)) - (row.signed << row.width - 1) for row in block.fields
        }
        words = block.encode(values)
        assert block.decode(words) == values
        assert not block.unnamed(words)


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0612.*units is 131072, its field has 17 bits"):
        FNP.encode({"units": 1 << 17})
    with pytest.raises(DiagnosticError, match="halo_d0 is -9"):
        CNP.encode({"halo_d0": -9})


def test_an_unknown_name_is_a_bug() -> None:
    with pytest.raises(KeyError, match="no register field colour"):
        FNP.encode({"colour": 1})


def test_bits_without_a_row_are_reported() -> None:
    words = FNP.encode({})
    words[5] = 0x80
    assert FNP.unnamed(words) == {5: 0x80}


def test_blocks_are_recognised() -> None:
    assert np_block(FNP.encode({})) is FNP
    assert np_block(CNP.encode({})) is CNP
    assert hrc_block(0x08, 8) is not hrc_block(0x08, 1)
    assert hrc_block(0x48, 1) is None
    with pytest.raises(DiagnosticError, match="AKC0611"):
        np_block(np.zeros(50, np.uint32))
