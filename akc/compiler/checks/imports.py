# SPDX-License-Identifier: Apache-2.0
"""Check 1: the source itself and its import give the same answers on probe inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.compiler.checks.answers import Answers, aligned, read_over_time
from akc.compiler.checks.locating import Place, first_difference
from akc.compiler.checks.probes import Probes
from akc.compiler.checks.rounding import MANY_RUNS, gap, rounding_bound, tight_bound
from akc.compiler.checks.spikes import excused, first_spike, other_spikes
from akc.ir.module import Module
from akc.ir.ops import nn, snn
from akc.sim.registry import Array
from akc.sim.run import Runner, Values


@frozen(kw_only=True)
class Agreement:
    """largest: the largest difference, by what rounding explains; excused: samples in which a spike that differs is
    one that rounding decides; silent: layers that never fired; how: what ran the source; moved: for a source that
    rounds to levels of its own, which akc leaves out, by what part of their size the results differ; beyond: samples
    that float32 does not hold."""

    largest: float
    excused: int
    silent: tuple[str, ...]
    how: str
    moved: float = 0.0
    beyond: int = 0


MOST_MOVED = 0.5
"""By what part of their size the rounding of a quantised source may move results; more is another network."""


def check_import(module: Module, source: Any, probes: Probes) -> Agreement:
    """Hold an imported module against its source on probes.

    Raises DiagnosticError AKC0720 (another answer; the first layer that differs is named), AKC0722 (results are
    missing) or AKC0721 (the source cannot be run).
    """
    ours = Runner(module, doubles=True).run(probes.inputs, keep=_spikes(module))
    answers = source.run(probes.inputs, keep="neurons")
    if source.at_once and not _is_batched(module, source, answers, probes.count):
        source = source.one_by_one()
        answers = source.run(probes.inputs, keep="neurons")
    largest, wrong = _differences(module, source, probes, ours, answers)
    if wrong.any() and getattr(source, "rounds", False):
        moved = _moved(module, source, probes, ours, answers)
        if moved > MOST_MOVED:
            raise _rounds_too_much(source, moved)
        return Agreement(largest=largest, excused=0, silent=(), how=answers.how, moved=moved)
    if wrong.any() and source.at_once:
        source = source.one_by_one()
        largest, wrong = _retried(module, source, probes, ours, wrong, largest)
    beyond = _beyond_float32(module, probes, wrong)
    wrong &= ~beyond
    wrong &= ~_otherwise(module, source, probes, ours, wrong)
    let_off = np.zeros(probes.count, bool)
    if wrong.any() and _spikes(module):
        let_off = excused(module, source, probes, np.flatnonzero(wrong))
        wrong &= ~let_off
    if wrong.any():
        raise _refusal(module, source, probes, ours, wrong)
    return Agreement(largest=largest, excused=int(let_off.sum()), silent=_silent(module, ours), how=answers.how,
                     beyond=int(beyond.sum()))  # fmt: skip


def _is_batched(module: Module, source: Any, answers: Answers, batch: int) -> bool:
    """Whether every result of a whole batch has an axis of samples; a source may join that axis with others."""
    results = [o for o in answers.outputs if np.asarray(o).size > 0]
    return all(any(n == batch for n in np.shape(o)) for o in results)


def _moved(module: Module, source: Any, probes: Probes, ours: Values, answers: Answers) -> float:
    """The root mean square of the differences over that of the results; the largest of all outputs."""
    parts = []
    for name, theirs in _paired(module, source, answers, probes.count, ours):
        own, other = (np.asarray(a, np.float64).reshape(probes.count, -1) for a in (ours[name], theirs))
        parts.append(float(np.sqrt(((own - other) ** 2).mean() / max(float((other**2).mean()), 1e-30))))
    return max(parts, default=0.0)


def _beyond_float32(module: Module, probes: Probes, wrong: Array) -> Array:
    """Which of the samples [probes] that differ hold values whose squares float32 does not: there the source computes
    with infinities of its own."""
    found = np.zeros(probes.count, bool)
    for index in np.flatnonzero(wrong):
        values = Runner(module, doubles=True).run(probes.pick([int(index)]), keep=True)
        found[index] = any(not (np.abs(np.asarray(v, np.float64)) < LARGEST).all() for v in values.values())
    return found


LARGEST = 2.0**63
"""The square of more is beyond the largest float32."""


def _otherwise(module: Module, source: Any, probes: Probes, ours: Values, wrong: Array) -> Array:
    """Which of the samples [probes] that differ agree with the source where another program runs it."""
    other = getattr(source, "by_evaluator", lambda: None)() if wrong.any() else None
    if other is None:
        return np.zeros(probes.count, bool)
    try:
        _, still = _retried(module, other, probes, ours, wrong, 0.0)
    except DiagnosticError:  # it cannot run the source, or gives results of another shape
        return np.zeros(probes.count, bool)
    return wrong & ~still


def _spikes(module: Module) -> bool:
    return any(isinstance(op, snn.Neuron) for op in module.net.ops)


def opaque_layers(module: Module) -> list[str]:
    """Layers that the import holds only by name, so that it cannot be run."""
    return [op.op for op in module.net.ops if isinstance(op, nn.Opaque)]


def _retried(
    module: Module, source: Any, probes: Probes, ours: Values, wrong: Array, largest: float
) -> tuple[float, Array]:
    """The samples that differ once more, each by itself, as the source was traced."""
    indices = np.flatnonzero(wrong)
    part = Probes(inputs=probes.pick(indices), names=tuple(probes.names[i] for i in indices))
    values = {name: array[indices] for name, array in ours.items()}
    again, still = _differences(module, source, part, values, source.run(part.inputs, keep="neurons"))
    wrong = wrong.copy()
    wrong[indices] = still
    return max(largest, again), wrong


# -- comparing -----------------------------------------------------------------------------------


def _differences(module: Module, source: Any, probes: Probes, ours: Values, answers: Answers) -> tuple[float, Array]:
    """The largest difference of the samples that agree, and which samples [batch] do not."""
    pairs = [(name, theirs) for name, theirs in _paired(module, source, answers, probes.count, ours)]
    results = {name: ours[name] for name, _ in pairs}
    bound = tight_bound(module, results)
    gaps = {name: gap(ours[name], theirs) for name, theirs in pairs}
    over = _over(gaps, bound)
    if over.any() and not _spikes(module):
        bound = rounding_bound(module, probes.inputs, results)
        over = _over(gaps, bound)
    if over.any() and not _spikes(module):
        at = np.flatnonzero(over)
        part = {name: array[at] for name, array in results.items()}
        many = rounding_bound(module, probes.pick(at), part, runs=MANY_RUNS)
        over[at] = _over({name: g[at] for name, g in gaps.items()}, many)
    largest = max((float(g[~over].max(initial=0.0)) for g in gaps.values()), default=0.0)
    for _, differ in other_spikes(module, ours, answers.values, probes.count):
        over = over | differ.reshape(probes.count, -1).any(axis=1)
    return largest, over


def _over(gaps: dict[str, Array], bounds: dict[str, Array]) -> Array:
    return np.asarray(np.any([g > bounds[name] for name, g in gaps.items()], axis=0))


def _paired(module: Module, source: Any, answers: Answers, batch: int, ours: Values) -> list[tuple[str, Array]]:
    """Each result of the import with the source's, laid out alike; those closest where the axes allow several."""
    names = module.net.outputs
    outputs = answers.outputs if len(answers.outputs) == len(names) else _distinct(answers.outputs)
    if source.readout is None and len(outputs) != len(names):
        raise error(
            "AKC0722",
            f"{source.name} gives {len(outputs)} results, its import {len(names)}",
            help=("--readout says which of the results is wanted, where they are values over time", _REPORT),
        )
    pairs = []
    for number, name in enumerate(names):
        own = outputs[number : number + 1] if source.readout is None else outputs
        found = [c for o in own for c in _candidates(module, source, name, o, batch)]
        if not found:
            shapes = ", ".join("x".join(map(str, o.shape[1:])) for o in own)
            message = f"{source.name} gives a result of {shapes}, its import {module.net.types[name]}"
            raise error("AKC0722", message, help=_REPORT)
        pairs.append((name, min(found, key=lambda c: float(gap(ours[name], c).max(initial=0.0)))))
    return pairs


