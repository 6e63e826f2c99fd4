# SPDX-License-Identifier: Apache-2.0
"""Networks with reports that differ: dense, convolutional, of several passes, with a part on the host, very long."""

from __future__ import annotations

import numpy as np

import akc
from akc.compiler.arrays import float_network
from akc.ir.module import Array, Module
from tests.targets.akida1.chips import network

SECTIONS = ("overview", "network", "mesh", "layers", "activity", "accuracy", "text", "road", "provenance")
POOL = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}


def dense() -> tuple[Module, Module, dict[str, Array]]:
    """A network of two layers, its float source, and samples with labels."""
    generator = np.random.default_rng(0)
    matrices = [generator.normal(0, 0.5, shape).astype(np.float32) for shape in ((6, 64), (3, 6))]
    source = float_network(matrices, [None, None], (8, 8))
    samples = {"input": generator.uniform(0, 1, (40, 8, 8)).astype(np.float32), "labels": np.arange(40) % 3}
    lowered = akc.lower(source, calibrate=samples, context=akc.Context())
    return lowered, source, samples


def convolutions() -> Module:
    """An image layer, three layers of the mesh and a dense one."""
    return network(
        (40, 20, 1), "u8", ("image", 6, 5), ("convolution", 16, 3, "i4", POOL), ("separable", 8, 3, "i4"),
        ("dense", 200, "i4"), ("dense", 10, "i4"),
    )  # fmt: skip


def several_passes() -> Module:
    """Dense layers that take three passes of an AKD1500."""
    return network((1, 1, 4), "u4", *[("dense", 8, "i4")] * 20)


def long_network(layers: int = 100) -> Module:
    """So many convolutions, one behind the other."""
    return network((8, 8, 4), "u4", *[("convolution", 8, 3, "i4")] * layers)


def two_sequences() -> Module:
    """A layer that only the host computes between two that the chip does."""
    generator = np.random.default_rng(0)
    source = akc.parse(
        """akir 1.0

net @parts(%x: f32[20] in [0, 1]) -> f32[3] {
  %a = nn.dense(%x, weight=#a) : f32[16]
  %r = nn.relu(%a) : f32[16]
  %s = host.tanh(%r) : f32[16]
  %b = nn.dense(%s, weight=#b) : f32[8]
  %q = nn.relu(%b) : f32[8]
  %c = nn.dense(%q, weight=#c) : f32[3]
  return %c
}

weights {
"""
        + "".join(_weights(generator, *row) for row in (("a", 16, 20), ("b", 8, 16), ("c", 3, 8)))
        + "}\n"
    )
    return akc.lower(source, host="allow", context=akc.Context())


def _weights(generator: np.random.Generator, name: str, rows: int, columns: int) -> str:
    numbers = " ".join(f"{n:.3f}" for n in generator.normal(0, 0.5, rows * columns))
    return f'  #{name} : f32[{rows}, {columns}] = dec "{numbers}"\n'
