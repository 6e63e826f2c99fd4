# SPDX-License-Identifier: Apache-2.0
"""What the written-out steps of one population of neurons compute, and which neuron of the language that is.

A step is a sum (akc.frontends.spiking.linear_forms): decay * membrane before, what a spike takes off it, and a current.
snn.Leaky, snn.Lapicque and snn.Synaptic of snnTorch, LIFBoxCell, LIFCell and IAFCell of Norse are such sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.frontends.graph.graph import Array
from akc.frontends.spiking.linear_forms import CONSTANT, Form, Term
from akc.frontends.spiking.reader import NeuronSpec
from akc.ir.ops import snn


class NotFolded(Exception):
    """The network is no written-out network of neurons that are known."""


def need(condition: Any) -> None:
    """Give up unless the condition holds."""
    if not condition:
        raise NotFolded


NOTHING = np.array(0.0)
DT = 0.001
"""Seconds a step, for neurons whose equations have time constants; they are chosen to fit."""


@frozen(kw_only=True)
class Step:
    """One step of a membrane: its decay, what of it a spike takes, what a spike adds, and what flows in.

    gated: the terms that are multiplied by the spike, apart from the membrane; rest: what flows in at every step.
    """

    decay: Array
    taken: Array
    added: Array
    rest: Form
    gated: Form = field(factory=dict)


def step_of(form: Form, before: str) -> Step:
    """The parts of a form that goes on from the membrane `before` ("" for the first step)."""
    own = {Term("value", before), Term("value", before, before), Term("spike", before)}
    others = {term: number for term, number in form.items() if not before or term not in own}
    need(all(term.gate in ("", before) for term in others))
    return Step(
        decay=form.get(Term("value", before), NOTHING),
        taken=form.get(Term("value", before, before), NOTHING),
        added=form.get(Term("spike", before), NOTHING),
        rest={term: number for term, number in others.items() if not term.gate},
        gated={Term(term.kind, term.name): number for term, number in others.items() if term.gate},
    )


def same(one: Any, other: Any) -> bool:
    """Whether numbers are equal but for the rounding of an exporter that computed them."""
    left, right = np.squeeze(np.asarray(one)), np.squeeze(np.asarray(other))
    return (
        bool(np.allclose(left, right, rtol=2e-5, atol=1e-7))
        if left.ndim == 0 or right.ndim == 0
        else (left.shape == right.shape and bool(np.allclose(left, right, rtol=2e-5, atol=1e-7)))
    )


def same_form(one: Form, other: Form, factor: float = 1.0) -> bool:
    """Whether one form is the other times a factor."""
    return set(one) == set(other) and all(same(number, other[term] * factor) for term, number in one.items())


@frozen(kw_only=True)
class Inflow:
    """What flows into a population: the value at each step, its gain, a constant, and the decay of a current."""

    currents: tuple[Term, ...]
    gain: Array
    constant: Array
    alpha: Array | None


def inflow_of(rests: Sequence[Form], decay: Array) -> Inflow:
    """The currents behind what flows in at each step: themselves, or sums that decay by alpha a step.

    A membrane with a constant must start at its rest, constant / (1 - decay).
    """
    constants = [rest.get(CONSTANT, NOTHING) for rest in rests]
    need(all(same(constants[-1], c) for c in constants[1:]))
    start = constants[-1] if same(constants[-1], 0) else constants[-1] / (1 - decay)
    need(same(constants[0], start))
    parts = [{term: number for term, number in rest.items() if term != CONSTANT} for rest in rests]
    need(len(parts[0]) == 1)
    ((first, gain),) = parts[0].items()
    if all(len(part) == 1 and same(next(iter(part.values())), gain) for part in parts):
        return Inflow(currents=tuple(next(iter(part)) for part in parts), gain=gain, constant=constants[-1], alpha=None)
    need(len(parts) > 1)
    alpha = parts[1].get(first, NOTHING) / gain - (1 if len(parts[1]) == 1 else 0)
    currents = [first]
    for before, part in pairwise(parts):
        new = {t: n for t in part if not same(n := part[t] - alpha * before.get(t, NOTHING), 0)}
        need(len(new) == 1 and set(before) <= set(part))
        ((term, factor),) = new.items()
        need(same(factor, gain))
        currents.append(term)
    return Inflow(currents=tuple(currents), gain=gain, constant=constants[-1], alpha=alpha)


def neuron_of(step: Step, inflow: Inflow, threshold: Array, at_once: bool) -> NeuronSpec:
    """The neuron that computes a step; at_once: whether a second comparison lets a reset act in the step that fired."""
    reset = reset_of(step, threshold)
    need(not at_once or reset in ("subtract", "zero"))
    plain = same(inflow.constant, 0) and (reset != "zero" or same(step.added, 0)) and reset != "subtract at once"
    if inflow.alpha is not None:
        return _with_current(inflow.alpha, reset, step, inflow, threshold, at_once, plain)
    if plain and reset != "discard":
        settings = {"reset": reset, "reset_delay": not at_once}
        parameters = {"beta": step.decay, "threshold": threshold}
        return NeuronSpec(kind=snn.Leaky, parameters=parameters, settings=settings, gain=_one(inflow.gain))
    need(not at_once and np.all(step.decay < 1))
    return _lapicque(step, inflow, threshold) if plain else _box(reset, step, inflow, threshold)


def _lapicque(step: Step, inflow: Inflow, threshold: Array) -> NeuronSpec:
    """snn.Lapicque whose reset throws the input of the step away too; C and the time step are 1."""
    parameters = {"resistance": 1 / (1 - step.decay), "capacitance": np.array(1.0), "threshold": threshold}
    return NeuronSpec(kind=snn.Lapicque, parameters=parameters, settings={"reset": "zero"}, gain=_one(inflow.gain))


def _box(reset: str, step: Step, inflow: Inflow, threshold: Array) -> NeuronSpec:
    """Norse's LIFBoxCell, with potentials of rest and reset, or a reset that subtracts in front of the decay."""
    need(reset in ("zero", "subtract at once"))
    rest = 1 - step.decay
    parameters = {"tau_mem_inv": rest / DT, **_norse(step, inflow, threshold)}
    if reset != "zero":
        parameters.pop("v_reset")
    settings = {"reset": "value" if reset == "zero" else "subtract", "dt": DT}
    return NeuronSpec(kind=snn.LifBox, parameters=parameters, settings=settings, gain=_one(inflow.gain / rest))


