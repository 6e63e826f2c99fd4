# SPDX-License-Identifier: Apache-2.0
"""The float layers in numpy: the reference that quantised networks are compared with.

Results are float32, or float64 where the inputs are (akc.sim.run.Runner with doubles).
"""

from __future__ import annotations

from math import floor, prod
from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.fields import WeightName
from akc.ir.functions import sigmoid
from akc.ir.module import Module
from akc.ir.ops import nn
from akc.sim.exact import MOST_TAPS, cellwise, product
from akc.sim.registry import Array, Kernel, evaluate_op, mapped, precision
from akc.sim.windows import flat_windows, in_chunks, padded, windows

__all__ = ["evaluate_op"]


def array_of(module: Module, name: str) -> Array:
    """A weight's numbers."""
    return module.array(name)


def number_or_vector(module: Module, value: float | WeightName) -> Array:
    """An attribute that is one number or the name of a vector, as float32."""
    return np.asarray(module.array(value) if isinstance(value, WeightName) else value, np.float32)


def bias_of(module: Module, name: str | None, length: int) -> Array:
    """A bias vector; zeros where it is absent."""
    return np.zeros(length, np.float32) if name is None else module.array(name)


@mapped(nn.Dense)
def _dense(op: nn.Dense, module: Module) -> Kernel:
    weight = module.array(op.weight).T
    bias, multiply = bias_of(module, op.bias, weight.shape[1]), product(weight)
    return lambda x: (multiply(x.reshape(-1, x.shape[-1])) + bias).reshape(*x.shape[:-1], -1)


@mapped(nn.Conv)
def _conv(op: nn.Conv, module: Module) -> Kernel:
    weight = module.array(op.weight)
    filters, size = weight.shape[0], weight.shape[1:3]
    bias = bias_of(module, op.bias, filters)
    bytes_per_sample = 4 * prod(op.type.shape[:2]) * prod(weight.shape[1:]) * op.groups
    if filters == op.groups and weight.shape[3] == 1 and prod(size) <= MOST_TAPS:
        return in_chunks(_depthwise(op, weight, bias), bytes_per_sample)
    products = [product(part.reshape(len(part), -1).T) for part in np.split(weight, op.groups)]

    def kernel(x: Array) -> Array:
        x = padded(x, op.pad[:2], op.pad[2:], 0.0)
        results = []
        for part, multiply in zip(np.split(x, op.groups, axis=3), products):
            rows, shape = flat_windows(part, size, op.stride, op.dilation)
            results.append(multiply(rows, _largest(op, part, size)).reshape(*shape, -1))
        return np.concatenate(results, axis=3) + bias

    return in_chunks(kernel, bytes_per_sample)


def _largest(op: nn.Conv, x: Array, size: tuple[int, ...]) -> Array:
    """The largest magnitude in each window, as a column."""
    cells = np.abs(x).max(axis=3, keepdims=True, initial=0.0)
    view = windows(cells, size, op.stride, op.dilation)
    return np.asarray(view.max(axis=(3, 4)) if prod(size) > 1 else view).reshape(-1, 1)


def _depthwise(op: nn.Conv, weight: Array, bias: Array) -> Kernel:
    """One filter for each channel: all channels at a time, tap by tap."""
    size = weight.shape[1:3]
    add_up = cellwise(np.ascontiguousarray(weight.reshape(len(weight), -1).T))

    def kernel(x: Array) -> Array:
        view = windows(padded(x, op.pad[:2], op.pad[2:], 0.0), size, op.stride, op.dilation)
        return add_up([view[:, :, :, i, j] for i in range(size[0]) for j in range(size[1])]) + bias

    return kernel


def _pool_windows(op: nn.MaxPool | nn.AveragePool, x: Array, value: float) -> Array:
    """Windows of the padded input; with ceil_mode the last ones stick out over cells that hold `value`."""
    need = [(op.type.shape[a] - 1) * op.stride[a] + op.size[a] for a in (0, 1)]
    after = tuple(max(need[a] - x.shape[1 + a] - op.pad[a], op.pad[2 + a]) for a in (0, 1))
    view = windows(padded(x, op.pad[:2], after, value), op.size, op.stride)
    return view[:, : op.type.shape[0], : op.type.shape[1]]


@mapped(nn.MaxPool)
def _max_pool(op: nn.MaxPool, module: Module) -> Kernel:
    def kernel(x: Array) -> Array:
        largest: Array = _pool_windows(op, x, -np.inf).max(axis=(3, 4))
        return largest

    return kernel


@mapped(nn.AveragePool)
def _average_pool(op: nn.AveragePool, module: Module) -> Kernel:
    """Cells count that lie in the input or, with count_include_pad, in its padding; never those beyond."""

    def kernel(x: Array) -> Array:
        inside = np.ones((1, *x.shape[1:3], 1), np.float32)
        if op.count_include_pad:
            whole = padded(inside, op.pad[:2], op.pad[2:], 1.0)
            cells = _pool_windows(evolve(op, pad=(0, 0, 0, 0)), whole, 0.0)
        else:
            cells = _pool_windows(op, inside, 0.0)
        counts: Array = cells.sum(axis=(3, 4))
        sums: Array = _pool_windows(op, x, 0.0).sum(axis=(3, 4), dtype=precision(x))
        return sums / counts

    return kernel


