# SPDX-License-Identifier: Apache-2.0
"""The border operations in numpy: between the source network's numbers and the chip's."""

from __future__ import annotations

import numpy as np

from akc.ir.module import Module
from akc.ir.ops import host
from akc.sim.floats import number_or_vector
from akc.sim.registry import Array, Kernel, mapped


@mapped(host.Quantize)
def _quantize(op: host.Quantize, module: Module) -> Kernel:
    scale, zero_point = number_or_vector(module, op.scale), np.float32(op.zero_point)
    top, shape = np.float32(2**op.bits - 1), op.type.shape

    def kernel(x: Array) -> Array:
        levels = np.divide(x, scale, dtype=np.float32)
        np.rint(levels, out=levels)
        if op.zero_point:
            levels += zero_point
        np.clip(levels, np.float32(0), top, out=levels)
        return levels.astype(np.uint8).reshape(len(x), *shape)

    return kernel


@mapped(host.Decode)
def _decode(op: host.Decode, module: Module) -> Kernel:
    channels = op.type.shape[-1]
    threshold = np.zeros(channels, np.int32) if op.threshold is None else module.array(op.threshold)
    act_step = np.ones(channels, np.float32) if op.act_step is None else module.array(op.act_step)
    shape, factor = op.type.shape, np.float32(op.factor)
    return lambda x: (factor * ((x - threshold).astype(np.float32) / act_step)).reshape(len(x), *shape)


@mapped(host.Dequantize)
def _dequantize(op: host.Dequantize, module: Module) -> Kernel:
    scale, zero_point = number_or_vector(module, op.scale), np.float32(op.zero_point)
    return lambda x: ((x.astype(np.float32) - zero_point) * scale).reshape(len(x), *op.type.shape)
