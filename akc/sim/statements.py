# SPDX-License-Identifier: Apache-2.0
"""Operations made ready to run: one by one, step by step through time where they remember or go in a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import error
from akc.ir.fields import fields_of
from akc.ir.module import Module, Op
from akc.ir.ops.akida import Layer
from akc.sim.engine.model import EXACT
from akc.sim.engine.runtime import Part
from akc.sim.inputs import Values
from akc.sim.registry import DELAYED, STATEFUL, WHOLE, Array, Kernel, Prepare, Stateful, find_rule, no_rule


@frozen(eq=False)
class Unit:
    """An operation with its prepared rule; exactly one of the four is set."""

    op: Op
    mapped: Kernel | None = None
    whole: Kernel | None = None
    stateful: Stateful | None = None
    delayed: Any = None
    operands: tuple[str, ...] = field(init=False)

    @operands.default
    def _operand_names(self) -> tuple[str, ...]:
        return self.op.operands

    @property
    def reads(self) -> frozenset[str]:
        """The values that must be there before."""
        return frozenset(self.operands)

    def run(self, values: Values, timed: set[str], batch: int) -> None:
        """Compute the result from `values` for the whole batch and all time steps."""
        operands = [values[name] for name in self.operands]
        over_time = [name in timed for name in self.operands]
        if self.mapped is not None:
            values[self.op.name] = _map_over_time(self.mapped, operands, over_time)
        elif self.whole is not None:
            values[self.op.name] = self.whole(*operands)
        else:
            values[self.op.name] = _scan(self, operands, over_time, batch)

    def start(self, batch: int) -> Any:
        """The state before the first time step."""
        return self.stateful.start(batch) if self.stateful is not None else None

    def step(self, values: Values, state: Any) -> Any:
        """Compute one time step, from and into `values`; gives the new state."""
        operands = [values[name] for name in self.operands]
        if self.stateful is not None:
            values[self.op.name], state = self.stateful.step(state, *operands)
        elif self.mapped is not None:
            values[self.op.name] = self.mapped(*operands)
        else:
            raise no_rule(self.op)
        return state


def _map_over_time(kernel: Kernel, operands: list[Array], over_time: list[bool]) -> Array:
    if not any(over_time):
        return kernel(*operands)
    batch, steps = next(a.shape[:2] for a, timed in zip(operands, over_time) if timed)
    folded = [
        a.reshape(batch * steps, *a.shape[2:]) if timed else np.repeat(a, steps, axis=0)
        for a, timed in zip(operands, over_time)
    ]
    result = kernel(*folded)
    return result.reshape(batch, steps, *result.shape[1:])


def _scan(unit: Unit, operands: list[Array], over_time: list[bool], batch: int) -> Array:
    if unit.stateful is None:
        raise no_rule(unit.op)
    state = unit.stateful.start(batch)
    outputs = []
    for t in range(unit.op.type.steps or 1):
        state_in = [a[:, t] if timed else a for a, timed in zip(operands, over_time)]
        result, state = unit.stateful.step(state, *state_in)
        outputs.append(result)
    return outputs[0] if unit.op.type.steps is None else np.stack(outputs, axis=1)


class Kept:
    """A stateful operation whose state goes on from run to run, in a stream's parts."""

    def __init__(self, inner: Stateful) -> None:
        self.inner = inner
        self.state: Any = None

    def start(self, batch: int) -> Any:
        """The state that the last run left, which must have had as many samples."""
        if self.state is None:
            self.state = self.inner.start(batch)
        return self.state

    def step(self, state: Any, *inputs: Array) -> tuple[Array, Any]:
        """As the operation's own."""
        result, self.state = self.inner.step(state, *inputs)
        return result, self.state


class KeptValue:
    """The first value of a delayed operation: the last one of the run before."""

    def __init__(self, first: Callable[[int], Array]) -> None:
        self.first = first
        self.value: Array | None = None

    def __call__(self, batch: int) -> Array:
        """[batch, *shape]."""
        return self.first(batch) if self.value is None else self.value

    def keep(self, value: Array) -> None:
        """Remember the value that the next run starts with."""
        self.value = value


def remembering(unit: Unit) -> Unit:
    """The unit with what it remembers kept from run to run; others as they are."""
    if unit.stateful is not None:
        return Unit(unit.op, stateful=Kept(unit.stateful))
    return unit if unit.delayed is None else Unit(unit.op, delayed=KeptValue(unit.delayed))