@mapped(nn.Mean)
def _mean(op: nn.Mean, module: Module) -> Kernel:
    axes = tuple(a + 1 for a in op.axes)
    return lambda x: np.asarray(x.mean(axis=axes, dtype=precision(x)))


@mapped(nn.BatchNorm)
def _batch_norm(op: nn.BatchNorm, module: Module) -> Kernel:
    scale, shift, mean, variance = (array_of(module, n) for n in (op.scale, op.shift, op.mean, op.variance))
    factor = scale / np.sqrt(variance + np.float32(op.epsilon))
    return lambda x: (x - mean) * factor + shift


@mapped(nn.Affine)
def _affine(op: nn.Affine, module: Module) -> Kernel:
    scale, shift = number_or_vector(module, op.scale), number_or_vector(module, op.shift)
    return lambda x: x * scale + shift


@mapped(nn.Relu)
def _relu(op: nn.Relu, module: Module) -> Kernel:
    return lambda x: np.maximum(x, np.float32(0))


@mapped(nn.Clip)
def _clip(op: nn.Clip, module: Module) -> Kernel:
    low, high = np.float32(op.low), np.float32(op.high)
    return lambda x: np.minimum(np.maximum(x, low), high)


@mapped(nn.Levels)
def _levels(op: nn.Levels, module: Module) -> Kernel:
    """As the runtimes do it: divide, round, add the zero point, clip, and back, all in the precision of x."""
    base = floor(op.zero)
    word = OTHER.get(op.rounding, op.rounding) if base % 2 else op.rounding

    def kernel(x: Array) -> Array:
        number: Any = np.dtype(precision(x)).type
        scale = number(op.scale)
        level = rounded(x / scale + number(op.zero - base), word) + number(base)
        return np.asarray((np.clip(level, number(0), number(op.top)) - number(op.zero)) * scale, number)

    return kernel


OTHER = {"even": "odd", "odd": "even"}
"""What a level less an odd number is rounded to."""


def rounded(x: Array, rounding: str) -> Array:
    """Whole numbers near x by a word of nn.levels."""
    if rounding == "even":
        return np.rint(x)
    if rounding == "odd":
        return np.asarray(np.rint(x - 1) + 1)
    if rounding == "upper":
        return np.floor(x + 0.5)
    if rounding == "lower":
        return np.ceil(x - 0.5)
    return np.floor(x) if rounding == "down" else np.ceil(x)


@mapped(nn.Sigmoid)
def _sigmoid(op: nn.Sigmoid, module: Module) -> Kernel:
    return sigmoid


def _batch_axis(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


@mapped(nn.Softmax)
def _softmax(op: nn.Softmax, module: Module) -> Kernel:
    axis = _batch_axis(op.axis)

    def kernel(x: Array) -> Array:
        powers: Array = np.exp(x - x.max(axis=axis, keepdims=True))
        sums: Array = powers.sum(axis=axis, keepdims=True)
        return powers / sums

    return kernel


@mapped(nn.LogSoftmax)
def _log_softmax(op: nn.LogSoftmax, module: Module) -> Kernel:
    axis = _batch_axis(op.axis)

    def kernel(x: Array) -> Array:
        shifted: Array = x - x.max(axis=axis, keepdims=True)
        sums: Array = np.exp(shifted).sum(axis=axis, keepdims=True)
        return shifted - np.log(sums)

    return kernel


@mapped(nn.Argmax)
def _argmax(op: nn.Argmax, module: Module) -> Kernel:
    axis = _batch_axis(op.axis)
    return lambda x: np.asarray(x.argmax(axis=axis, keepdims=op.keep_axis), np.int64)


@mapped(nn.Cast)
def _cast(op: nn.Cast, module: Module) -> Kernel:
    return lambda x: x.astype(precision(x))


@mapped(nn.Reshape)
def _reshape(op: nn.Reshape, module: Module) -> Kernel:
    return lambda x: x.reshape(len(x), *op.shape)


@mapped(nn.Permute)
def _permute(op: nn.Permute, module: Module) -> Kernel:
    order = (0, *(axis + 1 for axis in op.order))
    return lambda x: np.ascontiguousarray(x.transpose(order))


@mapped(nn.Flip)
def _flip(op: nn.Flip, module: Module) -> Kernel:
    axes = tuple(axis + 1 for axis in op.axes)
    return lambda x: np.ascontiguousarray(np.flip(x, axes))


@mapped(nn.Repeat)
def _repeat(op: nn.Repeat, module: Module) -> Kernel:
    return lambda x: np.repeat(x, op.count, axis=op.axis + 1)


@mapped(nn.Pad)
def _pad(op: nn.Pad, module: Module) -> Kernel:
    return lambda x: padded(x, op.pad[:2], op.pad[2:], op.value)
