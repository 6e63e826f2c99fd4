# SPDX-License-Identifier: Apache-2.0
"""Run a module of any level on arrays: float layers, spiking neurons, chip layers and the host's part.

run(module, {"image": images})          # dict of arrays by output name, batch axis first
run(module, images)                     # the same for a network with one input
run(module, levels, raw=True)           # the chip's own integers in and out
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.fields import fields_of
from akc.ir.module import Module, Op, Value
from akc.ir.ops.akida import Layer
from akc.ir.ops.host import Quantize
from akc.sim.registry import DELAYED, MAPPED, STATEFUL, WHOLE, Array, Kernel, Stateful, find_rule, load_rules, no_rule

BACKENDS = ("auto", "numpy", "torch")

CHUNK = 512
"""Samples that are run at once at most; larger batches go through in pieces."""

CHUNK_BYTES = 1 << 28
"""What all values of a piece may take together; networks with large maps go through in smaller pieces."""

Inputs = Mapping[str, Array] | Array
Values = dict[str, Array]


def run(module: Module, inputs: Inputs, raw: bool = False, keep: bool = False, backend: str = "auto") -> Values:
    """Run a module; the result is a dict of arrays by name, batch axis first.

    inputs: an array for each input of the net, or a lone array for the only one; shape
        [batch, *shape] or [batch, T, *shape].
    raw: inputs are the integers that enter the chip (results of host.quantize in front of it, or the
        net's own integer inputs), and the result is what the last chip layer gives: levels or potentials.
    keep: give every value that was computed, inputs included.
    backend: "numpy", "torch" (integer layers only), or "auto": torch where it has been imported already.
    Raises DiagnosticError for inputs that do not fit (AKC0702, AKC0703), operations that cannot be run
    (AKC0704, AKC0204) and raw runs of networks without a chip layer (AKC0705).
    """
    return Runner(module, backend).run(inputs, raw, keep)


class Runner:
    """A module made ready to run; keep it when the same module runs many times."""

    def __init__(
        self,
        module: Module,
        backend: str = "auto",
        doubles: bool = False,
        touch: Callable[[Array], Array] | None = None,
    ) -> None:
        """doubles: whether float inputs, and with them all float layers and neurons, are computed in float64; touch:
        what to do to each result before it is used."""
        self.touch = touch
        load_rules()
        self.doubles = doubles
        self.module = module
        self.rules = {**MAPPED, **_backend_rules(backend)}
        self.units: dict[str, _Unit] = {}
        self.plans: dict[bool, _Plan] = {}
        self.piece = piece_size(module)
        self.timed = {v.name for v in module.net.values.values() if v.type.steps is not None}

    def run(self, inputs: Inputs, raw: bool = False, keep: bool = False) -> Values:
        """See `run`."""
        entries = self.raw_entries if raw else self.module.net.inputs
        wanted = (self.raw_exit,) if raw else self.module.net.outputs
        values = bind_inputs(entries, inputs)
        if self.doubles:
            values = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in values.items()}
        if raw not in self.plans:
            self.plans[raw] = self._plan(tuple(values), wanted)
        pieces = [self._run_piece(self.plans[raw], part, keep) for part in _pieces(values, self.piece)]
        joined = {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]} if pieces[1:] else pieces[0]
        return joined if keep else {name: joined[name] for name in wanted}

    @cached_property
    def raw_exit(self) -> str:
        """The value that the last chip layer gives."""
        layers = [op for op in self.module.net.ops if isinstance(op, Layer)]
        if not layers:
            raise error(
                "AKC0705",
                "the network has no chip layer, so there are no chip integers",
                help="run it without --raw, or lower it to the chip first: akc opt -p lower-int4",
            )
        return layers[-1].name

    @cached_property
    def raw_entries(self) -> tuple[Value, ...]:
        """The values that enter the chip: results of host.quantize that depend on no chip layer, or integer inputs."""
        net = self.module.net
        needed = self._needed((), (self.raw_exit,))
        after_chip: set[str] = set()
        for op in net.ops:
            if isinstance(op, Layer) or after_chip & set(op.operands):
                after_chip.add(op.name)
        entries = [
            op.result for op in net.ops if isinstance(op, Quantize) and op.name in needed and op.name not in after_chip
        ]
        return (*(v for v in net.inputs if v.name in needed and v.type.element.low is not None), *entries)

    def _needed(self, given: Iterable[str], wanted: Iterable[str]) -> set[str]:
        """Names of the values that `wanted` depends on, `given` ones and what lies behind them left out."""
        ops = {op.name: op for op in self.module.net.ops}
        open_names, stop = list(wanted), set(given)
        needed: set[str] = set()
        while open_names:
            name = open_names.pop()
            if name not in stop and name not in needed:
                needed.add(name)
                open_names += ops[name].operands if name in ops else ()
        return needed

    def _plan(self, given: tuple[str, ...], wanted: tuple[str, ...]) -> _Plan:
        needed = self._needed(given, wanted)
        units = [self._unit(op) for op in self.module.net.ops if op.name in needed]
        _check_sources(units, given)
        plan: _Plan = []
        still_read = frozenset(wanted)
        for statement in reversed(_with_loops(units)):
            plan.insert(0, (statement, still_read))
            still_read |= statement.reads
        return plan

    def _unit(self, op: Op) -> _Unit:
        if op.name not in self.units:
            self.units[op.name] = _prepare(op, self.module, self.rules)
        return self.units[op.name]

    def _run_piece(self, plan: _Plan, values: Values, keep: bool) -> Values:
        values = dict(values)
        batch = len(next(iter(values.values())))
        for statement, still_read in plan:
            statement.run(values, self.timed, batch)
            if self.touch is not None and isinstance(statement, _Unit):
                values[statement.op.name] = self.touch(values[statement.op.name])
            if not keep:
                values = {name: array for name, array in values.items() if name in still_read}
        return values


def piece_size(module: Module) -> int:
    """How many samples of a network are run at once."""
    types = [value.type for value in module.net.values.values()]
    sample_bytes = sum(t.size * (t.steps or 1) * t.element.numpy.itemsize for t in types)
    return max(1, min(CHUNK, CHUNK_BYTES // max(sample_bytes, 1)))


def _backend_rules(backend: str) -> dict[type[Op], Any]:
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r}; there are {', '.join(BACKENDS)}")
    if backend == "torch" or (backend == "auto" and "torch" in sys.modules):
        from akc.sim.torch_backend import TORCH_RULES

        return dict(TORCH_RULES)
    return {}


# -- inputs ----------------------------------------------------------------------------------------


def bind_inputs(entries: Sequence[Value], inputs: Inputs) -> Values:
    """The arrays by name, each checked against its type; raises DiagnosticError with all that do not fit."""
    if not isinstance(inputs, Mapping):
        if len(entries) != 1:
            names = ", ".join(f"%{v.name}" for v in entries)
            raise error(
                "AKC0702",
                f"one array was given, the network has the inputs {names}",
                help="give a mapping from names to arrays, or an .npz file",
            )
        inputs = {entries[0].name: np.asarray(inputs)}
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    faults = [fault for v in entries for fault in _input_faults(v, arrays)]
    lengths = {len(arrays[v.name]) for v in entries if v.name in arrays and arrays[v.name].ndim}
    if not faults and len(lengths) > 1:
        faults = [Diagnostic(code="AKC0703", message=f"inputs have different numbers of samples: {sorted(lengths)}")]
    if lengths == {0}:
        faults = [Diagnostic(code="AKC0703", message="there are no samples: the batch is empty")]
    if faults:
        raise DiagnosticError(faults)
    return {v.name: np.ascontiguousarray(arrays[v.name], v.type.element.numpy) for v in entries}


def _input_faults(value: Value, arrays: Mapping[str, Array]) -> list[Diagnostic]:
    name, kind = value.name, value.type
    if name not in arrays:
        given = ", ".join(arrays) or "nothing"
        return [Diagnostic(code="AKC0702", message=f"there is no array for %{name}", label=f"given: {given}")]
    array = arrays[name]
    if array.ndim < 1 or array.shape[1:] != kind.full_shape:
        message = f"%{name} takes [batch, {', '.join(map(str, kind.full_shape))}], found {list(array.shape)}"
        return [Diagnostic(code="AKC0703", message=message, help="the first axis is the batch, also for one sample")]
    return _number_faults(value, array)


def _number_faults(value: Value, array: Array) -> list[Diagnostic]:
    element = value.type.element
    if element.low is None:
        if array.dtype.kind not in "fiub":
            return [Diagnostic(code="AKC0703", message=f"%{value.name} takes numbers, found {array.dtype}")]
        if array.dtype.kind == "f" and np.isnan(array.sum()) and np.isnan(array).any():
            return [Diagnostic(code="AKC0703", message=f"the array for %{value.name} holds numbers that are NaN")]
        return []
    if array.dtype.kind not in "iub":
        message = f"%{value.name} takes whole numbers ({element.name}), found {array.dtype}"
        return [Diagnostic(code="AKC0703", message=message, help="convert the array, such as with .astype(np.uint8)")]
    if array.size and (array.min() < element.low or array.max() > (element.high or 0)):
        found = f"{array.min()} to {array.max()}"
        message = f"%{value.name} takes {element.low} to {element.high} ({element.name}), found {found}"
        return [Diagnostic(code="AKC0703", message=message)]
    return []


def _pieces(values: Values, size: int) -> list[Values]:
    """The batch in parts of at most `size` samples."""
    batch = len(next(iter(values.values()))) if values else 0
    return [{n: a[i : i + size] for n, a in values.items()} for i in range(0, max(batch, 1), size)]


# -- running ---------------------------------------------------------------------------------------


@frozen(eq=False)
class _Unit:
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


def _scan(unit: _Unit, operands: list[Array], over_time: list[bool], batch: int) -> Array:
    if unit.stateful is None:
        raise no_rule(unit.op)
    state = unit.stateful.start(batch)
    outputs = []
    for t in range(unit.op.type.steps or 1):
        state_in = [a[:, t] if timed else a for a, timed in zip(operands, over_time)]
        result, state = unit.stateful.step(state, *state_in)
        outputs.append(result)
    return outputs[0] if unit.op.type.steps is None else np.stack(outputs, axis=1)


@frozen(eq=False)
class _Loop:
    """Operations between a delayed value and what it is delayed from: they go through time together."""

    units: tuple[_Unit, ...]
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
        values.update({n: np.stack(parts, axis=1) if n in timed else parts[-1] for n, parts in kept.items()})

    def _step(self, now: Values, states: dict[str, Any]) -> None:
        for unit in self.units:
            if unit.delayed is None:
                states[unit.op.name] = unit.step(now, states[unit.op.name])


_Plan = list[tuple[_Unit | _Loop, frozenset[str]]]
"""Statements in order, each with the values that are read after it."""


def _prepare(op: Op, module: Module, mapped: dict[type[Op], Any]) -> _Unit:
    if (prepare := find_rule(mapped, op)) is not None:
        return _Unit(op, mapped=prepare(op, module))
    if (prepare := find_rule(WHOLE, op)) is not None:
        return _Unit(op, whole=prepare(op, module))
    if (prepare := find_rule(STATEFUL, op)) is not None:
        return _Unit(op, stateful=prepare(op, module))
    if (first := find_rule(DELAYED, op)) is not None:
        return _Unit(op, delayed=lambda batch: first(op, module, batch))
    raise no_rule(op)


def _check_sources(units: Sequence[_Unit], given: tuple[str, ...]) -> None:
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


def _with_loops(units: list[_Unit]) -> list[_Unit | _Loop]:
    """Units in order; from each delayed value to the definition of its operand they become one loop."""
    position = {unit.op.name: i for i, unit in enumerate(units)}
    plan: list[_Unit | _Loop] = []
    i = 0
    while i < len(units):
        end = _loop_end(units, position, i)
        plan.append(units[i] if end == i else _Loop(tuple(units[i : end + 1])))
        i = end + 1
    return plan


def _loop_end(units: list[_Unit], position: Mapping[str, int], start: int) -> int:
    end = i = start
    while i <= end:
        end = max([end, *(position.get(name, start) for name in _forward_operands(units[i].op))])
        i += 1
    return end
