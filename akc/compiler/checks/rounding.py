# SPDX-License-Identifier: Apache-2.0
"""How far rounding alone can move the answers of a network: found by moving all of its numbers by their own rounding.

A sum of n numbers in another order, or a weight that was multiplied by another and stored as float32, differs in the
last bits: by about sqrt(n) units in the last place (Higham and Mary, A New Approach to Probabilistic Rounding Error
Analysis, 2019). What becomes of that behind many layers depends on the network, so it is measured there: every weight,
every input and every result is moved by as much to a random side, and the network runs again. Spikes make a network
jump, so answers of spiking networks get a bound from their size alone, and one spike at a time is excused
(akc.compiler.checks.spikes).
"""

from __future__ import annotations

from functools import partial
from math import prod, sqrt

import numpy as np
from attrs import evolve

from akc.ir.module import Module
from akc.ir.weights import Weight
from akc.sim.registry import Array
from akc.sim.run import Runner, Values

UNIT = 2.0**-24
"""Half of the last place of a float32, relative."""

RUNS = 4
"""Runs with numbers moved to other sides."""

MANY_RUNS = 32
"""Runs for samples that differ by more: a value at an edge falls to its other side in half of them."""

MARGIN = 8.0
"""What the largest move that was seen is multiplied with: few runs do not meet the worst case."""

TIGHT, TIGHT_IN_TIME = 4.0, 64.0
"""Differences up to so many units of the largest answer need no run at all; sums over time steps grow on."""


SMALLEST = 64 * 2.0**-126
"""What float32 may lose of a result altogether: products below its smallest normal number become 0."""


def unit_of(module: Module) -> float:
    """The relative rounding of one result of the network: that of its longest sum."""
    shapes = [w.type.shape for w in module.weights.values()]
    longest = max((prod(shape[1:]) for shape in shapes if len(shape) > 1), default=1)
    return UNIT * sqrt(max(longest, 1) + 1)


def tight_bound(module: Module, answers: Values) -> dict[str, Array]:
    """What rounds to the same at once: for each output, a bound for each sample [batch]."""
    timed = any(value.type.steps is not None for value in module.net.values.values())
    unit = (TIGHT_IN_TIME if timed else TIGHT) * unit_of(module)
    return {name: np.maximum(unit * _largest(array), SMALLEST) for name, array in answers.items()}


def rounding_bound(module: Module, inputs: Values, answers: Values, runs: int = RUNS) -> dict[str, Array]:
    """How far rounding can move each output of each sample [batch]; answers: those of the module, in float64.

    runs: few show how far a smooth network moves, many what a step (a ceiling, a comparison) does beside its edge.
    """
    unit = unit_of(module)
    bound = tight_bound(module, answers)
    generator = np.random.default_rng(0)
    for _ in range(runs):
        runner = Runner(_moved(module, unit, generator), doubles=True, touch=partial(_shaken, generator=generator))
        moved = runner.run(
            {
                name: np.asarray(_shaken(array, max(unit, 2 * UNIT), generator=generator), array.dtype)
                for name, array in inputs.items()
            }
        )
        for name, array in moved.items():
            bound[name] = np.maximum(bound[name], MARGIN * _largest(_gap(array, answers[name])))
    return bound


def gap(ours: Array, theirs: Array) -> Array:
    """The largest difference of each sample [batch]; NaN and infinity are equal to themselves."""
    return _largest(_gap(ours, theirs))


def _gap(x: Array, y: Array) -> Array:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.abs(x - y)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference)))


def _largest(array: Array) -> Array:
    """The largest finite size in each sample."""
    size = np.abs(np.asarray(array, np.float64)).reshape(len(array), -1)
    return np.asarray(size.max(axis=1, initial=0.0))


def _moved(module: Module, unit: float, generator: np.random.Generator) -> Module:
    weights = {
        name: weight
        if weight.type.dtype != "f32"
        else Weight.of(_shaken(weight.array, max(unit, 2 * UNIT), generator=generator), "f32")
        for name, weight in module.weights.items()
    }
    return evolve(module, weights=weights)


def _shaken(array: Array, unit: float = UNIT, *, generator: np.random.Generator) -> Array:
    """The numbers, each a little larger or smaller."""
    if array.dtype.kind != "f":
        return array
    sides = generator.choice(np.array([-1.0, 1.0]), array.shape)
    return np.asarray(array * (1 + unit * sides))
