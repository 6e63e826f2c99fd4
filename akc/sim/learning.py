# SPDX-License-Identifier: Apache-2.0
"""Edge learning of a last fully connected layer with 1-bit weights (docs/akd1000/learning.md).

The rule is that of `fit` in the vendor's SDK 2.19.3: which unit wins, how many of its ones move, and what
becomes of its threshold and its number of swaps are determined. Which ones move is drawn by chance, there
and here, so that two runs agree in everything but the positions of the ones (and in these as well, with
the same seed here).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor

import numpy as np
from attrs import evolve, field, frozen

from akc.base.diagnostics import error
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected, Learning
from akc.ir.weights import Weight
from akc.sim.registry import Array
from akc.sim.run import Inputs, Runner

BATCH = 256
"""Samples whose features are computed at once."""


@frozen
class Limits:
    """What bounds a step: the highest learned threshold, the lowest number of swaps, and their decay."""

    cap: int
    low: int
    decay: int


@frozen(eq=False)
class State:
    """What learning changes. weights: 0 or 1 [units, inputs]; thresholds, swaps: [units].

    classes: [units], from 1 on; all 0 where there is one class only.
    """

    weights: Array = field(repr=False)
    thresholds: Array
    swaps: Array
    classes: Array


def round_half_up(value: float) -> int:
    """To the nearest whole number, halves up."""
    return floor(value + 0.5)


def initial_swaps(settings: Learning) -> int:
    """Swaps of a unit that has not learned yet (thswap)."""
    return round_half_up(settings.num_weights * settings.initial_plasticity)


def limits(settings: Learning) -> Limits:
    """The bounds of a layer's steps, in double precision as in the SDK."""
    count = settings.num_weights
    return Limits(
        cap=round_half_up(count * (1 - settings.learning_competition)),
        low=ceil(count * settings.min_plasticity),
        decay=ceil(initial_swaps(settings) * settings.plasticity_decay),
    )


def classes(units: int, count: int) -> Array:
    """The class of each unit: from 1 on, 0 if there is only one class. Raises DiagnosticError AKC0612."""
    if units % count:
        raise error("AKC0612", f"num_classes is {count}, {units} units cannot be shared out evenly")
    return np.zeros(units, np.int64) if count == 1 else 1 + np.arange(units) // (units // count)


def initial_state(module: Module, op: FullyConnected) -> State:
    """The state that a module holds for a learning layer; fresh where its vectors are left out."""
    assert op.learning is not None
    units = op.type.shape[-1]
    fresh = np.full(units, initial_swaps(op.learning), np.int32)
    return State(
        weights=module.array(op.weights),
        thresholds=_vector(module, op.threshold_learning, np.zeros(units, np.int32)),
        swaps=_vector(module, op.thswap, fresh),
        classes=classes(units, op.learning.num_classes),
    )


def _vector(module: Module, name: str | None, fresh: Array) -> Array:
    return fresh if name is None else module.array(name)


def learn(state: State, levels: Array, learn_class: int, bounds: Limits, random: np.random.Generator) -> State:
    """The state after one input.

    levels: 0 or 1 [inputs]; learn_class: label + 1, 0 for none. Gives the very same object where no unit
    is eligible.
    """
    potentials = state.weights.astype(np.int64) @ levels.astype(np.int64)
    winner = _winner(potentials, state, learn_class)
    if winner is None:
        return state
    weights, thresholds, swaps = state.weights.copy(), state.thresholds.copy(), state.swaps.copy()
    if _swap(weights[winner], levels, int(swaps[winner]), random):
        thresholds[winner] = min(int(potentials[winner]), bounds.cap)
    swaps[winner] = max(int(swaps[winner]) - bounds.decay, bounds.low)
    return evolve(state, weights=weights, thresholds=thresholds, swaps=swaps)


