# SPDX-License-Identifier: Apache-2.0
"""Short texts for the simulator's tests."""

from __future__ import annotations

import numpy as np

from akc.ir.module import Array, Module
from akc.ir.parser import parse


def net(signature: str, body: str, weights: str = "", output: str = "y") -> Module:
    """A net of one or more statements whose last value is `output`."""
    section = f"\nweights {{\n{weights}\n}}\n" if weights else ""
    return parse(f"akir 1.0\n\nnet @n({signature} {{\n{body}\n  return %{output}\n}}\n{section}")


def numbers(array: Array) -> str:
    """A decimal payload."""
    return " ".join(str(n) for n in np.asarray(array).flatten())


def dense(bits: int = 4, activation: bool = True, extra: str = "", inputs: str = "u4[1, 1, 3]") -> Module:
    """Two units on three inputs: weights (1, 2, 3) and (-1, 0, 7), thresholds 2 and -3, steps 1.5 and 4."""
    result = f"u{bits}[1, 1, 2]" if activation else "i32[1, 1, 2]"
    kind = f"act_bits={bits}" if activation else "activation=false"
    body = (
        "  sequence @s0 {\n    %y = akida.fully_connected(%x, weights=#w, threshold=#t, act_step=#s, "
        f"{kind}{extra}) : {result}\n  }}"
    )
    weights = '#w : i4[2, 3] = dec "1 2 3 -1 0 7"\n#t : i32[2] = dec "2 -3"\n#s : f32[2] = dec "1.5 4"'
    return net(f"%x: {inputs}) -> {result}", body, weights)
