# SPDX-License-Identifier: Apache-2.0
"""Ridge regression, and an echo state network from reservoir to program."""

from __future__ import annotations

import numpy as np
import pytest

import akc
from akc.diagnostics import DiagnosticError
from akc.frontends.readout import ridge, train_readout
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.weights import Weight
from akc.passmanager import Context
from akc.sim.run import run

RESERVOIR = """akir 1.0

net @echo(%signal: f32[T=20, 6]) -> f32[4, 40] {
  %drive = nn.dense(%signal, weight=#in.weight) : f32[T=20, 40] from "in"
  %before = host.previous(%state) : f32[T=20, 40] from "reservoir"
  %echo = nn.dense(%before, weight=#echo.weight) : f32[T=20, 40] from "reservoir"
  %sum = host.add(%drive, %echo) : f32[T=20, 40] from "reservoir"
  %state = host.tanh(%sum) : f32[T=20, 40] from "reservoir"
  %windows = host.window(%state, count=4) : f32[T=4, 40]
  %features = host.frames(%windows) : f32[4, 40]
  return %features
}

weights {
  #in.weight : f32[40, 6] = elided sha256:0000000000000000
  #echo.weight : f32[40, 40] = elided sha256:0000000000000000
}
"""


def reservoir() -> Module:
    """A fixed random echo state network with a memory of a few steps."""
    rng = np.random.default_rng(1)
    echo = rng.normal(size=(40, 40)) * (rng.random((40, 40)) < 0.2)
    echo *= 0.8 / np.abs(np.linalg.eigvals(echo)).max()
    module = parse(RESERVOIR)
    weights = {"in.weight": Weight.of(rng.normal(0, 0.5, (40, 6)), "f32"), "echo.weight": Weight.of(echo, "f32")}
    return module.with_statements(module.net.statements, weights)


def signals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of three classes: which channel is loud first."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    x = rng.normal(0, 0.3, (count, 20, 6)).astype(np.float32)
    for i, label in enumerate(labels):
        x[i, 3:9, label] += 1.0
        x[i, 11:17, (label + 1) % 3] += 1.0
    return x, labels


def test_ridge_is_the_closed_form_either_way_round() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 12)), rng.normal(size=(30, 2))
    tall, bias = ridge(x, y, 0.5)
    centred = x - x.mean(0)
    wanted = np.linalg.solve(centred.T @ centred + 0.5 * np.eye(12), centred.T @ y).T
    np.testing.assert_allclose(tall, wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(x @ tall.T + bias, (x - x.mean(0)) @ wanted.T + y.mean(0), rtol=1e-3, atol=1e-4)
    wide, _ = ridge(x[:8], y[:8], 0.5)
    centred = x[:8] - x[:8].mean(0)
    np.testing.assert_allclose(
        wide, np.linalg.solve(centred.T @ centred + 0.5 * np.eye(12), centred.T @ y[:8]).T, rtol=1e-3, atol=1e-5
    )


def test_echo_state_network_to_a_program() -> None:
    x, labels = signals(300, 1)
    test, wanted = signals(200, 2)
    network = train_readout(reservoir(), x, labels)
    answers = run(network, test)["readout"].argmax(1)
    assert (answers == wanted).mean() > 0.95
    with pytest.raises(DiagnosticError, match="--host=allow"):
        akc.lower(network, spikes="hybrid")
    context = Context()
    lowered = akc.lower(network, calibrate=x, host="allow", spikes="hybrid", context=context)
    program = akc.build(lowered, host="allow")
    assert len(program.sequences) == 3
    assert (program.run(test).argmax(1) == answers).mean() > 0.95


def test_labels_must_fit() -> None:
    with pytest.raises(DiagnosticError, match="AKC0703"):
        train_readout(reservoir(), signals(5, 1)[0], np.zeros(4, np.int64))
