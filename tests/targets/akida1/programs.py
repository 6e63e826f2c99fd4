# SPDX-License-Identifier: Apache-2.0
"""Assembled random networks for tests that need programs, without the vendor's SDK."""

from __future__ import annotations

from functools import cache

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets import SequenceProgram
from akc.targets.akd1000 import TARGET
from tests.conformance import random_networks
from tests.conformance.random_networks import in_one_sequence

KINDS = ("dense", "conv", "separable", "mixed", "image", "learning")


@cache
def placed(kind: str, number: int, largest: int = 20000) -> Module:
    """The `number`-th network of a class that the chip takes and whose program has at most `largest` bytes."""
    found = -1
    for seed in range(1, 1000):
        try:
            module = TARGET.place(in_one_sequence(random_networks.network(kind, seed)))
            found += len(TARGET.assemble(module)[0].bytes) <= largest
        except DiagnosticError:
            continue
        if found == number:
            return module
    raise AssertionError("there are enough small networks")


def program(kind: str, number: int, largest: int = 20000) -> SequenceProgram:
    """Its program."""
    return TARGET.assemble(placed(kind, number, largest))[0]
