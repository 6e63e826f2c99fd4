# SPDX-License-Identifier: Apache-2.0
"""Built networks for tests of driver and emulator: those of the kit, with inputs and expected integers."""

from __future__ import annotations

from functools import cache
from typing import Any

from attrs import frozen

import akc
from akc.compiler.program import Program
from akc.devices.kit import default_networks


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


LEARNER = """akir 1.0

net @learner(%x: u1[1, 1, 20]) -> i32[1, 1, 6] {
  sequence @s0 {
    %y = akida.fully_connected(
      %x,
      weights=#w,
      activation=false,
      learning=akida_unsupervised(num_weights=6, num_classes=3),
      threshold_learning=#t,
      thswap=#s,
    ) : i32[1, 1, 6]
  }
  return %y
}

weights {
  #w : u1[6, 20] = hex "
    WEIGHTS"
  #t : i32[6] = splat "0"
  #s : i32[6] = splat "6"
}
"""


def learning_program(weights: Any) -> Program:
    """A built network of one learning layer; weights: 0 or 1 [6, 20], six ones in each row."""
    rows = "\n    ".join("".join(str(digit) for digit in row) for row in weights)
    return akc.build(akc.parse(LEARNER.replace("WEIGHTS", rows)))