def _candidates(module: Module, source: Any, name: str, output: Array, batch: int) -> list[Array]:
    value = module.net.values[name]
    found = list(aligned(output, value.type.full_shape, batch))
    steps = next((v.type.steps for v in module.net.values.values() if v.type.steps), None)
    if source.readout is not None and steps is not None:
        found += read_over_time(output, source.readout, value, steps, batch)
    return found


def _distinct(outputs: list[Array]) -> list[Array]:
    """The results without those that are the same array again."""
    kept: list[Array] = []
    for one in outputs:
        if not any(one.shape == k.shape and np.array_equal(one, k, equal_nan=one.dtype.kind == "f") for k in kept):
            kept.append(one)
    return kept


def _silent(module: Module, ours: Values) -> tuple[str, ...]:
    """Names of layers of neurons that no probe made fire."""
    fire = [op for op in module.net.ops if isinstance(op, snn.Neuron) and op.output == "spikes" and op.fires]
    return tuple((op.origin or (op.name,))[-1] for op in fire if op.name in ours and not ours[op.name].any())


# -- saying it -----------------------------------------------------------------------------------


def _rounds_too_much(source: Any, moved: float) -> DiagnosticError:
    message = f"the quantisers of {source.name} move its results by {moved:.0%} on probe inputs"
    help = (
        "--input-range or --calibrate samples.npz: inputs of the range that its quantisers were made for",
        _OFF,
    )
    return error("AKC0395", message, label=f"up to {MOST_MOVED:.0%} is taken for rounding", help=help)


_REPORT = "the source and what akc read are not the same network: please report it with the source"
_OFF = "--check=off (check='off' in Python) compiles what akc read all the same"


def _spike_place(module: Module, own: Values, theirs: Answers) -> Place | None:
    """Where the first spike differs, for networks whose layers of neurons are seen on both sides."""
    found = first_spike(module, own, theirs.values)
    if found is None:
        return None
    op, place = found
    return Place(
        op.origin, f"'{op.origin[-1]}' ({op.mnemonic}) is the first layer that differs, at step {place[0] + 1}"
    )


def _refusal(module: Module, source: Any, probes: Probes, ours: Values, wrong: Array) -> DiagnosticError:
    """The fault, with the first layer that differs on the first probe that does."""
    first = int(np.flatnonzero(wrong)[0])
    inputs = probes.pick([first])
    theirs = source.run(inputs, keep="all")
    own = Runner(module, doubles=True).run(inputs, keep=True)
    pairs = _paired(module, source, theirs, 1, own)
    amounts = ", ".join(f"%{name} by {float(gap(own[name], array).max()):.3g}" for name, array in pairs)
    place = _spike_place(module, own, theirs) or first_difference(module, own, theirs.values)
    return DiagnosticError(
        Diagnostic(
            code="AKC0720",
            message=f"what akc read from {source.name} gives other answers than {source.name} itself",
            label=f"{int(wrong.sum())} of {probes.count} inputs; on the {probes.names[first]} one {amounts};"
            f" {place.said}",
            origin=place.origin,
            help=(_REPORT, _OFF),
        )
    )
