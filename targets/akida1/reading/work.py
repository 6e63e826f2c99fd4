# SPDX-License-Identifier: Apache-2.0
"""How much a network computes on the chip and on the host, and which filters only hand a channel on."""

from __future__ import annotations

from math import prod

import numpy as np

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.ir.ops.akida import SeparableConvolutional
from akc.targets.akida1.layers import LayerFacts


def multiply_adds(layer: LayerFacts) -> int:
    """Products of a weight and an input that a layer adds up for one input, its border counted as cells."""
    if layer.kind == "dense":
        return layer.inputs * layer.filters
    cells, taps = layer.outputs(0) * layer.outputs(1), prod(layer.kernel)
    if layer.kind == "separable":
        return cells * layer.channels * (taps + layer.filters)
    return cells * taps * layer.channels * layer.filters


def host_multiply_adds(op: Op, module: Module) -> int:
    """The same of a float layer that the host computes; 0 for what multiplies by no weights."""
    if isinstance(op, nn.Dense):
        return prod(module.weights[op.weight].type.shape) * prod(op.type.shape[:-1])
    if isinstance(op, nn.Conv):
        return prod(module.weights[op.weight].type.shape) * prod(op.type.shape[:2])
    return 0


def handed_on(layer: LayerFacts, module: Module) -> int | None:
    """Filters with a single weight: what they give is one channel of what they read, in the same cell or a neighbour.

    None where the text leaves the weights out.
    """
    op = layer.op
    if module.weights[op.weights].elided:
        return None
    weights = module.array(op.weights)
    alone = np.count_nonzero(weights.reshape(len(weights), -1), axis=1) == 1
    if not isinstance(op, SeparableConvolutional):
        return int(alone.sum())
    if module.weights[op.pointwise].elided:
        return None
    mixed = module.array(op.pointwise) != 0
    return int(((mixed.sum(axis=1) == 1) & (mixed & alone).any(axis=1)).sum())
