# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN in numpy, with PyTorch's equations, gate orders and zero initial state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.sim.floats import bias_of, sigmoid
from akc.sim.registry import Array, Kernel, mapped

Recurrent = nn.Lstm | nn.Gru | nn.Rnn


@frozen
class _Weights:
    w_hh: Array
    b_hh: Array
    hidden: int


Step = Callable[[Array, tuple[Array, ...], _Weights], tuple[Array, ...]]
"""(input part of the gates at one step, state, weights) -> state; state[0] is the hidden state."""


def _scan(op: Recurrent, module: Module, step: Step, states: int) -> Kernel:
    """Apply `step` along axis 1 of [n, time, features]."""
    w_ih, w_hh = module.array(op.w_ih), module.array(op.w_hh)
    b_ih = bias_of(module, op.b_ih, len(w_ih))
    weights = _Weights(np.ascontiguousarray(w_hh.T), bias_of(module, op.b_hh, len(w_hh)), w_hh.shape[1])

    def kernel(x: Array) -> Array:
        gates = x @ w_ih.T + b_ih
        state = tuple(np.zeros((len(x), weights.hidden), np.float32) for _ in range(states))
        outputs = []
        for t in range(x.shape[1]):
            state = step(gates[:, t], state, weights)
            outputs.append(state[0])
        return outputs[-1] if op.output == "last" else np.stack(outputs, axis=1)

    return kernel


def _lstm_step(gates: Array, state: tuple[Array, ...], weights: _Weights) -> tuple[Array, ...]:
    hidden, cell = state
    i, f, g, o = np.split(gates + hidden @ weights.w_hh + weights.b_hh, 4, axis=1)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def _gru_step(gates: Array, state: tuple[Array, ...], weights: _Weights) -> tuple[Array, ...]:
    (hidden,) = state
    r_x, z_x, n_x = np.split(gates, 3, axis=1)
    r_h, z_h, n_h = np.split(hidden @ weights.w_hh + weights.b_hh, 3, axis=1)
    update = sigmoid(z_x + z_h)
    new = np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
    return ((1 - update) * new + update * hidden,)


@mapped(nn.Lstm)
def _lstm(op: nn.Lstm, module: Module) -> Kernel:
    return _scan(op, module, _lstm_step, states=2)


@mapped(nn.Gru)
def _gru(op: nn.Gru, module: Module) -> Kernel:
    return _scan(op, module, _gru_step, states=1)


@mapped(nn.Rnn)
def _rnn(op: nn.Rnn, module: Module) -> Kernel:
    def step(gates: Array, state: tuple[Array, ...], weights: _Weights) -> tuple[Array, ...]:
        total = gates + state[0] @ weights.w_hh + weights.b_hh
        return (np.tanh(total) if op.nonlinearity == "tanh" else np.maximum(total, np.float32(0)),)

    return _scan(op, module, step, states=1)
