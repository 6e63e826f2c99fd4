# SPDX-License-Identifier: Apache-2.0
"""What a spike is worth by the step at which it comes: tables for inputs coded by the time to the first spike.

A table has a number for each step, and the host's weighted sum over time turns a spike into a level. All
tables sum to 1 without samples, so that a train of spikes at all steps is the rate 1, as it is for counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import snn
from akc.ir.types import TensorType
from akc.passes.shared.neurons.staircase import staircase
from akc.passes.shared.numbers.evaluate import Array
from akc.sim.neurons import Prepared
from akc.sim.run import Runner

Floats = npt.NDArray[np.float64]

TABLES = ("count", "linear", "decay")
"""Tables that need no samples; `fitted` needs them."""

PULL = 1e-3
"""How strongly the fitted table is drawn to an even one, as a share of the mean square of its inputs."""

ENOUGH = 20
"""Observations that a fit needs for each step."""


def once_at_most(inputs: Mapping[str, Array]) -> bool:
    """Whether every element spikes at most once in a sample: a code by the time of the first spike."""
    return all(bool((x.sum(axis=1) <= 1).all() and ((x == 0) | (x == 1)).all()) for x in inputs.values())


def shape_of(name: str, steps: int, neuron: snn.Neuron, module: Module) -> Floats:
    """A table without samples: count, every spike alike; linear, (T - t) / T; decay, beta to the power t."""
    t = np.arange(steps)
    shapes = {"count": np.ones(steps), "linear": (steps - t) / steps, "decay": _decay(neuron, module) ** t}
    table: Floats = shapes[name].astype(np.float64)
    return np.asarray(table / table.sum())


def _decay(neuron: snn.Neuron, module: Module) -> float:
    """What is left of a small membrane after a step, the mean over all neurons of a layer."""
    one = evolve(neuron, output="membrane", result=evolve(neuron.result, type=TensorType("f32", neuron.type.shape)))
    ready = Prepared(one, module)
    state, rest = ready.start(1), ready.start(1)
    pulse = np.full((1, *neuron.type.shape), 1e-3, np.float32)
    seen = []
    for current in (pulse, 0 * pulse):
        (moved, state), (still, rest) = ready.step(state, current), ready.step(rest, 0 * pulse)
        seen.append(float(np.abs(moved - still).mean()))
    return float(np.clip(seen[1] / seen[0] if seen[0] else 1.0, 0.05, 1.0))


@frozen(eq=False)
class Currents:
    """What the first layer's neurons did on samples: a row for each neuron and sample that neither rests nor saturates.

    steps: [rows, T], what the spikes of each step add to the current; wanted: [rows], the constant current, less
    that of no spikes, which makes the neuron fire as often.
    """

    steps: Floats
    wanted: Floats

    @classmethod
    def of(cls, module: Module, neuron: snn.Neuron, inputs: dict[str, Array], top: int) -> Currents:
        """From a run of the source."""
        runner, steps = Runner(module), neuron.type.steps or 1
        values = runner.run(inputs, keep=True)
        silence = runner.run({name: np.zeros_like(x[:1]) for name, x in inputs.items()}, keep=True)[neuron.x]
        stairs = staircase(neuron, module, steps, top)
        counts = values[neuron.name].sum(axis=1)
        inner = (counts > 0) & (counts < stairs.unit * top)
        constant = stairs.threshold + stairs.step * (counts / stairs.unit - 0.5) - silence.mean(axis=1)
        added = np.moveaxis(values[neuron.x] - silence, 1, -1)
        return cls(added[inner].astype(np.float64), constant[inner].astype(np.float64))

    @property
    def enough(self) -> bool:
        """Whether there are rows enough for a fit."""
        return bool(len(self.wanted) >= ENOUGH * self.steps.shape[1])

    def scaled(self, table: Floats) -> Floats:
        """The table times what a spike of it is really worth, by least squares."""
        found = self.steps @ table
        gain = float(found @ self.wanted) / max(float(found @ found), 1e-12)
        return table * gain if gain > 0 else table

    def fitted(self) -> Floats:
        """The table, a number for each step and the same for all neurons, with the least square error; none below 0."""
        steps = self.steps.shape[1]
        even = self.scaled(np.full(steps, 1 / steps))
        moments = self.steps.T @ self.steps
        pull = PULL * np.trace(moments) / steps
        table = np.linalg.solve(moments + pull * np.eye(steps), self.steps.T @ self.wanted + pull * even)
        return np.maximum(table, 0.0)


def first_neuron(module: Module, encoders: list[Op]) -> snn.Neuron | None:
    """The first layer of neurons that is not an encoder on the host."""
    found = (op for op in module.net.ops if isinstance(op, snn.Neuron) and op.fires and op not in encoders)
    return next(found, None)


def tables(module: Module, neuron: snn.Neuron, inputs: dict[str, Array] | None, top: int) -> dict[str, Any]:
    """Every table by name, scaled to samples where there are enough of them; `fitted` only then."""
    steps = neuron.type.steps or 1
    shapes = {name: shape_of(name, steps, neuron, module) for name in TABLES}
    if inputs is None or neuron.output != "spikes":
        return shapes
    currents = Currents.of(module, neuron, inputs, top)
    if not currents.enough:
        return shapes
    return {name: currents.scaled(table) for name, table in shapes.items()} | {"fitted": currents.fitted()}
