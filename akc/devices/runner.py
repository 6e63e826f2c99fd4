# SPDX-License-Identifier: Apache-2.0
"""Run a built network on a device: sequences on the chip, everything between them on the host.

It is the simulator's runner with one change: where a sequence stands, the device computes. A sequence
is put on the chip when it is not there already, so once per batch and not once per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from attrs import evolve

from akc.base.diagnostics import error
from akc.base.progress import Show
from akc.compiler.program import Program
from akc.devices.learned import learning_layer
from akc.ir.module import Module, Op, Sequence, Statement
from akc.ir.ops.akida import Layer, on_host
from akc.sim.registry import Array, Kernel
from akc.sim.run import Inputs, Runner, bind_inputs
from akc.targets import LARGEST_BATCH, Device
from akc.targets.faults import BadInput, WrongProgram, WrongState


class DeviceRunner(Runner):
    """A network made ready for a device. `batch`: inputs that may wait on the chip, at most 16.

    A sequence that learns keeps what it learned when another one takes its place on the chip. `remember`: see Runner.
    """

    def __init__(self, device: Device, program: Program, batch: int = LARGEST_BATCH, remember: bool = False) -> None:
        super().__init__(program.module, "numpy", remember=remember)
        self.device, self.program, self.batch = device, program, batch
        self.programs = {s.sequence: s.bytes for s in program.sequences}
        self.owners = {s.ops[-1].name: s.name for s in program.module.net.sequences if not on_host(s)}
        """Sequence by the name of the value that it gives."""
        self.loaded: str | None = None
        self._number = 0
        found = learning_layer(program.module)
        self.learner = None if found is None else found[0]
        """The sequence that learns."""
        self.classes = 0 if found is None or found[1].learning is None else found[1].learning.num_classes
        self.learning = False
        self.learned: bytes | None = None
        """What the learner had learned when it left the chip."""
        self._labels: Array | None = None
        self._fitting = False
        self._samples = self._done = self._runs = 0
        self.module = condensed(program.module)
        host_rules = self.rules

        def prepare(op: Layer, module: Module) -> Kernel:
            if op.name in self.owners:
                return self._kernel(self.owners[op.name])
            kernel: Kernel = _host_rule(host_rules, op)(op, module)
            return kernel

        self.rules = {**host_rules, **dict.fromkeys((c for c in host_rules if issubclass(c, Layer)), prepare)}

    def run(self, inputs: Inputs, raw: bool = False, keep: bool = False) -> dict[str, Array]:
        """As the simulator's runner; the device's progress counts all samples and sequences."""
        self._samples = len(next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs)
        self._done = 0
        return super().run(inputs, raw, keep)

    def _run_piece(self, plan: Any, values: dict[str, Array], keep: bool) -> dict[str, Array]:
        count = len(next(iter(values.values())))
        self._runs = 0
        with share(self.device, self._done / self._samples, (self._done + count) / self._samples):
            result = super()._run_piece(plan, values, keep)
        self._done += count
        return result

    def _kernel(self, sequence: str) -> Kernel:
        def kernel(x: Array) -> Array:
            run, runs = self._runs, len(self.programs)
            self._runs += 1
            with share(self.device, run / runs, run / runs):
                self.load(sequence)
            with share(self.device, run / runs, (run + 1) / runs):
                return as_said(compute(x), len(x))

        wanted = next(s.ops[-1] for s in self.program.module.net.sequences if s.name == sequence)

        def as_said(result: Array, count: int) -> Array:
            """What the chip gives has the size that the text says."""
            if result.size != count * wanted.type.size:
                each = result.size // max(count, 1)
                message = (
                    f"the program of @{sequence} gives {each} numbers, its text says %{wanted.name} : {wanted.type}"
                )
                raise error(
                    "AKC0603", message, help="build the network again; its text and its bytes do not belong together"
                )
            return result

        def compute(x: Array) -> Array:
            if not self._fitting or sequence != self.learner:
                return self.device.forward(x, self.batch)
            labels = self._labels
            each = None if labels is None else labels.repeat(len(x) // len(labels)).tolist()
            return self.device.fit(x, each)

        return kernel

    def load(self, sequence: str) -> None:
        """Put a sequence's program on the chip unless it is there. Raises WrongState where learning was lost."""
        there = self.device.programmed and self.device.programs == self._number
        if self.loaded == sequence and there:
            return
        if self.loaded is not None and self.loaded == self.learner:
            if not there:
                raise WrongState(
                    "the device was reset or programmed anew, what it learned is lost", "call program(...) again"
                )
            self.learned = self.device.read_learned()
        self.loaded = None
        self.device.program(self.programs[sequence])
        self.loaded, self._number = sequence, self.device.programs
        if sequence == self.learner:
            self.device.set_learning(self.learning)
            if self.learned is not None:
                self.device.write_learned(self.learned)

    def load_learner(self) -> None:
        """Put the sequence that learns on the chip; raises WrongState if none does."""
        if self.learner is None:
            raise WrongState("this network does not learn", "give its last layer learning=akida_unsupervised(...)")
        self.load(self.learner)

    def fit(self, inputs: Inputs, labels: Any = None) -> dict[str, Array]:
        """Learn from samples one by one; outputs are from before each step. labels: whole numbers [n], or None."""
        arrays = bind_inputs(self.module.net.inputs, inputs)
        count = len(next(iter(arrays.values())))
        given = None if labels is None else np.asarray(labels)
        if given is not None and given.shape != (count,):
            raise BadInput(f"{count} inputs have labels of shape {given.shape}")
        if given is not None and not 0 <= given.min() <= given.max() < self.classes:
            raise BadInput(f"labels lie in 0..{self.classes - 1}, found {given.min()}..{given.max()}")
        pieces = []
        self._fitting = True
        try:
            for first in range(0, count, self.piece):
                part = slice(first, first + self.piece)
                self._labels = None if given is None else given[part]
                pieces.append(self.run({name: array[part] for name, array in arrays.items()}))
        finally:
            self._fitting, self._labels = False, None
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


