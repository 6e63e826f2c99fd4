# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN in numpy, with PyTorch's equations, gate orders and zero initial state.

The LSTM layers that spike (snn.SLSTM, snn.SConv2dLSTM) have the equations of snnTorch 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import frozen

from akc.ir.functions import sigmoid
from akc.ir.module import Module
from akc.ir.ops import nn_recurrent, snn_gated
from akc.sim.exact import product
from akc.sim.floats import bias_of, number_or_vector
from akc.sim.registry import Array, Kernel, mapped, precision, stateful
from akc.sim.windows import flat_windows, padded, windows

Recurrent = nn_recurrent.Lstm | nn_recurrent.Gru | nn_recurrent.Rnn


@frozen
class _Weights:
    """times_hh: hidden states [n, hidden] times the transposed w_hh."""

    times_hh: Callable[[Array], Array]
    b_hh: Array
    hidden: int


Step = Callable[[Array, tuple[Array, ...], _Weights], tuple[Array, ...]]
"""(input part of the gates at one step, state, weights) -> state; state[0] is the hidden state."""


def _scan(op: Recurrent, module: Module, step: Step, states: int) -> Kernel:
    """Apply `step` along axis 1 of [n, time, features]."""
    w_ih, w_hh = module.array(op.w_ih), module.array(op.w_hh)
    b_ih = bias_of(module, op.b_ih, len(w_ih))
    weights = _Weights(product(w_hh.T), bias_of(module, op.b_hh, len(w_hh)), w_hh.shape[1])

    times_ih = product(w_ih.T)

    def kernel(x: Array) -> Array:
        gates = times_ih(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:2], -1) + b_ih
        state = tuple(np.zeros((len(x), weights.hidden), np.float32) for _ in range(states))
        outputs = []
        for t in range(x.shape[1]):
            state = step(gates[:, t], state, weights)
            outputs.append(state[0])
        return outputs[-1] if op.output == "last" else np.stack(outputs, axis=1)

    return kernel


def _lstm_step(gates: Array, state: tuple[Array, ...], weights: _Weights) -> tuple[Array, ...]:
    hidden, cell = state
    i, f, g, o = np.split(gates + weights.times_hh(hidden) + weights.b_hh, 4, axis=1)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def _gru_step(gates: Array, state: tuple[Array, ...], weights: _Weights) -> tuple[Array, ...]:
    (hidden,) = state
    r_x, z_x, n_x = np.split(gates, 3, axis=1)
    r_h, z_h, n_h = np.split(weights.times_hh(hidden) + weights.b_hh, 3, axis=1)
    update = sigmoid(z_x + z_h)
    new = np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
    return ((1 - update) * new + update * hidden,)


@mapped(nn_recurrent.Lstm)
def _lstm(op: nn_recurrent.Lstm, module: Module) -> Kernel:
    return _scan(op, module, _lstm_step, states=2)


@mapped(nn_recurrent.Gru)
def _gru(op: nn_recurrent.Gru, module: Module) -> Kernel:
    return _scan(op, module, _gru_step, states=1)


@mapped(nn_recurrent.Rnn)
def _rnn(op: nn_recurrent.Rnn, module: Module) -> Kernel:
    def step(gates: Array, state: tuple[Array, ...], weights: _Weights) -> tuple[Array, ...]:
        total = gates + weights.times_hh(state[0]) + weights.b_hh
        return (np.tanh(total) if op.nonlinearity == "tanh" else np.maximum(total, np.float32(0)),)

    return _scan(op, module, step, states=1)


# -- LSTM layers that spike ----------------------------------------------------------------------

Gates = Callable[[Array, Array, Array], tuple[Array, Array]]
"""(input of a step, hidden state, cell state) -> new hidden and cell state."""

Read = Callable[[Array], Array]


@frozen(eq=False)
class SpikingLstm:
    """A spiking LSTM layer, step by step: hidden and cell state [batch, *shape]; `read` pools before it fires."""

    op: snn_gated.Gated
    threshold: Array
    shape: tuple[int, ...]
    gates: Gates
    read: Read = lambda hidden: hidden
    forgets: bool = False

    def start(self, batch: int) -> tuple[Array, Array]:
        """Zeros."""
        return np.zeros((batch, *self.shape), np.float32), np.zeros((batch, *self.shape), np.float32)

    def step(self, state: tuple[Array, Array], x: Array) -> tuple[Array, tuple[Array, Array]]:
        """Spikes (or hidden states) of one step, and the state after it."""
        before, cell = self.start(len(x)) if self.forgets else state
        fired = (before - self.threshold > 0).astype(np.float32)
        hidden, cell = self.gates(x, before, cell)
        amount: Array = {"subtract": self.threshold, "zero": hidden, "none": np.zeros(1, np.float32)}[self.op.reset]
        hidden = hidden - fired * amount
        spikes = (self.read(hidden) - self.threshold > 0).astype(np.float32)
        return (hidden if self.op.output == "membrane" else spikes), (hidden, cell)


@stateful(snn_gated.Lstm)
def _spiking_lstm(op: snn_gated.Lstm, module: Module) -> SpikingLstm:
    w_ih, w_hh = module.array(op.w_ih), module.array(op.w_hh)
    b_ih, b_hh = bias_of(module, op.b_ih, len(w_ih)), bias_of(module, op.b_hh, len(w_hh))
    times_ih, recurrent = product(w_ih.T), _Weights(product(w_hh.T), b_hh, w_hh.shape[1])

    def gates(x: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
        hidden, cell = _lstm_step(times_ih(x) + b_ih, (hidden, cell), recurrent)
        return hidden, cell

    shape = (recurrent.hidden,)
    return SpikingLstm(op, number_or_vector(module, op.threshold), shape, gates, forgets=op.forgets)


@stateful(snn_gated.ConvLstm)
def _spiking_conv_lstm(op: snn_gated.ConvLstm, module: Module) -> SpikingLstm:
    weight = module.array(op.weight)
    pad, bias = (weight.shape[1] // 2, weight.shape[2] // 2), bias_of(module, op.bias, len(weight))
    multiply = product(weight.reshape(len(weight), -1).T)

    def gates(x: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
        rows, shape = flat_windows(
            padded(np.concatenate([x, hidden], axis=3), pad, pad, 0.0), weight.shape[1:3], (1, 1)
        )
        i, f, o, g = np.split((multiply(rows) + bias).reshape(*shape, -1), 4, axis=3)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(cell), cell

    shape = (*module.net.types[op.x].shape[:2], len(weight) // 4)
    return SpikingLstm(op, number_or_vector(module, op.threshold), shape, gates, _pooling(op))


def _pooling(op: snn_gated.ConvLstm) -> Read:
    if op.pool == "none":
        return lambda hidden: hidden
    reduce = np.max if op.pool == "max" else np.mean
    return lambda hidden: np.asarray(reduce(windows(hidden, op.size, op.size), axis=(3, 4)), precision(hidden))
