# SPDX-License-Identifier: Apache-2.0
"""Built networks for tests of driver and emulator: those of the kit, with inputs and expected integers."""

from __future__ import annotations

from functools import cache
from typing import Any

from attrs import frozen

from akc.kit import default_networks
from akc.program import Program


@frozen(eq=False)
class Built:
    """A program, raw inputs [8, d0, d1, channels], and the simulator's integers."""

    program: Program
    inputs: Any
    expected: Any


@cache
def networks() -> dict[str, Built]:
    """The kit's networks by name."""
    return {name: Built(p, x, p.run(x, raw=True)) for name, (p, x) in default_networks()}