def _winner(potentials: Array, state: State, learn_class: int) -> int | None:
    """The eligible unit with the largest potential, the first of equals. Class 0 in a unit takes any label."""
    found = state.classes
    candidates = (found == learn_class) | (found == 0) if learn_class else np.ones(len(potentials), bool)
    eligible = candidates & (potentials > state.thresholds)
    return int(np.argmax(np.where(eligible, potentials, -1))) if eligible.any() else None


def _swap(weights: Array, levels: Array, most: int, random: np.random.Generator) -> int:
    """Turn as many unused ones off as inactive inputs on; gives how many. `weights` is changed in place."""
    unused = np.flatnonzero((weights == 1) & (levels == 0))
    missing = np.flatnonzero((weights == 0) & (levels == 1))
    count = min(most, len(unused), len(missing))
    weights[random.choice(unused, count, replace=False)] = 0
    weights[random.choice(missing, count, replace=False)] = 1
    return count


# -- whole networks --------------------------------------------------------------------------------


def learning_layer(module: Module) -> FullyConnected:
    """The layer that learns; raises DiagnosticError AKC0519 if there is none."""
    for op in module.net.ops:
        if isinstance(op, FullyConnected) and op.learning is not None:
            return op
    raise error(
        "AKC0519",
        f"@{module.net.name} has no learning layer",
        help="akc opt net.akir -p 'learn{num_weights=20}' makes its last dense layer one",
    )


def fit(module: Module, inputs: Inputs, labels: Array | None = None, seed: int = 0) -> Module:
    """The network after its last layer has learned from samples, one after the other.

    inputs: as for `akc.sim.run.run`; labels: the class of each sample, negative for none, or None for all;
    seed: of the generator that draws which ones move. Raises DiagnosticError AKC0519 without a learning
    layer, AKC0703 for labels that do not fit.
    """
    op = learning_layer(module)
    assert op.learning is not None
    levels = _features(module, op, inputs)
    chosen = _checked(labels, len(levels), op.learning)
    state, bounds, random = initial_state(module, op), limits(op.learning), np.random.default_rng(seed)
    for sample, label in zip(levels, chosen, strict=True):
        state = learn(state, sample, int(label) + 1, bounds, random)
    return with_state(module, op, state)


def _features(module: Module, op: FullyConnected, inputs: Inputs) -> Array:
    """What the layer reads, [samples, inputs]: the layers before it do not learn."""
    named = inputs if isinstance(inputs, Mapping) else {module.net.inputs[0].name: np.asarray(inputs)}
    runner, count = Runner(module), len(next(iter(named.values())))
    parts = [
        runner.run({name: values[start : start + BATCH] for name, values in named.items()}, keep=True)[op.x]
        for start in range(0, count, BATCH)
    ]
    return np.concatenate(parts).reshape(count, -1)


def _checked(labels: Array | None, count: int, settings: Learning) -> Array:
    if labels is None:
        return np.full(count, -1)
    found = np.asarray(labels)
    if found.shape != (count,):
        raise error("AKC0703", f"there are {count} samples and {found.size} labels", help="one label a sample")
    if found.size and found.max() >= settings.num_classes:
        message = f"label {int(found.max())} is none of the {settings.num_classes} classes of the learning layer"
        raise error("AKC0703", message, help="labels count from 0; num_classes says how many there are")
    return np.maximum(found.astype(np.int64), -1)


def with_state(module: Module, op: FullyConnected, state: State) -> Module:
    """The module with a state in its weights."""
    thresholds, swaps = op.threshold_learning or f"{op.name}.threshold_learning", op.thswap or f"{op.name}.thswap"
    new = {
        op.weights: Weight.of(state.weights, "u1"),
        thresholds: Weight.of(state.thresholds, "i32"),
        swaps: Weight.of(state.swaps, "i32"),
    }
    changed = evolve(module, weights={**module.weights, **new})
    learned = evolve(op, threshold_learning=thresholds, thswap=swaps)
    return changed.map_ops(lambda one: learned if one.name == op.name else one)
