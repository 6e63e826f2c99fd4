# SPDX-License-Identifier: Apache-2.0
"""The float layers that only the host computes (akc.ir.ops.nn_host), in numpy, in the precision of their inputs."""

from __future__ import annotations

from math import prod

import numpy as np

from akc.ir.functions import FUNCTIONS, JOINS, REDUCTIONS
from akc.ir.module import Module
from akc.ir.ops import nn_host, nn_norms
from akc.sim.exact import product
from akc.sim.floats import bias_of, number_or_vector
from akc.sim.registry import Array, Kernel, mapped, precision
from akc.sim.windows import flat_windows, in_chunks

# -- joins -------------------------------------------------------------------------------------------


@mapped(nn_host._Join)
def _join(op: nn_host._Join, module: Module) -> Kernel:
    function, rank = JOINS[op.mnemonic.removeprefix("nn.")].kernel, len(op.type.shape)

    def kernel(x: Array, y: Array) -> Array:
        x, y = (a.reshape(len(a), *(1,) * (rank + 1 - a.ndim), *a.shape[1:]) for a in (x, y))
        return function(x, y)

    return kernel


@mapped(nn_host.Concat)
def _concat(op: nn_host.Concat, module: Module) -> Kernel:
    axis = op.axis + 1 if op.axis >= 0 else op.axis
    return lambda *parts: np.concatenate(parts, axis=axis)


@mapped(nn_host.Constant)
def _constant(op: nn_host.Constant, module: Module) -> Kernel:
    stored = module.array(op.value)
    return lambda x: np.broadcast_to(stored, (len(x), *stored.shape))


@mapped(nn_host.MatMul)
def _matmul(op: nn_host.MatMul, module: Module) -> Kernel:
    rank = len(op.type.shape)

    def kernel(x: Array, y: Array) -> Array:
        x, y = (a.reshape(len(a), *(1,) * (rank + 1 - a.ndim), *a.shape[1:]) for a in (x, y))
        return np.asarray(x @ y)

    return kernel


# -- functions of one value --------------------------------------------------------------------------


@mapped(nn_host.Apply)
def _apply(op: nn_host.Apply, module: Module) -> Kernel:
    function = FUNCTIONS[op.function].kernel
    return lambda x: np.asarray(function(x, op.alpha), precision(x))


@mapped(nn_host.Reduce)
def _reduce(op: nn_host.Reduce, module: Module) -> Kernel:
    function, axes = REDUCTIONS[op.function].kernel, tuple(a + 1 for a in op.axes)
    return lambda x: np.asarray(function(x, axes), precision(x))


@mapped(nn_host.LeakyRelu)
def _leaky_relu(op: nn_host.LeakyRelu, module: Module) -> Kernel:
    slope = number_or_vector(module, op.slope)
    return lambda x: np.where(x > 0, x, x * slope)


# -- normalisation at run time -----------------------------------------------------------------------


def _normalised(op: nn_norms.Norm, module: Module, axes: tuple[int, ...], centred: bool = True) -> Kernel:
    """The kernel for statistics over these axes of the arrays, the batch being axis 0."""
    scale = np.float32(1) if op.scale is None else module.array(op.scale)
    shift = np.float32(0) if op.shift is None else module.array(op.shift)

    def kernel(x: Array) -> Array:
        middle = x.mean(axis=axes, keepdims=True, dtype=np.float64) if centred else 0.0
        spread = np.square(x - middle).mean(axis=axes, keepdims=True)
        return np.asarray((x - middle) / np.sqrt(spread + op.epsilon) * scale + shift, precision(x))

    return kernel


@mapped(nn_norms.LayerNorm, nn_norms.RmsNorm)
def _layer_norm(op: nn_norms.LayerNorm | nn_norms.RmsNorm, module: Module) -> Kernel:
    return _normalised(op, module, tuple(range(-op.axes, 0)), isinstance(op, nn_norms.LayerNorm))


@mapped(nn_norms.InstanceNorm)
def _instance_norm(op: nn_norms.InstanceNorm, module: Module) -> Kernel:
    return _normalised(op, module, tuple(range(1, len(op.type.shape))))


