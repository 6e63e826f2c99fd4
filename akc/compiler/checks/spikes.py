# SPDX-License-Identifier: Apache-2.0
"""Spikes that rounding decides: the first one that differs is excused where the membrane lies at its threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

import numpy as np
from attrs import evolve

from akc.compiler.checks.answers import aligned
from akc.compiler.checks.probes import Probes
from akc.compiler.checks.rounding import MARGIN, UNIT, unit_of
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op
from akc.ir.ops import snn
from akc.ir.weights import Weight
from akc.sim.registry import Array
from akc.sim.run import Runner, Values

THRESHOLDS = ("threshold", "v_th", "v_threshold", "thresh")
"""Fields of neurons that hold what the membrane is compared with."""


def excused(module: Module, source: Any, probes: Probes, indices: Array) -> Array:
    """Which of the samples `indices` [probes] differ first in a spike whose membrane lies within the rounding bound of
    its threshold: a threshold that is so much higher or lower decides it the other way.

    Up to that spike both sides have seen the same, so the import's membrane is the source's.
    """
    found = np.zeros(probes.count, bool)
    for index in indices:
        inputs = probes.pick([int(index)])
        own = Runner(module, doubles=True).run(inputs, keep=True)
        place = first_spike(module, own, source.run(inputs, keep="neurons").values)
        found[index] = place is not None and _is_close(module, inputs, own, *place)
    return found


def first_spike(
    module: Module, own: Values, theirs: Mapping[str, list[Array]]
) -> tuple[snn.Neuron, tuple[int, ...]] | None:
    """The neuron and the place [T, ...] of the earliest spike that differs; layers in front come first."""
    earliest: tuple[snn.Neuron, tuple[int, ...]] | None = None
    for op, differ in other_spikes(module, own, theirs, 1):
        places = np.argwhere(differ)
        if len(places) and (earliest is None or places[0][1] < earliest[1][0]):
            earliest = (op, tuple(int(n) for n in places[0][1:]))
    return earliest


def other_spikes(
    module: Module, own: Values, theirs: Mapping[str, list[Array]], batch: int
) -> Iterator[tuple[snn.Neuron, Array]]:
    """For each layer of neurons that both sides show: where [batch, T, ...] one fires and the other does not.

    theirs: what the source's layers gave, call by call, by path; maps may have their channels first.
    """
    for op in module.net.ops:
        if not isinstance(op, snn.Neuron) or not op.origin or op.output != "spikes":
            continue
        calls = theirs.get(op.origin[0], [])
        once = len(calls) == op.type.steps and len({c.shape for c in calls}) == 1
        stacked = np.stack(calls, axis=1) if once else calls[0] if len(calls) == 1 else np.zeros(0)
        maps = [stacked] + ([np.moveaxis(stacked, -a, -1) for a in (2, 3) if stacked.ndim > a])
        others = [other for laid in maps for other in aligned(laid, op.type.full_shape, batch)]
        differ = [(own[op.name] != 0) != (other != 0) for other in others]
        if differ:
            yield op, min(differ, key=lambda d: int(d.sum()))


def _is_close(module: Module, inputs: Values, own: Values, op: snn.Neuron, place: tuple[int, ...]) -> bool:
    """Whether a threshold a little higher or lower decides this spike the other way: by what the sum of the currents
    up to that step rounds."""
    fired = own[op.name][(0, *place)]
    flow = own[op.x][0][: place[0] + 1]
    threshold = np.abs(_threshold(module, op)).min(initial=np.inf)
    size = max(1.0, float(np.abs(flow).max(initial=0.0)) / max(float(threshold), UNIT))
    reach = MARGIN * unit_of(module) * size * sqrt(place[0] + 1)
    for factor in (1 - reach, 1 + reach):
        moved = Runner(_with_threshold(module, op, factor), doubles=True).run(inputs, keep=True)
        if moved[op.name][(0, *place)] != fired:
            return True
    return False


def _threshold(module: Module, op: snn.Neuron) -> Array:
    value = getattr(op, next(key for key in THRESHOLDS if hasattr(op, key)))
    return np.asarray(module.array(value) if isinstance(value, WeightName) else value, np.float64).reshape(-1)


def _with_threshold(module: Module, neuron: Op, factor: float) -> Module:
    """The module with one layer's thresholds multiplied."""
    key = next(key for key in THRESHOLDS if hasattr(neuron, key))
    value = getattr(neuron, key)
    weights = dict(module.weights)
    if isinstance(value, WeightName):
        weights["moved.threshold"] = Weight.of(np.multiply(module.array(value), factor), "f32")
        value = WeightName("moved.threshold")
    else:
        value = type(value)(value * factor)
    ops = [evolve(op, **{key: value}) if op.name == neuron.name else op for op in module.net.ops]
    return module.with_statements(ops, weights)
