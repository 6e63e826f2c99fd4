# SPDX-License-Identifier: Apache-2.0
"""The four Akida layers in numpy, exactly as docs/akd1000/arithmetic.md states them.

Matrix products run in float32 or float64, whichever holds every partial sum as a whole number, so
they are exact; everything after them is int64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import frozen

from akc.diagnostics import error
from akc.ir.module import Module
from akc.ir.ops import akida
from akc.sim.registry import Array, Kernel, evaluate_op, mapped
from akc.sim.windows import flat_windows, in_chunks, padded, same_padding, windows

POTENTIAL_MIN, POTENTIAL_MAX = -(2**19), 2**19 - 1
"""What 20 bits hold."""

LEVEL_BITS = 28
"""The scaled potential is kept modulo 2**28 before it is divided by the step."""


@frozen(kw_only=True)
class LayerNumbers:
    """The numbers of one layer, ready for any backend.

    threshold: int64 [filters]; steps: act_step in sixteenths, int64 [filters], zeros without activation;
    bound: no potential before pooling is larger in magnitude; levels: 2**act_bits.
    """

    threshold: Array
    steps: Array
    bound: int
    levels: int


def layer_numbers(op: akida.Layer, module: Module) -> LayerNumbers:
    """Collect and check a layer's numbers; raises DiagnosticError AKC0706 for an act_step out of range."""
    filters = op.type.shape[-1]
    threshold = np.zeros(filters, np.int64) if op.threshold is None else module.array(op.threshold).astype(np.int64)
    steps = _steps(op, module, filters) if op.activation else np.zeros(filters, np.int64)
    return LayerNumbers(threshold=threshold, steps=steps, bound=potential_bound(op, module), levels=2**op.act_bits)


def _steps(op: akida.Layer, module: Module, filters: int) -> Array:
    if op.act_step is None:
        return np.full(filters, 16, np.int64)
    act_step: Array = module.array(op.act_step)
    bad = ~((act_step >= 1 / 16) & (act_step < 2**24))
    if bad.any():
        first = int(np.argmax(bad))
        raise error(
            "AKC0706",
            f"act_step of %{op.name} is {act_step[first]} for filter {first}",
            span=op.span("act_step"),
            label=f"#{op.act_step}",
            origin=op.origin,
            help="an act_step is at least 0.0625 and below 16777216",
        )
    steps: Array = np.floor(act_step * np.float32(16)).astype(np.int64)
    return steps


def largest_input(op: akida.Layer, module: Module) -> int:
    """The largest level that the layer can be given."""
    return int(module.net.types[op.x].element.high or 0)


def potential_bound(op: akida.Layer, module: Module) -> int:
    """The largest sum of |weight| times the largest input over the filters, before pooling."""
    weights = np.abs(module.array(op.weights).astype(np.int64))
    if isinstance(op, akida.SeparableConvolutional):
        pointwise = np.abs(module.array(op.pointwise).astype(np.int64))
        sums = pointwise @ weights.reshape(len(weights), -1).sum(axis=1)
    else:
        sums = weights.reshape(len(weights), -1).sum(axis=1)
    return int(sums.max(initial=0)) * largest_input(op, module)


def exact_float(bound: int) -> np.dtype[np.floating]:
    """The narrowest float type that keeps every whole number up to `bound`."""
    return np.dtype(np.float32 if bound < 2**24 else np.float64)


def clip20(potentials: Array) -> Array:
    """Cut to 20 bits."""
    return np.clip(potentials, POTENTIAL_MIN, POTENTIAL_MAX)


def wrap32(numbers: Array) -> Array:
    """int64 numbers as 32-bit two's complement would hold them."""
    return numbers.astype(np.int32).astype(np.int64)


