# SPDX-License-Identifier: Apache-2.0
"""Ranges without samples behind the layers that only the host computes: one rule a kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from akc.ir.module import Module, Op
from akc.ir.ops import nn, nn_host, nn_norms, nn_recurrent
from akc.passes.shared.numbers.moments import SPREAD, Floats, Moments, spread_over, through_function
from akc.sim.registry import evaluate_op

Rule = Callable[[Any, tuple[Moments, ...], Module], Moments]


def through_host(op: Op, operands: tuple[Moments, ...], module: Module) -> Moments | None:
    """Moments behind an operation; None for those that have no rule here."""
    rule = next((RULES[kind] for kind in type(op).__mro__ if kind in RULES), None)
    return None if rule is None else rule(op, operands, module)


def _sized(op: Op, operands: tuple[Moments, ...]) -> list[Moments]:
    """Operands with as many channels as the result has."""
    size = op.type.shape[-1] if op.type.shape else 1
    return [x if len(x.mean) == size else spread_over(x, size) for x in operands]


def _sum(op: nn_host.Add | nn_host.Sub, operands: tuple[Moments, ...], module: Module) -> Moments:
    """Both sides are taken to be independent."""
    x, y = _sized(op, operands)
    sign = -1.0 if isinstance(op, nn_host.Sub) else 1.0
    low, high = sorted((sign * y.low, sign * y.high))
    return Moments(x.mean + sign * y.mean, x.variance + y.variance, x.low + low, x.high + high)


def _product(op: nn_host.Mul, operands: tuple[Moments, ...], module: Module) -> Moments:
    x, y = _sized(op, operands)
    variance = x.mean**2 * y.variance + y.mean**2 * x.variance + x.variance * y.variance
    ends = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
    return Moments(x.mean * y.mean, variance, min(ends), max(ends))


def _quotient(op: nn_host.Div, operands: tuple[Moments, ...], module: Module) -> Moments:
    x, y = _sized(op, operands)
    size = np.maximum(np.abs(y.mean), 1e-3)
    mean, deviation = x.mean / size, np.sqrt(x.variance) / size
    return Moments(mean, deviation**2, *_reach(mean, deviation))


def _extreme(op: nn_host.Maximum | nn_host.Minimum, operands: tuple[Moments, ...], module: Module) -> Moments:
    """Every value of one side meets every value of the other."""
    x, y = _sized(op, operands)
    choose = np.maximum if isinstance(op, nn_host.Maximum) else np.minimum
    pairs = choose(x.drawn[:, None], y.drawn[None]).reshape(-1, len(x.mean))
    return Moments(pairs.mean(axis=0), pairs.var(axis=0), float(choose(x.low, y.low)), float(choose(x.high, y.high)))


def _concat(op: nn_host.Concat, operands: tuple[Moments, ...], module: Module) -> Moments:
    low, high = min(x.low for x in operands), max(x.high for x in operands)
    if op.axis in (-1, len(op.type.shape) - 1):
        means, variances = ([getattr(x, key) for x in operands] for key in ("mean", "variance"))
        return Moments(np.concatenate(means), np.concatenate(variances), low, high)
    parts = _sized(op, operands)
    mean = np.mean([x.mean for x in parts], axis=0)
    return Moments(mean, np.mean([x.variance + (x.mean - mean) ** 2 for x in parts], axis=0), low, high)


def _matmul(op: nn_host.MatMul, operands: tuple[Moments, ...], module: Module) -> Moments:
    x, y = operands
    terms = module.net.types[op.x].shape[-1]
    y = y if len(y.mean) == op.type.shape[-1] else spread_over(y, op.type.shape[-1])
    mean = terms * x.mean.mean() * y.mean
    square = float(np.mean(x.variance + x.mean**2))
    deviation = np.sqrt(terms * square * (y.variance + y.mean**2))
    return Moments(mean, deviation**2, *_reach(mean, deviation))


def _reach(mean: Floats, deviation: Floats) -> tuple[float, float]:
    return float((mean - 2 * SPREAD * deviation).min()), float((mean + 2 * SPREAD * deviation).max())


def _function(op: Op, operands: tuple[Moments, ...], module: Module) -> Moments:
    (x,) = _sized(op, operands)
    return through_function(x, lambda values: evaluate_op(op, [values.astype(np.float32)], module))


def _softmax(op: nn.Softmax, operands: tuple[Moments, ...], module: Module) -> Moments:
    (x,) = _sized(op, operands)
    share = 1 / max(op.type.shape[op.axis], 1)
    return Moments(np.full_like(x.mean, share), np.full_like(x.mean, share), 0.0, 1.0)


def _norm(op: nn_norms.Norm, operands: tuple[Moments, ...], module: Module) -> Moments:
    """Mean `shift`, deviation `scale`."""
    (x,) = _sized(op, operands)
    size = len(x.mean)
    scale, shift = (
        np.full(size, number) if name is None else module.array(name).astype(np.float64).reshape(-1, size).mean(axis=0)
        for name, number in ((op.scale, 1.0), (op.shift, 0.0))
    )
    return Moments(shift, scale**2, *_reach(shift, np.abs(scale)))


def _conv_transpose(op: nn_host.ConvTranspose, operands: tuple[Moments, ...], module: Module) -> Moments:
    """Each cell gets its share of the kernels: all taps over the cells that a kernel is apart from the next."""
    (x,) = operands
    weight = module.array(op.weight).astype(np.float64)
    bias = np.zeros(len(weight)) if op.bias is None else module.array(op.bias).astype(np.float64)
    filters, channels = len(weight), weight.shape[3]
    first = np.arange(filters) // (filters // op.groups) * channels
    columns = first[:, None] + np.arange(channels)
    cells = prod(op.stride)
    sums, squares = weight.sum(axis=(1, 2)) / cells, (weight**2).sum(axis=(1, 2)) / cells
    mean = (sums * x.mean[columns]).sum(axis=1) + bias
    deviation = np.sqrt((squares * x.variance[columns]).sum(axis=1) + sums.var() * float(np.mean(x.mean**2)))
    return Moments(mean, deviation**2, *_reach(mean, deviation))


def _constant(op: nn_host.Constant, operands: tuple[Moments, ...], module: Module) -> Moments:
    """The stored numbers themselves."""
    flat = module.array(op.value).astype(np.float64).reshape(-1, op.type.shape[-1] if op.type.shape else 1)
    return Moments(flat.mean(axis=0), flat.var(axis=0), float(flat.min()), float(flat.max()))


def _reduced(op: nn_host.Reduce, operands: tuple[Moments, ...], module: Module) -> Moments:
    """What the reduction makes of random values that have these moments."""
    (x,) = operands
    shape = module.net.types[op.x].shape
    last = shape[-1] if shape else 1
    x = x if len(x.mean) == last else spread_over(x, last)
    drawn = x.mean + np.random.default_rng(0).normal(size=(SERIES, *shape)) * np.sqrt(x.variance)
    made = evaluate_op(op, [np.clip(drawn, x.low, x.high).astype(np.float32)], module)
    flat = made.reshape(SERIES, -1).astype(np.float64)
    low, high = float(flat.min()), float(flat.max())
    if op.type.shape[-1:] == (flat.shape[1],):
        return Moments(flat.mean(axis=0), flat.var(axis=0), low, high)
    return spread_over(
        Moments(flat.mean(axis=0), flat.var(axis=0), low, high), op.type.shape[-1] if op.type.shape else 1
    )


def _slice(op: nn_host.Slice, operands: tuple[Moments, ...], module: Module) -> Moments:
    (x,) = operands
    step = op.step[-1] if op.step else 1
    if len(x.mean) != module.net.types[op.x].shape[-1]:
        return _sized(op, operands)[0]
    part = slice(op.start[-1], op.stop[-1], step)
    return Moments(x.mean[part], x.variance[part], x.low, x.high)


def _recurrent(op: nn_recurrent.Recurrent, operands: tuple[Moments, ...], module: Module) -> Moments:
    """What the layer makes of random series that have these moments."""
    (x,) = operands
    shape = module.net.types[op.x].shape
    drawn = x.mean + np.random.default_rng(0).normal(size=(SERIES, *shape)) * np.sqrt(x.variance)
    made = evaluate_op(op, [np.clip(drawn, x.low, x.high).astype(np.float32)], module)
    flat = made.reshape(-1, made.shape[-1]).astype(np.float64)
    return Moments(flat.mean(axis=0), flat.var(axis=0), float(flat.min()), float(flat.max()))


SERIES = 64
"""How many random series a recurrent layer is tried with."""


RULES: dict[type[Op], Rule] = {
    nn_recurrent.Recurrent: _recurrent,
    nn_host.Add: _sum,
    nn_host.Sub: _sum,
    nn_host.Mul: _product,
    nn_host.Div: _quotient,
    nn_host.Maximum: _extreme,
    nn_host.Minimum: _extreme,
    nn_host.Concat: _concat,
    nn_host.MatMul: _matmul,
    nn_host.Apply: _function,
    nn_host.Constant: _constant,
    nn_host.Reduce: _reduced,
    nn_host.LeakyRelu: _function,
    nn_norms.LocalResponseNorm: _function,
    nn.Sigmoid: _function,
    nn.Softmax: _softmax,
    nn_norms.Norm: _norm,
    nn_host.ConvTranspose: _conv_transpose,
    nn_host.Slice: _slice,
}
