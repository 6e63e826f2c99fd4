# SPDX-License-Identifier: Apache-2.0
"""The four Akida layers in numpy, exactly as docs/akd1000/arithmetic.md states them.

Matrix products run in float32 or float64, whichever holds every partial sum as a whole number, so
they are exact. Where no number can leave 24 bits the level is one float32 division, rounded up, which is
exact there; elsewhere it is worked out in int64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import frozen

from akc.base.diagnostics import error
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
    """Cut to 20 bits, in place."""
    return np.clip(potentials, POTENTIAL_MIN, POTENTIAL_MAX, out=potentials)


def float_levels_are_exact(numbers: LayerNumbers, bound: int) -> bool:
    """Whether no difference leaves 24 bits and no step 20, so that float32 gives the exact level."""
    largest = bound + int(np.abs(numbers.threshold).max(initial=0))
    return largest < 2**24 and int(numbers.steps.max(initial=0)) < 2**20


def wrap32(numbers: Array) -> Array:
    """int64 numbers as 32-bit two's complement would hold them."""
    return numbers.astype(np.int32).astype(np.int64)


def activate(potentials: Array, numbers: LayerNumbers) -> Array:
    """Levels (uint8) of int64 potentials [..., filters]."""
    difference = wrap32(potentials - numbers.threshold)
    scaled = (difference * numbers.levels - 1) % 2**LEVEL_BITS
    level = np.minimum(scaled // numbers.steps + 1, numbers.levels - 1)
    return np.where(difference > 0, level, 0).astype(np.uint8)


Finisher = Callable[[Array], Array]


def finisher(op: akida.Layer, numbers: LayerNumbers, bound: int) -> Finisher:
    """From potentials, whole numbers in a float array that it may overwrite, to the layer's result.

    bound: the largest magnitude of a potential that gets here.
    """
    if not op.activation:
        return lambda potentials: potentials.astype(np.int64).astype(np.int32)
    if not float_levels_are_exact(numbers, bound):
        return lambda potentials: activate(potentials.astype(np.int64), numbers)
    threshold = numbers.threshold.astype(np.float32)
    step = (numbers.steps / numbers.levels).astype(np.float32)
    top = np.float32(numbers.levels - 1)

    def levels(potentials: Array) -> Array:
        potentials -= threshold
        potentials /= step
        np.ceil(potentials, out=potentials)
        np.clip(potentials, np.float32(0), top, out=potentials)
        return potentials.astype(np.uint8)

    return levels


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
    clips = numbers.bound > POTENTIAL_MAX
    finish = finisher(op, numbers, min(numbers.bound, -POTENTIAL_MIN))

    def kernel(x: Array) -> Array:
        sums = x.reshape(len(x), -1).astype(kind) @ matrix
        return finish(clip20(sums) if clips else sums).reshape(len(x), 1, 1, -1)

    return kernel


@mapped(akida.InputConvolutional, akida.Convolutional)
def _convolutional(op: akida.InputConvolutional | akida.Convolutional, module: Module) -> Kernel:
    numbers = layer_numbers(op, module)
    kind = exact_float(numbers.bound)
    weights = module.array(op.weights)
    size = (weights.shape[1], weights.shape[2])
    matrix = np.ascontiguousarray(weights.reshape(len(weights), -1).T.astype(kind))
    outside, end = getattr(op, "padding_value", 0), pool_and_finish(op, numbers)

    def kernel(x: Array) -> Array:
        rows, shape = flat_windows(pad_input(op, x.astype(kind), size, outside), size, op.stride)
        return end((rows @ matrix).reshape(*shape, -1))

    return in_chunks(kernel, unrolled_bytes(op, module, size, kind.itemsize))


@mapped(akida.SeparableConvolutional)
def _separable(op: akida.SeparableConvolutional, module: Module) -> Kernel:
    numbers = layer_numbers(op, module)
    kind = exact_float(numbers.bound)
    depthwise, pointwise = module.array(op.weights).astype(kind), module.array(op.pointwise)
    size = (depthwise.shape[1], depthwise.shape[2])
    matrix = np.ascontiguousarray(pointwise.T.astype(kind))
    kernels = np.ascontiguousarray(np.moveaxis(depthwise, 0, 2))
    end = pool_and_finish(op, numbers)

    def kernel(x: Array) -> Array:
        view = windows(pad_input(op, x.astype(kind), size), size, op.stride)
        sums = np.zeros((*view.shape[:3], view.shape[5]), kind)
        product = np.empty_like(sums)
        for u, v in np.ndindex(*size):
            sums += np.multiply(view[:, :, :, u, v], kernels[u, v], out=product)
        return end(sums @ matrix)

    return in_chunks(kernel, unrolled_bytes(op, module, (1, 1), 4 * kind.itemsize))


# -- pooling ---------------------------------------------------------------------------------------


def pools(op: akida._Spatial) -> bool:
    """Whether the layer pools at all; a 1x1 maximum is none, and does not cut to 20 bits either."""
    return op.pool == "average" or (op.pool == "max" and tuple(op.pool_size) != (1, 1))


def pooled_bound(op: akida._Spatial, bound: int) -> int:
    """The largest potential behind the pool, from the largest in front of it."""
    if not pools(op):
        return bound
    return min(bound, -POTENTIAL_MIN) if op.pool == "max" else -POTENTIAL_MIN


def pool_and_finish(op: akida._Spatial, numbers: LayerNumbers) -> Finisher:
    """From potentials [n, d0, d1, filters], whole numbers in a float array, to the layer's result."""
    finish = finisher(op, numbers, pooled_bound(op, numbers.bound))
    if not pools(op):
        return finish
    pool = _max_pool if op.pool == "max" else sum_pool
    return lambda potentials: finish(pool(op, potentials))


def _max_pool(op: akida._Spatial, potentials: Array) -> Array:
    sizes = (potentials.shape[1], potentials.shape[2])
    before, after = spatial_padding(op, sizes, op.pool_size, op.pool_stride)
    view = windows(padded(potentials, before, after, -np.inf), op.pool_size, op.pool_stride)
    largest: Array = view[:, :, :, 0, 0].copy()
    for u, v in np.ndindex(*op.pool_size):
        np.maximum(largest, view[:, :, :, u, v], out=largest)
    return clip20(largest)


def sum_pool(op: akida._Spatial, potentials: Array) -> Array:
    """Global sum over d0 and d1 (d1 runs fastest) that saturates at 20 bits after every cell."""
    n, _, _, filters = potentials.shape
    cells = potentials.reshape(n, -1, filters)
    largest: float = np.abs(cells).sum(axis=1).max(initial=0)
    total: Array = np.zeros((n, filters), potentials.dtype)
    if largest <= POTENTIAL_MAX:
        return cells.sum(axis=1, out=total).reshape(n, 1, 1, filters)
    for cell in range(cells.shape[1]):
        total = clip20(total + cells[:, cell])
    return total.reshape(n, 1, 1, filters)


def run_layer(op: akida.Layer, x: Array, module: Module) -> Array:
    """One akida layer on levels [batch, d0, d1, channels]: levels (uint8), or int32 potentials without activation."""
    return evaluate_op(op, [x], module)