def activate(potentials: Array, numbers: LayerNumbers) -> Array:
    """Levels (uint8) of int64 potentials [..., filters]."""
    difference = wrap32(potentials - numbers.threshold)
    scaled = (difference * numbers.levels - 1) % 2**LEVEL_BITS
    level = np.minimum(scaled // numbers.steps + 1, numbers.levels - 1)
    return np.where(difference > 0, level, 0).astype(np.uint8)


# -- potentials ------------------------------------------------------------------------------------


def spatial_padding(
    op: akida._Spatial, sizes: tuple[int, int], window: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Cells (before d0, before d1), (after d0, after d1) around an input of these sizes."""
    if op.padding == "valid":
        return (0, 0), (0, 0)
    (b0, a0), (b1, a1) = (same_padding(n, k, s) for n, k, s in zip(sizes, window, stride))
    return (b0, b1), (a0, a1)


def pad_input(op: akida._Spatial, x: Array, window: tuple[int, ...], value: int = 0) -> Array:
    """The input with the border that `padding` asks for."""
    before, after = spatial_padding(op, (x.shape[1], x.shape[2]), window, op.stride)
    return padded(x, before, after, value)


def unrolled_bytes(op: akida._Spatial, module: Module, kernel: tuple[int, int], itemsize: int) -> int:
    """Bytes that one sample's unrolled windows take."""
    x = module.net.types[op.x].shape
    outputs = -(-x[0] // op.stride[0]) * -(-x[1] // op.stride[1])
    return outputs * kernel[0] * kernel[1] * x[2] * itemsize


@mapped(akida.FullyConnected)
def _fully_connected(op: akida.FullyConnected, module: Module) -> Kernel:
    numbers = layer_numbers(op, module)
    kind = exact_float(numbers.bound)
    matrix = np.ascontiguousarray(module.array(op.weights).T.astype(kind))

    def kernel(x: Array) -> Array:
        sums = (x.reshape(len(x), -1).astype(kind) @ matrix).astype(np.int64)
        return _finish(op, numbers, clip20(sums).reshape(len(x), 1, 1, -1))

    return kernel


@mapped(akida.InputConvolutional, akida.Convolutional)
def _convolutional(op: akida.InputConvolutional | akida.Convolutional, module: Module) -> Kernel:
    numbers = layer_numbers(op, module)
    kind = exact_float(numbers.bound)
    weights = module.array(op.weights)
    size = (weights.shape[1], weights.shape[2])
    matrix = np.ascontiguousarray(weights.reshape(len(weights), -1).T.astype(kind))
    outside = getattr(op, "padding_value", 0)

    def kernel(x: Array) -> Array:
        rows, shape = flat_windows(pad_input(op, x.astype(kind), size, outside), size, op.stride)
        return _finish(op, numbers, pool(op, (rows @ matrix).astype(np.int64).reshape(*shape, -1)))

    return in_chunks(kernel, unrolled_bytes(op, module, size, kind.itemsize))


@mapped(akida.SeparableConvolutional)
def _separable(op: akida.SeparableConvolutional, module: Module) -> Kernel:
    numbers = layer_numbers(op, module)
    kind = exact_float(numbers.bound)
    depthwise, pointwise = module.array(op.weights).astype(kind), module.array(op.pointwise)
    size = (depthwise.shape[1], depthwise.shape[2])
    matrix = np.ascontiguousarray(pointwise.T.astype(kind))

    def kernel(x: Array) -> Array:
        view = windows(pad_input(op, x.astype(kind), size), size, op.stride)
        sums = sum(view[:, :, :, u, v] * depthwise[:, u, v] for u in range(size[0]) for v in range(size[1]))
        return _finish(op, numbers, pool(op, (sums @ matrix).astype(np.int64)))

    return in_chunks(kernel, unrolled_bytes(op, module, (1, 1), 4 * kind.itemsize))


def _finish(op: akida.Layer, numbers: LayerNumbers, potentials: Array) -> Array:
    return activate(potentials, numbers) if op.activation else potentials.astype(np.int32)


# -- pooling ---------------------------------------------------------------------------------------


def pools(op: akida._Spatial) -> bool:
    """Whether the layer pools at all; a 1x1 maximum is none, and does not cut to 20 bits either."""
    return op.pool == "average" or (op.pool == "max" and tuple(op.pool_size) != (1, 1))


def pool(op: akida._Spatial, potentials: Array) -> Array:
    """Pooled int64 potentials [n, d0, d1, filters]."""
    return _POOLS[op.pool](op, potentials) if pools(op) else potentials


def _max_pool(op: akida._Spatial, potentials: Array) -> Array:
    sizes = (potentials.shape[1], potentials.shape[2])
    before, after = spatial_padding(op, sizes, op.pool_size, op.pool_stride)
    around = padded(potentials, before, after, np.iinfo(np.int64).min)
    return clip20(windows(around, op.pool_size, op.pool_stride).max(axis=(3, 4)))


def _sum_pool(op: akida._Spatial, potentials: Array) -> Array:
    """Global sum over d0 and d1 (d1 runs fastest) that saturates at 20 bits after every cell."""
    n, d0, d1, filters = potentials.shape
    total = np.zeros((n, filters), np.int64)
    for cell in range(d0 * d1):
        total = clip20(total + potentials[:, cell // d1, cell % d1])
    return total.reshape(n, 1, 1, filters)


_POOLS: dict[str, Callable[[akida._Spatial, Array], Array]] = {"max": _max_pool, "average": _sum_pool}


def run_layer(op: akida.Layer, x: Array, module: Module) -> Array:
    """One akida layer on levels [batch, d0, d1, channels]: levels (uint8), or int32 potentials without activation."""
    return evaluate_op(op, [x], module)