def reset_of(step: Step, threshold: Array) -> str:
    """What a spike does: none, subtract, subtract at once (before the decay), zero, or discard (the input too)."""
    if same(step.taken, 0) and not step.gated:
        if same(step.added, 0):
            return "none"
        if same(step.added, -threshold):
            return "subtract"
        need(same(step.added, -threshold * step.decay))
        return "subtract at once"
    need(same(step.taken, -step.decay))
    if not step.gated:
        return "zero"
    need(same_form(step.gated, step.rest, -1.0) and same(step.added, 0))
    return "discard"


def _with_current(
    alpha: Array, reset: str, step: Step, inflow: Inflow, threshold: Array, at_once: bool, plain: bool
) -> NeuronSpec:
    """A neuron with a synaptic current: snn.Synaptic, or Norse's where the reset leaves the current alone."""
    if plain and reset in ("none", "subtract", "discard"):
        settings = {"reset": "zero" if reset == "discard" else reset, "reset_delay": not at_once}
        parameters = {"alpha": alpha, "beta": step.decay, "threshold": threshold}
        return NeuronSpec(kind=snn.Synaptic, parameters=parameters, settings=settings, gain=_one(inflow.gain))
    rest = 1 - step.decay
    need(reset == "zero" and not at_once and np.all(rest > 0))
    times = {"tau_syn_inv": (1 - alpha) / DT, "tau_mem_inv": rest / DT}
    parameters = {**times, **_norse(step, inflow, threshold)}
    return NeuronSpec(kind=snn.Lif, parameters=parameters, settings={"dt": DT}, gain=_one(inflow.gain / rest))


def _norse(step: Step, inflow: Inflow, threshold: Array) -> dict[str, Any]:
    """Potentials of Norse's equations; a spike leaves v_reset behind, which then decays."""
    decay = np.where(step.decay == 0, 1.0, step.decay)
    return {"v_leak": inflow.constant / (1 - step.decay), "v_th": threshold, "v_reset": step.added / decay}


def _one(gain: Array) -> Any:
    """1 where an exporter has rounded it a little."""
    return 1.0 if same(gain, 1) else gain