@frozen(eq=False)
class Loop:
    """Operations between a delayed value and what it is delayed from: they go through time together."""

    units: tuple[Unit, ...]
    results: frozenset[str] = field(init=False)

    @results.default
    def _names(self) -> frozenset[str]:
        return frozenset(unit.op.name for unit in self.units)

    @property
    def reads(self) -> frozenset[str]:
        """The values that must be there before."""
        return frozenset(name for unit in self.units for name in unit.operands) - self.results

    def run(self, values: Values, timed: set[str], batch: int) -> None:
        """Run all units for step 0, then for step 1, and so on."""
        now: Values = {}
        for unit in self.units:
            if unit.delayed is not None:
                now[unit.op.name] = unit.delayed(batch)
        states = {unit.op.name: unit.start(batch) for unit in self.units}
        outside = self.reads
        kept: dict[str, list[Array]] = {name: [] for name in self.results}
        steps = max(unit.op.type.steps or 1 for unit in self.units)
        for t in range(steps):
            now.update({name: values[name][:, t] if name in timed else values[name] for name in outside})
            self._step(now, states)
            for name in self.results:
                kept[name].append(now[name])
            now.update({u.op.name: now[u.operands[0]] for u in self.units if u.delayed is not None})
        for unit in self.units:
            if isinstance(unit.delayed, KeptValue):
                unit.delayed.keep(now[unit.op.name])
        values.update({n: np.stack(parts, axis=1) if n in timed else parts[-1] for n, parts in kept.items()})

    def _step(self, now: Values, states: dict[str, Any]) -> None:
        for unit in self.units:
            if unit.delayed is None:
                states[unit.op.name] = unit.step(now, states[unit.op.name])


def prepare(op: Op, module: Module, mapped: Mapping[type[Op], Prepare]) -> Unit:
    """An operation with the rule for its class; raises DiagnosticError AKC0704 where there is none."""
    if (rule := find_rule(dict(mapped), op)) is not None:
        return Unit(op, mapped=_at_first_call(rule, op, module))
    if (rule := find_rule(WHOLE, op)) is not None:
        return Unit(op, whole=_at_first_call(rule, op, module))
    if (rule := find_rule(STATEFUL, op)) is not None:
        return Unit(op, stateful=rule(op, module))
    if (first := find_rule(DELAYED, op)) is not None:
        return Unit(op, delayed=lambda batch: first(op, module, batch))
    raise no_rule(op)


def _at_first_call(rule: Prepare, op: Op, module: Module) -> Kernel:
    """The kernel of a rule, prepared when it is needed: what a session runs is never prepared here."""
    prepared = cache(lambda: rule(op, module))
    return lambda *operands: prepared()(*operands)


@frozen(eq=False)
class Fused:
    """Operations that one session of ONNX Runtime runs, to the same bits."""

    part: Part

    @property
    def reads(self) -> frozenset[str]:
        """The values that must be there before."""
        return frozenset(self.part.inputs)

    def run(self, values: Values, timed: set[str], batch: int) -> None:
        """Compute all results that are read later."""
        values.update(self.part.run(values))


Statement = Unit | Loop | Fused
Plan = list[tuple[Statement, frozenset[str]]]
"""Statements in order, each with the values that are read after it."""


def fused(statements: Sequence[Statement], module: Module, wanted: frozenset[str]) -> list[Statement]:
    """The statements with every run of exact operations that holds a chip layer as one."""
    result: list[Statement] = []
    for exact, group in groupby(statements, lambda s: isinstance(s, Unit) and type(s.op) in EXACT):
        run = list(group)
        ops = [s.op for s in run if isinstance(s, Unit)]
        if exact and any(isinstance(op, Layer) for op in ops):
            made = {op.name for op in ops}
            behind = statements[statements.index(run[-1]) + 1 :]
            read = frozenset(name for s in behind for name in s.reads) | wanted
            inputs = dict.fromkeys(name for op in ops for name in op.operands if name not in made)
            result.append(Fused(Part(module, ops, tuple(inputs), tuple(op.name for op in ops if op.name in read))))
        else:
            result += run
    return result


def check_sources(units: Sequence[Unit], given: tuple[str, ...]) -> None:
    """In a raw run every operand must come from the chip's inputs."""
    known = {*given, *(unit.op.name for unit in units)}
    for unit in units:
        for name in unit.operands:
            if name not in known:
                raise error(
                    "AKC0705",
                    f"%{unit.op.name} needs %{name}, which no chip input gives",
                    span=unit.op.span(),
                    origin=unit.op.origin,
                    help="run the network without --raw",
                )


def _forward_operands(op: Op) -> tuple[str, ...]:
    return tuple(n for f in fields_of(type(op)) if f.kind.forward for n in f.kind.operands(getattr(op, f.name)))


def with_loops(units: list[Unit]) -> list[Statement]:
    """Units in order; from each delayed value to the definition of its operand they become one loop."""
    position = {unit.op.name: i for i, unit in enumerate(units)}
    plan: list[Statement] = []
    i = 0
    while i < len(units):
        end = _loop_end(units, position, i)
        plan.append(units[i] if end == i else Loop(tuple(units[i : end + 1])))
        i = end + 1
    return plan


def _loop_end(units: list[Unit], position: Mapping[str, int], start: int) -> int:
    end = i = start
    while i <= end:
        end = max([end, *(position.get(name, start) for name in _forward_operands(units[i].op))])
        i += 1
    return end
