# SPDX-License-Identifier: Apache-2.0
"""The container: reading is the inverse of writing, and damaged bytes give a diagnostic, whatever the damage."""

from __future__ import annotations

import numpy as np
import pytest

from akc.diagnostics import DiagnosticError
from akc.targets.akd1000.diff import diff
from akc.targets.akd1000.disassemble import disassemble
from akc.targets.akd1000.program import read, split
from akc.targets.akd1000.program_writer import write
from akc.targets.akd1000.recover import recover
from tests.targets.akd1000.programs import KINDS, program

CODES = {"AKC0610", "AKC0611", "AKC0614"}


@pytest.mark.parametrize("kind", KINDS)
def test_writing_what_was_read_gives_the_bytes(kind: str) -> None:
    for number in range(4):
        one = program(kind, number)
        written = write(read(one.bytes))
        assert (written.info, written.data) == (one.info, one.data)
        assert split(one.bytes) == (one.info, one.data)


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut, overwritten with extreme words, or with some bits turned."""
    kind = int(rng.integers(3))
    if kind == 0:
        return data[: rng.integers(len(data))]
    changed = bytearray(data)
    if kind == 1:
        at = 4 * int(rng.integers(len(data) // 4))
        word = int(rng.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 1 << 20]))
        changed[at : at + 4] = word.to_bytes(4, "little")
    for _ in range(int(rng.integers(kind - 1, 4))):
        changed[int(rng.integers(min(len(data), 700)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read_it", [disassemble, recover, diff], ids=lambda function: function.__name__)
def test_damaged_programs_give_a_diagnostic(kind: str, read_it: object) -> None:
    rng = np.random.default_rng([7, len(kind)])
    faults = 0
    for number in range(3):
        data = program(kind, number, 9000).bytes
        for _ in range(80):
            damaged = _damaged(data, rng)
            try:
                diff(data, damaged) if read_it is diff else read_it(damaged)  # type: ignore[operator]
            except DiagnosticError as fault:
                faults += 1
                assert {d.code for d in fault.diagnostics} <= CODES
    assert faults > 100


@pytest.mark.parametrize("data", [b"", b"\0" * 3, b"\0" * 64, b"\xff" * 64, b"PK\x03\x04" + b"x" * 100])
def test_what_is_no_program_is_refused(data: bytes) -> None:
    with pytest.raises(DiagnosticError, match="AKC0610"):
        read(data)


def test_bytes_behind_the_end_are_refused() -> None:
    with pytest.raises(DiagnosticError, match="3 bytes follow the end"):
        read(program("dense", 0).bytes + b"\0\0\0")


def test_the_message_names_the_byte() -> None:
    data = bytearray(program("dense", 0).bytes)
    data[4:8] = b"\xff\xff\xff\x7f"
    with pytest.raises(
        DiagnosticError, match="program_info is damaged at byte 4: an offset of 2147483647 leads outside"
    ):
        read(bytes(data))
