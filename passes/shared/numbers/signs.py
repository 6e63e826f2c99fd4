# SPDX-License-Identifier: Apache-2.0
"""Which values of a float network are never below 0."""

from __future__ import annotations

from akc.ir.module import Module
from akc.ir.ops import nn, nn_host

PASS_ON = (
    nn.MaxPool, nn.AveragePool, nn.Mean, nn.Reshape, nn.Permute, nn.Flip, nn.Repeat, nn_host.Slice, nn_host.Resize,
    nn_host.Concat, nn_host.Add, nn_host.Mul,
)  # fmt: skip
"""What makes values of 0 or more of nothing but such values."""


def activations(module: Module) -> set[str]:
    """Values that are 0 or more: results of activations, and what pools, layout and joins make of them."""
    found: set[str] = set()
    for op in module.net.ops:
        passes_on = isinstance(op, PASS_ON) and all(name in found for name in op.operands)
        if passes_on or isinstance(op, nn.Relu) or (isinstance(op, nn.Clip) and op.low >= 0):
            found.add(op.name)
    return found
