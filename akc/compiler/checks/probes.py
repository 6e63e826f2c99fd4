# SPDX-License-Identifier: Apache-2.0
"""Inputs that a network is tried on: the user's samples, or random ones, with all at zero and all at the top."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from attrs import frozen

from akc.compiler.checks.record import Effort
from akc.ir.module import Module, Value
from akc.sim.registry import Array

DENSITY = 0.3
"""Share of events in random inputs that are spikes."""

AMPLITUDES = (1.0, 3.0, 10.0)
"""By what random inputs are scaled where nobody has said what range they have, one after the other."""

UNKNOWN_RANGE = (-1.0, 1.0)


@frozen(kw_only=True)
class Probes:
    """inputs: arrays by input name, batch axis first; names: what each probe is; fewer: why there are not more."""

    inputs: dict[str, Array]
    names: tuple[str, ...]
    fewer: str = ""

    @property
    def count(self) -> int:
        """Number of probes."""
        return len(self.names)

    def pick(self, indices: Array | list[int]) -> dict[str, Array]:
        """Some of the probes."""
        return {name: array[indices] for name, array in self.inputs.items()}


def products_of(module: Module) -> int:
    """Multiply-adds of one sample, all time steps, without what the host's functions take."""
    total, types = 0, module.weights
    for op in module.net.ops:
        for name in op.weights_used:
            shape = types[name].type.shape
            if len(shape) > 1:
                total += op.type.size * (op.type.steps or 1) * prod(shape[1:])
    return total


def make_probes(
    module: Module,
    effort: Effort,
    samples: Mapping[str, Array] | None = None,
    limits: tuple[float, float] | None = None,
) -> Probes:
    """Probes for a module, as many as the effort allows.

    samples: calibration samples by input name; limits: smallest and largest input, where the user said so.
    The first is a sample or random, the second all at the top, the third all at zero.
    """
    each = max(products_of(module), 1)
    count = int(min(effort.probes, max(2, effort.products // each)))
    fewer = "" if count == effort.probes else f"{_short(each)} multiply-adds each"
    generator = np.random.default_rng(0)
    fixed = ["top", "zero"][: count - 1]
    free = count - len(fixed)
    inputs, names = {}, ["random"] * free
    for value in module.net.inputs:
        given = None if samples is None else samples.get(value.name)
        drawn = _random(value, free, limits, generator)
        if given is not None:
            taken = min(free, len(given))
            drawn[:taken] = given[:taken]
            names[:taken] = ["sample"] * taken
        ends = [np.full_like(drawn[:1], _end(value, limits) if name == "top" else 0) for name in fixed]
        inputs[value.name] = np.concatenate([drawn[:1], *ends, drawn[1:]])
    return Probes(inputs=inputs, names=(names[0], *fixed, *names[1:]), fewer=fewer)


def _random(value: Value, count: int, limits: tuple[float, float] | None, generator: np.random.Generator) -> Array:
    """Random inputs [count, *shape]: events where the input has a time axis, whole numbers where it is integer."""
    element, shape = value.type.element, (count, *value.type.full_shape)
    if element.low is not None:
        least, most = max(element.low, -(2**15)), min(element.high or 0, 2**15)
        return generator.integers(least, most, shape, endpoint=True).astype(element.numpy)
    if value.type.steps is not None:
        return ((generator.random(shape) < DENSITY) * _end(value, limits)).astype(np.float32)
    low, high = limits or value.range or UNKNOWN_RANGE
    drawn = (low + generator.random(shape) * (high - low)).astype(np.float32)
    if limits is None and value.range is None:
        scales = np.resize(np.asarray(AMPLITUDES, np.float32), count)
        drawn *= scales.reshape(-1, *(1,) * (drawn.ndim - 1))
    return np.asarray(drawn)


def _end(value: Value, limits: tuple[float, float] | None) -> float:
    """The largest input."""
    if value.type.element.low is not None:
        return float(min(value.type.element.high or 0, 2**15))
    return 1.0 if limits is None and value.range is None else float((limits or value.range or UNKNOWN_RANGE)[1])


def _short(number: int) -> str:
    """A number of people: 1.2 million."""
    for unit, word in ((10**9, "billion"), (10**6, "million")):
        if number >= unit:
            return f"{number / unit:.3g} {word}"
    return f"{number:,}"
