# SPDX-License-Identifier: Apache-2.0
"""The container: reading is the inverse of writing. tests/targets/akida1/test_damage.py damages programs."""

from __future__ import annotations

import pytest

from akc.base.diagnostics import DiagnosticError
from akc.targets.akida1.program.container import read, split
from akc.targets.akida1.program.writer import write
from tests.targets.akida1.programs import KINDS, program


@pytest.mark.parametrize("kind", KINDS)
def test_writing_what_was_read_gives_the_bytes(kind: str) -> None:
    for number in range(4):
        one = program(kind, number)
        written = write(read(one.bytes))
        assert (written.info, written.data) == (one.info, one.data)
        assert split(one.bytes) == (one.info, one.data)


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