@mapped(nn_norms.GroupNorm)
def _group_norm(op: nn_norms.GroupNorm, module: Module) -> Kernel:
    scale = np.float32(1) if op.scale is None else module.array(op.scale)
    shift = np.float32(0) if op.shift is None else module.array(op.shift)

    def kernel(x: Array) -> Array:
        groups = x.reshape(len(x), -1, op.groups, x.shape[-1] // op.groups).astype(np.float64)
        middle, spread = (f(axis=(1, 3), keepdims=True) for f in (groups.mean, groups.var))
        plain = ((groups - middle) / np.sqrt(spread + op.epsilon)).reshape(x.shape)
        return np.asarray(plain * scale + shift, precision(x))

    return kernel


@mapped(nn_norms.LocalResponseNorm)
def _local_response_norm(op: nn_norms.LocalResponseNorm, module: Module) -> Kernel:
    before, after = (op.size - 1) // 2, op.size // 2

    def kernel(x: Array) -> Array:
        around = [(0, 0)] * (x.ndim - 1) + [(before + 1, after)]
        sums = np.cumsum(np.pad(np.square(x.astype(np.float64)), around), axis=-1)
        near = sums[..., op.size :] - sums[..., : -op.size]
        return np.asarray(x / (op.bias + op.alpha / op.size * near) ** op.beta, precision(x))

    return kernel


# -- maps that grow or are cut -----------------------------------------------------------------------


@mapped(nn_host.ConvTranspose)
def _conv_transpose(op: nn_host.ConvTranspose, module: Module) -> Kernel:
    """A correlation of the kernels in the mirror with the map that has zeros between its cells."""
    weight = module.array(op.weight)[:, ::-1, ::-1]
    size = weight.shape[1:3]
    bias = bias_of(module, op.bias, len(weight))
    products = [product(part.reshape(len(part), -1).T) for part in np.split(weight, op.groups)]
    reach = [(size[a] - 1) * op.dilation[a] for a in (0, 1)]

    def spread(x: Array) -> Array:
        whole = [(x.shape[1 + a] - 1) * op.stride[a] + 1 for a in (0, 1)]
        wide = np.zeros(
            (len(x), *(whole[a] + 2 * reach[a] + max(0, -op.pad[2 + a]) for a in (0, 1)), x.shape[3]), x.dtype
        )
        rows, columns = (slice(reach[a], reach[a] + whole[a], op.stride[a]) for a in (0, 1))
        wide[:, rows, columns] = x
        return wide

    def kernel(x: Array) -> Array:
        results = []
        for part, multiply in zip(np.split(spread(x), op.groups, axis=3), products):
            rows, shape = flat_windows(part, size, (1, 1), op.dilation)
            results.append(multiply(rows).reshape(*shape, -1))
        whole = np.concatenate(results, axis=3) + bias
        b0, b1 = op.pad[:2]
        return whole[:, b0 : b0 + op.type.shape[0], b1 : b1 + op.type.shape[1]]

    return in_chunks(kernel, 4 * prod(op.type.shape[:2]) * prod(weight.shape[1:]) * op.groups)


@mapped(nn_host.Resize)
def _resize(op: nn_host.Resize, module: Module) -> Kernel:
    """One matrix an axis."""

    def kernel(x: Array) -> Array:
        rows, columns = (resize_matrix(x.shape[1 + a], op.size[a], op.mode, op.places, op.rounding) for a in (0, 1))
        return np.asarray(np.einsum("ri,nijc,sj->nrsc", rows, x, columns, optimize=True))

    return kernel


def resize_matrix(before: int, after: int, mode: str, places: str, rounding: str) -> Array:
    """[after, before]: how much each cell of an axis has of the cells before."""
    index = np.arange(after, dtype=np.float64)
    if places == "align_corners":
        place = index * ((before - 1) / max(after - 1, 1))
    else:
        shift = 0.5 if places == "half_pixel" else 0.0
        place = (index + shift) * (before / after) - shift
    if mode == "nearest":
        nearest = {"floor": np.floor(place), "round_down": np.ceil(place - 0.5), "round_up": np.floor(place + 0.5)}
        shares = [(nearest[rounding], np.ones(after))]
    else:
        place = np.clip(place, 0, before - 1)
        first = np.floor(place)
        shares = [(first, 1 - (place - first)), (first + 1, place - first)]
    matrix = np.zeros((after, before), np.float32)
    for cells, share in shares:
        np.add.at(matrix, (np.arange(after), np.clip(cells, 0, before - 1).astype(int)), share.astype(np.float32))
    return matrix


@mapped(nn_host.Slice)
def _slice(op: nn_host.Slice, module: Module) -> Kernel:
    steps = op.step or (1,) * len(op.start)
    part = (slice(None), *(slice(a, b, s) for a, b, s in zip(op.start, op.stop, steps)))
    return lambda x: np.ascontiguousarray(x[part])


@mapped(nn_host.Take)
def _take(op: nn_host.Take, module: Module) -> Kernel:
    return lambda x: np.take(x, op.index, axis=op.axis + 1)
