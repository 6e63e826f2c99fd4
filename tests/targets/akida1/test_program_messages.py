# SPDX-License-Identifier: Apache-2.0
"""What a user reads when a program or a network is at fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from syrupy.assertion import SnapshotAssertion

from akc.base.diagnostics import DiagnosticError
from akc.ir.parser import parse
from akc.targets.akd1000 import TARGET
from akc.targets.akida1.program.container import read
from akc.targets.akida1.program.writer import write
from tests.targets.akida1.programs import program

TEXT = """akir 1.0

net @small(%x: u4[1, 1, 2]) -> u4[1, 1, 1] {{
  sequence @s0 {{
    %a = akida.fully_connected(%x, weights=#w, threshold=#t, act_bits=4, at=[{at}]) : u4[1, 1, 1] from "fc1"
  }}
  return %a
}}

weights {{
  #w : i4[1, 2] = hex "12"
  #t : i32[1] = dec "{threshold}"
}}
"""


def _assemble(threshold: int = 0, at: str = "fnp3(1, 3, 0)") -> object:
    return TARGET.assemble(parse(TEXT.format(at=at, threshold=threshold), "small.akir"))


def _for_another_chip() -> object:
    container = read(program("dense", 0).bytes)
    written = write(evolve(container, header=evolve(container.header, device_version=(0xBC, 0xA1, 3, 9))))
    return TARGET.disassemble(written.info + written.data)


def _with_another_output_type() -> object:
    container = read(program("dense", 0).bytes)
    written = write(evolve(container, header=evolve(container.header, output_type=3)))
    return TARGET.recover(written.info + written.data)


FAULTS: dict[str, Callable[[], object]] = {
    "AKC0610-cut": lambda: TARGET.recover(program("dense", 0).bytes[:200]),
    "AKC0611-another-chip": _for_another_chip,
    "AKC0612-threshold": lambda: _assemble(threshold=600000),
    "AKC0613-wrong-place": lambda: _assemble(at="fnp2(1, 3, 0)"),
    "AKC0614-output-type": _with_another_output_type,
}


@pytest.mark.parametrize("name", FAULTS)
def test_message(name: str, text_snapshot: SnapshotAssertion) -> None:
    with pytest.raises(DiagnosticError) as caught:
        FAULTS[name]()
    assert name[:7] in str(caught.value)
    assert str(caught.value) + "\n" == text_snapshot(name=name)
