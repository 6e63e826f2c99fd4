# SPDX-License-Identifier: Apache-2.0
"""Rules for running spiking neurons, and the host's operations on the time axis."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from akc.ir.module import Module
from akc.ir.ops import host, snn
from akc.sim.neurons import Prepared
from akc.sim.registry import Array, Kernel, delayed, mapped, precision, stateful, whole


@stateful(snn.Neuron)
def _neuron(op: snn.Neuron, module: Module) -> Prepared:
    return Prepared(op, module)


@whole(host.Repeat)
def _repeat(op: host.Repeat, module: Module) -> Kernel:
    return lambda x: np.repeat(x[:, None], op.steps, axis=1)


@whole(host.Sum)
def _sum(op: host.Sum, module: Module) -> Kernel:
    if op.weights is None:
        return lambda x: np.asarray(x.sum(axis=1, dtype=np.float64 if x.dtype == np.float32 else x.dtype), x.dtype)
    weights: Array = module.array(op.weights)
    return lambda x: np.einsum("t,bt...->b...", weights, x).astype(x.dtype)


@whole(host.Mean)
def _mean(op: host.Mean, module: Module) -> Kernel:
    return lambda x: np.asarray(x.mean(axis=1, dtype=np.float64), precision(x))


@whole(host.Max)
def _max(op: host.Max, module: Module) -> Kernel:
    return lambda x: x.max(axis=1)


@whole(host.Last)
def _last(op: host.Last, module: Module) -> Kernel:
    return lambda x: x[:, -1]


def window_sums(x: Array, count: int) -> Array:
    """[batch, T, ...] to sums over `count` windows [batch, count, ...]; window k ends before (k + 1) T // count."""
    ends = [k * x.shape[1] // count for k in range(count + 1)]
    return np.stack([x[:, a:b].sum(axis=1, dtype=x.dtype) for a, b in pairwise(ends)], axis=1)


@whole(host.Window)
def _window(op: host.Window, module: Module) -> Kernel:
    return lambda x: window_sums(x, op.count)


@whole(host.Frames)
def _frames(op: host.Frames, module: Module) -> Kernel:
    return lambda x: x


@delayed(host.Previous)
def _previous(op: host.Previous, module: Module, batch: int) -> Array:
    return np.zeros((batch, *op.type.shape), op.type.element.numpy)


@mapped(host.Add)
def _add(op: host.Add, module: Module) -> Kernel:
    return lambda x, y: x + y


@mapped(host.Tanh)
def _tanh(op: host.Tanh, module: Module) -> Kernel:
    return lambda x: np.tanh(x)


@mapped(snn.Levels)
def _levels(op: snn.Levels, module: Module) -> Kernel:
    half, high = np.float32(0.5), np.float32(op.high)
    return lambda x: np.clip(np.ceil(x - half), np.float32(0), high)
