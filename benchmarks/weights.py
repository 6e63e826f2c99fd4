# SPDX-License-Identifier: Apache-2.0
"""Read 10 MB of int4 weights as text, beside bytes.fromhex on the same digits.

python benchmarks/weights.py [ROUNDS]
"""

from __future__ import annotations

import sys

import numpy as np
from timing import medians, table

from akc.ir.module import Module, Net, Sequence, Value
from akc.ir.ops.akida import FullyConnected
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.types import TensorType
from akc.ir.weights import Weight

INPUTS, UNITS = 2500, 4000


def network() -> Module:
    """One fully connected layer of ten million weights."""
    weights = np.random.default_rng(0).integers(-7, 8, (UNITS, INPUTS))
    x, result = Value("x", TensorType("u4", (1, 1, INPUTS))), Value("y", TensorType("u1", (1, 1, UNITS)))
    layer = FullyConnected(result=result, x="x", weights="w")
    net = Net(
        name="large",
        inputs=(x,),
        statements=(Sequence(name="s0", ops=(layer,)),),
        outputs=("y",),
        output_types=(result.type,),
    )
    return Module(net=net, weights={"w": Weight.of(weights, "i4")})


def main(rounds: int) -> None:
    """Print the table."""
    text = print_module(network())
    digits = parse(text).weights["w"].payload
    tasks = {
        "bytes.fromhex of the same lines": lambda: bytes.fromhex(digits),
        "parse the file": lambda: parse(text),
        "parse the file and decode": lambda: parse(text).array("w"),
    }
    print(f"{len(text) / 1e6:.1f} MB of text, {INPUTS * UNITS} int4 weights, median of {rounds}")
    print(table(medians(tasks, rounds), next(iter(tasks))))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 15)
