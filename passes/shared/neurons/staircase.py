# SPDX-License-Identifier: Apache-2.0
"""How often a neuron fires under a constant current, and the even staircase nearest to that.

A chip layer gives level k where its potential is above threshold + (k - 1) * step. For IF neurons with
soft reset the count of spikes in T steps is clip(ceil(T I / theta) - 1, 0, T), which is such a
staircase; for others it is fitted to counts from the float simulator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from akc.ir.module import Module
from akc.ir.ops import snn, snn_inclusive
from akc.ir.types import TensorType
from akc.sim.neurons import Prepared

Floats = npt.NDArray[np.float64]

SCAN = np.concatenate([[0.0], np.logspace(-6, 8, 421)])
"""Currents tried to find where firing starts and where it saturates."""

GRID = 600
"""Even currents from 0 to a little beyond saturation, on which the staircase is fitted."""


@frozen(eq=False)
class Staircase:
    """Level k is reached above threshold + (k - 1) * step, in units of the current; vectors of [neurons] or [1].

    unit: spikes that one level stands for; error: root mean square distance of the neuron's count from the
    staircase, in levels, over currents from 0 to saturation.
    """

    threshold: Floats
    step: Floats
    unit: Floats
    error: Floats


def width(op: snn.Neuron, module: Module) -> int:
    """How many different neurons an op has: the length of its parameter vectors, else 1; 0 for whole tensors."""
    ranks = [module.array(v).shape for v in op.parameters.values() if isinstance(v, str)]
    if any(len(shape) > 1 for shape in ranks):
        return 0
    return max([shape[0] for shape in ranks], default=1)


def respond(op: snn.Neuron, module: Module, currents: Floats, steps: int, output: str) -> Floats:
    """Sum over `steps` steps of spikes (or membranes), for constant currents [n, neurons], from rest."""
    one = evolve(op, output=output, result=evolve(op.result, type=TensorType("f32", currents.shape[1:])))
    neuron = Prepared(one, module)
    state = neuron.start(len(currents))
    current = currents.astype(np.float32)
    total = np.zeros(currents.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            result, state = neuron.step(state, current)
            total += result
    return total


def staircase(op: snn.Neuron, module: Module, steps: int, top: int) -> Staircase:
    """The staircase of `top` levels for windows of `steps` steps.

    Neurons that may fire any number of times a step are taken to fire once: a bound is needed for levels.
    """
    neurons = width(op, module)
    bound = steps * (op.spikes_a_step if np.isfinite(op.spikes_a_step) else 1.0)
    scanned = np.minimum(respond(op, module, np.repeat(SCAN[:, None], neurons, axis=1), steps, "spikes"), bound)
    most = np.maximum(scanned.max(axis=0), 1.0)
    last = SCAN[(scanned >= most).argmax(axis=0)]
    grid = np.linspace(0.0, 1.0, GRID)[:, None] * last * 1.1
    wanted = np.minimum(respond(op, module, grid, steps, "spikes"), bound) * top / most
    threshold, step, error = _best_fit(grid, wanted, top)
    exact = _integrate_and_fire(op, module, steps, top)
    if exact is not None:
        exact_error = _error(grid, wanted, exact[0], exact[1], top)
        better = exact_error <= error + 1e-12
        threshold, step = np.where(better, exact[0], threshold), np.where(better, exact[1], step)
        error = np.where(better, exact_error, error)
    return Staircase(threshold, step, most / top, np.sqrt(error))


def _best_fit(grid: Floats, wanted: Floats, top: int) -> tuple[Floats, Floats, Floats]:
    """The best of a few searches from different first steps."""
    first, guess = _first_guess(grid, wanted, top)
    found = [fit(grid, wanted, first - guess * back, guess * share, top) for share in (1.0, 0.6) for back in (0.0, 0.5)]
    best = np.argmin([error for _, _, error in found], axis=0)
    return tuple(np.choose(best, [one[part] for one in found]) for part in range(3))  # type: ignore[return-value]


SOFT: dict[type[snn.Neuron], str] = {
    snn.Leaky: "threshold",
    snn.Iaf: "v_th",
    snn_inclusive.SjIf: "v_threshold",
    snn_inclusive.SinabsLif: "threshold",
}
"""Neurons that may be plain integrators, and what their threshold is called."""


def _integrate_and_fire(op: snn.Neuron, module: Module, steps: int, top: int) -> tuple[Floats, Floats] | None:
    """theta / T and theta / top: exact for neurons without leak and with soft reset where T is `top`."""
    threshold = SOFT.get(type(op))
    if threshold is None or getattr(op, "reset", "") != "subtract":
        return None
    theta = _number(getattr(op, threshold), module)
    return np.atleast_1d(theta / steps), np.atleast_1d(theta / top)


def _number(value: Any, module: Module) -> Floats:
    return module.array(value).astype(np.float64) if isinstance(value, str) else np.asarray(float(value))


def _first_guess(grid: Floats, wanted: Floats, top: int) -> tuple[Floats, Floats]:
    """The line through the middle of the counts."""
    first = np.take_along_axis(grid, (wanted > 0).argmax(axis=0)[None], 0)[0]
    last = np.take_along_axis(grid, (wanted >= wanted.max(axis=0)).argmax(axis=0)[None], 0)[0]
    step = np.maximum((last - first) / max(top - 1, 1), 1e-9 * np.maximum(last, 1e-9))
    return first, np.where(step > 0, step, np.maximum(first, 1e-9))


def levels(x: Floats, threshold: Floats, step: Floats, top: int) -> Floats:
    """The chip's levels, columns being neurons."""
    found: Floats = np.clip(np.ceil((x - threshold) / step), 0, top)
    return found


def _error(x: Floats, wanted: Floats, threshold: Floats, step: Floats, top: int) -> Floats:
    error: Floats = ((levels(x, threshold, step, top) - wanted) ** 2).mean(axis=0)
    return error


STEPS = (0.3, -0.3, 0.1, -0.1, 0.03, -0.03, 0.01, -0.01)
"""Relative changes that the coordinate search tries."""


def fit(
    x: Floats, wanted: Floats, threshold: Floats, step: Floats, top: int, rounds: int = 6, moves: bool = True
) -> tuple[Floats, Floats, Floats]:
    """Thresholds and steps with a small mean square error of levels(x) against `wanted` [n, neurons].

    A coordinate search from the values given, each column on its own; the error never rises. Gives
    threshold, step and the errors. moves=False changes thresholds only.
    """
    error = _error(x, wanted, threshold, step, top)
    for _ in range(rounds):
        before = error.copy()
        for change in STEPS:
            for trial in _trials(threshold, step, change, top, moves):
                trial_error = _error(x, wanted, *trial, top)
                better = trial_error < error
                threshold, step = np.where(better, trial[0], threshold), np.where(better, trial[1], step)
                error = np.where(better, trial_error, error)
        if (before - error).max() <= 1e-9:
            break
    return threshold, step, error


def _trials(threshold: Floats, step: Floats, change: float, top: int, moves: bool) -> list[tuple[Floats, Floats]]:
    """Shift all levels; stretch them about the first, about the middle."""
    shifted = (threshold + change * step * 2, step)
    if not moves:
        return [shifted]
    wider = step * (1 + change)
    return [shifted, (threshold, wider), (threshold - (wider - step) * (top - 1) / 2, wider)]
