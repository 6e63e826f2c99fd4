# SPDX-License-Identifier: Apache-2.0
"""How the time of `lower` grows with the network: rows of convolution blocks, each size against the one before.

    python benchmarks/growth.py               # 20, 40, 80, 160 and 320 blocks
    python benchmarks/growth.py 1 4 8         # fewer rounds, other sizes, for a test

A block is a 3x3 convolution, a batch normalisation and a ReLU. Twice the blocks in twice the time is linear. Times
are of the processor, the least of some rounds, and only their ratios mean anything.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from akc import Context, lower
from akc.ir.module import Module, Net, Op, Value
from akc.ir.ops import nn
from akc.ir.types import TensorType
from akc.ir.weights import Weight

SIZES, ROUNDS, CHANNELS, CELLS = (20, 40, 80, 160, 320), 3, 4, 8
VECTORS = {"scale": (0.5, 1.5), "shift": (-0.1, 0.1), "mean": (-0.1, 0.1), "variance": (0.5, 1.5)}


def network(blocks: int) -> Module:
    """A row of blocks on 8x8 maps."""
    rng, kind = np.random.default_rng(0), TensorType("f32", (CELLS, CELLS, CHANNELS))
    image = Value("image", TensorType("f32", (CELLS, CELLS, 1)))
    ops: list[Op] = []
    weights: dict[str, Weight] = {}
    for number in range(blocks):
        x, channels = (ops[-1].name, CHANNELS) if ops else (image.name, 1)
        conv, norm, relu = (f"{what}{number}" for what in ("conv", "norm", "relu"))
        weights[f"{conv}.weight"] = Weight.of(rng.normal(0, 0.4, (CHANNELS, 3, 3, channels)), "f32")
        names = {key: f"{norm}.{key}" for key in VECTORS}
        weights |= {names[key]: Weight.of(rng.uniform(*ends, CHANNELS), "f32") for key, ends in VECTORS.items()}
        ops.append(nn.Conv(result=Value(conv, kind), x=x, weight=f"{conv}.weight", pad=(1, 1, 1, 1), origin=(conv,)))
        ops.append(nn.BatchNorm(result=Value(norm, kind), x=conv, **names, origin=(norm,)))
        ops.append(nn.Relu(result=Value(relu, kind), x=norm, origin=(relu,)))
    net = Net(name="row", inputs=(image,), statements=tuple(ops), outputs=(ops[-1].name,), output_types=(kind,))
    return Module(net=net, weights=weights)


def seconds(module: Module) -> tuple[float, str]:
    """Processor time of lowering without samples, and the pass that took most of it."""
    context, start = Context(), time.process_time()
    lower(module, input_range=(0.0, 1.0), context=context)
    took = time.process_time() - start
    return took, max(context.timings, key=lambda row: row[1])[0]


def main(rounds: int, sizes: tuple[int, ...]) -> None:
    """Print a row for each size."""
    seconds(network(2))
    last: tuple[int, float] | None = None
    for size in sizes:
        module = network(size)
        took, slowest = min(seconds(module) for _ in range(rounds))
        blocks = f"{size / last[0]:.2f} times the blocks" if last else "the first"
        time_ = f", {took / last[1]:.2f} times the time" if last else ""
        print(f"{size:5} blocks: {blocks}{time_}; most of it in {slowest}")
        last = size, took


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(given[0] if given else ROUNDS, tuple(given[1:]) or SIZES)
