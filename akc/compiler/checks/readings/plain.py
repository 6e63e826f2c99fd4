# SPDX-License-Identifier: Apache-2.0
"""What the readings of all formats share: layers as functions of arrays, and the loop over time steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field

from akc.compiler.checks.answers import READ, Answers
from akc.sim.registry import Array

Step = Callable[[dict[str, Any], Array], tuple[Array, Array]]
"""(state, which is empty at first, input [batch, ...]) to spikes and membrane of one step; changes the state."""


NUMPY_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What plain numpy raises at shapes and kinds that it was not written for."""


class Unread(Exception):
    """A file holds what its reading does not know; the message says what."""


@define
class Stage:
    """A layer of a file: `step` for one that remembers, `function` for all others."""

    name: str
    function: Callable[[Array], Array] = lambda x: x
    step: Step | None = None
    weight_of_spikes: Array | None = None
    """The matrix by which a layer's own spikes of the step before are added to its input."""
    state: dict[str, Any] = field(factory=dict)

    def run(self, x: Array) -> tuple[Array, Array]:
        """One step: what goes on, and the membrane."""
        if self.step is None:
            y = self.function(x)
            return y, y
        if self.weight_of_spikes is not None and "own" in self.state:
            x = x + (self.state["own"] @ self.weight_of_spikes.T).reshape(x.shape)
        spikes, membrane = self.step(self.state, x)
        self.state["own"] = spikes
        return spikes, membrane


@define
class FileSource:
    """A chain of stages as a source: see akc.compiler.checks.answers.SourceRunner.

    wanted: how the answer is read; over_time: whether the input has a time axis; timeless: a file without steps.
    """

    name: str
    stages: list[Stage]
    steps: int
    wanted: str
    over_time: bool
    timeless: bool = False
    readout: str | None = None
    at_once: bool = True

    def one_by_one(self) -> FileSource:
        """The same: no sample touches another."""
        return self

    def run(self, inputs: Mapping[str, Array], keep: str = "") -> Answers:
        """The chain at each step; raises Unread where it does not fit together as this reading lays it out."""
        try:
            return self._run(inputs, keep)
        except NUMPY_FAULTS as fault:
            raise Unread(f"how its numbers fit together ({type(fault).__name__})") from None

    def _run(self, inputs: Mapping[str, Array], keep: str) -> Answers:
        x = np.asarray(next(iter(inputs.values())), np.float64)
        for stage in self.stages:
            stage.state.clear()
        spikes: list[Array] = []
        membranes: list[Array] = []
        kept: dict[str, list[Array]] = {}
        for t in range(1 if self.timeless else self.steps):
            value = x[:, t] if self.over_time else x
            for stage in self.stages:
                value, membrane = stage.run(value)
                if keep == "all" or (keep and stage.step is not None):
                    kept.setdefault(stage.name, []).append(value)
            spikes.append(value)
            membranes.append(membrane)
        if self.timeless:
            return Answers(outputs=spikes, values=kept, how="numpy")
        series = np.stack(membranes if self.wanted in ("membrane", "max", "last") else spikes, axis=1)
        result = READ[self.wanted](series) if self.wanted in READ else series
        return Answers(outputs=[result], values=kept, how="numpy")


def numbers(value: Any, shape: Sequence[int] = ()) -> Array:
    """Numbers in float64; in a shape of neurons where there is one for each."""
    array = np.asarray(value, np.float64)
    return array.reshape(shape) if shape and array.size == int(np.prod(shape)) else array


def of_channels(value: Any, rank: int) -> Array:
    """Numbers of channels, to be used with maps [batch, channels, ...]."""
    array = np.asarray(value, np.float64).reshape(-1)
    return array.reshape(-1, *(1,) * (rank - 2))


def dense(weight: Any, bias: Any = None) -> Callable[[Array], Array]:
    """weight [units, inputs]."""
    matrix = np.asarray(weight, np.float64)
    add = 0.0 if bias is None else np.asarray(bias, np.float64).reshape(-1)
    return lambda x: np.asarray(x.reshape(len(x), -1) @ matrix.T + add)


def convolution(weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """weight [filters, channels / groups, *kernel]; maps are [batch, channels, *places]."""
    kernel = np.asarray(weight, np.float64)
    axes = kernel.ndim - 2
    steps, borders, gaps = (_each(n, axes) for n in (stride, padding, dilation))

    def run(x: Array) -> Array:
        x = np.pad(x, [(0, 0), (0, 0), *((b, b) for b in borders)])
        sizes = [(x.shape[2 + a] - gaps[a] * (kernel.shape[2 + a] - 1) - 1) // steps[a] + 1 for a in range(axes)]
        total = np.zeros((len(x), kernel.shape[0], *sizes))
        for cell in np.ndindex(*kernel.shape[2:]):
            places = tuple(
                slice(cell[a] * gaps[a], cell[a] * gaps[a] + steps[a] * (sizes[a] - 1) + 1, steps[a])
                for a in range(axes)
            )
            part = x[(slice(None), slice(None), *places)]
            for group, rows in enumerate(np.split(kernel[(slice(None), slice(None), *cell)], groups)):
                own = np.split(part, groups, axis=1)[group]
                first = group * len(rows)
                total[:, first : first + len(rows)] += np.moveaxis(np.tensordot(own, rows, axes=(1, 1)), -1, 1)
        return total if bias is None else total + of_channels(bias, x.ndim)

    return run


def pool(reduce: Any, size: Any, stride: Any, padding: Any, rank: int = 2) -> Callable[[Array], Array]:
    """Windows of maps [batch, channels, *places], borders of zeros (of nothing for a maximum)."""
    windows, steps, borders = (_each(n, rank) for n in (size, stride, padding))
    outside = -np.inf if reduce is np.max else 0.0

    def run(x: Array) -> Array:
        x = np.pad(x, [(0, 0), (0, 0), *((b, b) for b in borders)], constant_values=outside)
        view = np.lib.stride_tricks.sliding_window_view(x, windows, axis=tuple(range(2, 2 + rank)))
        view = view[(slice(None), slice(None), *(slice(None, None, s) for s in steps))]
        return np.asarray(reduce(view, axis=tuple(range(-rank, 0))))

    return run


def _each(value: Any, axes: int) -> tuple[int, ...]:
    flat = [int(n) for n in np.asarray(value).reshape(-1)]
    return tuple(flat * axes)[:axes] if len(flat) == 1 else tuple(flat[-axes:])


def flatten(x: Array) -> Array:
    """All axes but the batch in one."""
    return x.reshape(len(x), -1)


def fired(membrane: Array, threshold: Any) -> Array:
    """1 above the threshold."""
    return np.asarray((membrane > threshold) * 1.0)


def zeros(state: dict[str, Any], x: Array, *keys: str, start: Any = 0.0) -> None:
    """Values of a state before the first step."""
    for key in keys:
        state.setdefault(key, np.zeros_like(x) + start)


def need(holds: bool, what: str) -> None:
    """Raise Unread unless something holds."""
    if not holds:
        raise Unread(what)
