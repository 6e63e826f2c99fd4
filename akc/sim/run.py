# SPDX-License-Identifier: Apache-2.0
"""Run a module of any level on arrays: float layers, spiking neurons, chip layers and the host's part.

run(module, {"image": images})          # dict of arrays by output name, batch axis first
run(module, images)                     # the same for a network with one input
run(module, levels, raw=True)           # the chip's own integers in and out
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from math import prod

import numpy as np

from akc.base.diagnostics import error
from akc.base.progress import Show, silent
from akc.ir.module import Module, Op, Value
from akc.ir.ops.akida import Layer
from akc.ir.ops.host import Quantize
from akc.sim.engine import runtime
from akc.sim.inputs import Inputs, Values, bind_inputs, pieces
from akc.sim.registry import DELAYED, MAPPED, STATEFUL, Array, Prepare, find_rule, load_rules
from akc.sim.statements import Plan, Statement, Unit, check_sources, fused, prepare, remembering, with_loops

__all__ = ["BACKENDS", "Inputs", "Runner", "Values", "bind_inputs", "run"]

BACKENDS = ("auto", "numpy", "onnxruntime")

CHUNK = 512
"""Samples that are run at once at most; larger batches go through in pieces."""

CHUNK_BYTES = 1 << 28
"""What all values of a piece may take together; networks with large maps go through in smaller pieces."""

WORTH_A_SESSION = 1 << 30
"""Multiply-adds of chip layers from which on "auto" takes ONNX Runtime: loading it takes about as long in numpy."""


def run(module: Module, inputs: Inputs, raw: bool = False, keep: bool = False, backend: str = "auto") -> Values:
    """Run a module; the result is a dict of arrays by name, batch axis first.

    inputs: an array for each input of the net, or a lone array for the only one; shape
        [batch, *shape] or [batch, T, *shape].
    raw: inputs are the integers that enter the chip (results of host.quantize in front of it, or the
        net's own integer inputs), and the result is what the last chip layer gives: levels or potentials.
    keep: give every value that was computed, inputs included.
    backend: "numpy"; "onnxruntime" for chip layers and the border, with the same integers; "auto": the second
        where it is installed and the work is worth a session.
    Raises DiagnosticError for inputs that do not fit (AKC0702, AKC0703), operations that cannot be run
    (AKC0704, AKC0204), raw runs of networks without a chip layer (AKC0705) and unknown or missing backends (AKC0740).
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
        remember: bool = False,
        progress: Show = silent,
    ) -> None:
        """doubles: whether float inputs, and with them all float layers and neurons, are computed in float64; touch:
        what to do to each result before it is used; remember: whether each run starts with the states that the one
        before left (then all must have as many samples, at most `piece`); progress: told of each statement."""
        self.touch, self.remember, self.progress = touch, remember, progress
        load_rules()
        _check_backend(backend)
        self.backend = "numpy" if doubles or touch is not None else backend
        self.doubles = doubles
        self.module = module
        self.work = 0
        self.rules: dict[type[Op], Prepare] = dict(MAPPED)
        self.units: dict[str, Unit] = {}
        self.plans: dict[tuple[bool, bool, bool], Plan] = {}
        self.piece = piece_size(module)
        self.timed = {v.name for v in module.net.values.values() if v.type.steps is not None}

    def run(self, inputs: Inputs, raw: bool = False, keep: bool = False) -> Values:
        """See `run`."""
        entries = self.raw_entries if raw else self.module.net.inputs
        wanted = (self.raw_exit,) if raw else self.module.net.outputs
        values = bind_inputs(entries, inputs)
        if self.doubles:
            values = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in values.items()}
        key = (raw, keep, self._takes_engine(values))
        if key not in self.plans:
            self.plans[key] = self._plan(tuple(values), wanted, keep, fast=key[2])
        count = len(next(iter(values.values()), ()))
        self.done, self.total = 0, len(self.plans[key]) * -(-count // self.piece)
        parts = [self._run_piece(self.plans[key], part, keep) for part in pieces(values, self.piece)]
        joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]} if parts[1:] else parts[0]
        return joined if keep else {name: joined[name] for name in wanted}

    def _takes_engine(self, values: Values) -> bool:
        """Whether chip layers run in ONNX Runtime from now on; what has been run before counts."""
        if self.backend != "auto":
            return self.backend == "onnxruntime"
        self.work += self.multiply_adds * len(next(iter(values.values()), ()))
        return self.work >= WORTH_A_SESSION and runtime.is_installed()

    @cached_property
    def multiply_adds(self) -> int:
        """Of all chip layers for one sample."""
        layers = [op for op in self.module.net.ops if isinstance(op, Layer)]
        return sum(_multiply_adds(op, self.module) for op in layers)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The values whose operations remember something from one time step to the next."""
        kept = (STATEFUL, DELAYED)
        return tuple(op.name for op in self.module.net.ops if any(find_rule(rules, op) for rules in kept))

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

    def _plan(self, given: tuple[str, ...], wanted: tuple[str, ...], keep: bool, fast: bool) -> Plan:
        needed = self._needed(given, wanted)
        units = [self._unit(op) for op in self.module.net.ops if op.name in needed]
        check_sources(units, given)
        statements: list[Statement] = with_loops(units)
        if fast:
            statements = fused(statements, self.module, frozenset(needed if keep else wanted))
        plan: Plan = []
        still_read = frozenset(wanted)
        for statement in reversed(statements):
            plan.append((statement, still_read))
            still_read |= statement.reads
        return plan[::-1]

    def _unit(self, op: Op) -> Unit:
        if op.name not in self.units:
            unit = prepare(op, self.module, self.rules)
            self.units[op.name] = remembering(unit) if self.remember else unit
        return self.units[op.name]

    def _run_piece(self, plan: Plan, values: Values, keep: bool) -> Values:
        values = dict(values)
        batch = len(next(iter(values.values())))
        for statement, still_read in plan:
            statement.run(values, self.timed, batch)
            if self.touch is not None and isinstance(statement, Unit):
                values[statement.op.name] = self.touch(values[statement.op.name])
            self._tell()
            if not keep:
                values = {name: array for name, array in values.items() if name in still_read}
        return values

    def _tell(self) -> None:
        self.done += 1
        self.progress(self.done, self.total, "simulating")


def piece_size(module: Module) -> int:
    """How many samples of a network are run at once."""
    types = [value.type for value in module.net.values.values()]
    sample_bytes = sum(t.size * (t.steps or 1) * t.element.numpy.itemsize for t in types)
    return max(1, min(CHUNK, CHUNK_BYTES // max(sample_bytes, 1)))


def _multiply_adds(op: Layer, module: Module) -> int:
    """At most so many: every weight meets every window of the input."""
    shape, count = module.net.types[op.x].shape, sum(module.weights[name].type.size for name in _kernels(op))
    stride: tuple[int, ...] = getattr(op, "stride", shape[:2])
    return count * prod(-(-n // s) for n, s in zip(shape[:2], stride)) * (op.type.steps or 1)


def _kernels(op: Layer) -> Iterable[str]:
    return (getattr(op, key) for key in ("weights", "pointwise") if hasattr(op, key))


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise error("AKC0740", f"there is no backend called {backend}", help=f"take one of {', '.join(BACKENDS)}")
    if backend == "onnxruntime" and not runtime.is_installed():
        help = "pip install 'akc[fast]', or take numpy, which gives the same numbers"
        raise error("AKC0740", "the backend onnxruntime is not installed", help=help)