PROGRESS_STEPS = 1000


@contextmanager
def share(device: Device, start: float, stop: float) -> Iterator[None]:
    """Inside, the device's progress from nothing to all is told as from `start` to `stop`, of one."""
    tell = device.progress

    def told(done: int, total: int) -> None:
        tell(round(PROGRESS_STEPS * (start + (stop - start) * done / max(total, 1))), PROGRESS_STEPS)

    device.progress = told
    try:
        yield
    finally:
        device.progress = tell


@contextmanager
def also_told(device: Device, show: Show) -> Iterator[None]:
    """Inside, the device's progress is told to `show`, too."""
    tell = device.progress

    def told(done: int, total: int) -> None:
        tell(done, total)
        show(done, total, "on the device")

    device.progress = told
    try:
        yield
    finally:
        device.progress = tell


def _host_rule(rules: dict[type[Op], Any], op: Op) -> Any:
    return next(rules[c] for c in type(op).__mro__ if c in rules)


def condensed(module: Module) -> Module:
    """The module with one operation for each sequence on the chip: its last layer, reading what the first reads.

    Raises WrongProgram where something outside reads a value from the middle of a sequence.
    """
    statements: list[Statement] = []
    hidden: dict[str, str] = {}
    for statement in module.net.statements:
        if not isinstance(statement, Sequence) or on_host(statement):
            statements.append(statement)
            continue
        first, last = statement.ops[0], statement.ops[-1]
        hidden.update({op.name: statement.name for op in statement.ops[:-1]})
        statements.append(evolve(last, x=first.operands[0]))  # type: ignore[call-arg]
    net = evolve(module.net, statements=tuple(statements))
    for name in (*net.outputs, *(n for op in net.ops for n in op.operands)):
        if name in hidden:
            raise WrongProgram(
                f"%{name} is in the middle of sequence @{hidden[name]}, whose program gives its last value only",
                "end the sequence there",
            )
    return evolve(module, net=net)


def bare(device: Any) -> Device:
    """The chip itself behind a device that takes whole networks."""
    return getattr(device, "driver", device)  # type: ignore[no-any-return]


def run_on(
    device: Any, program: Program, inputs: Any, raw: bool = False, batch: int = LARGEST_BATCH
) -> dict[str, Array]:
    """Run a network on a device: arrays by output name, batch axis first, as akc.sim.run.run gives them.

    inputs: an array, or arrays by input name; raw: the chip's own integers in and out.
    """
    return DeviceRunner(bare(device), program, batch).run(_named(inputs), raw)


def _named(inputs: Any) -> Any:
    return inputs if isinstance(inputs, dict) else np.asarray(inputs)
