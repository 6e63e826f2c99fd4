# SPDX-License-Identifier: Apache-2.0
"""Run a built network on a device: sequences on the chip, everything between them on the host.

It is the simulator's runner with one change: where a sequence stands, the device computes. A sequence
is put on the chip when it is not there already, so once per batch and not once per sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op, Sequence, Statement
from akc.ir.ops.akida import Layer
from akc.program import Program
from akc.sim.registry import Array, Kernel
from akc.sim.run import Runner
from akc.targets.akd1000.driver.driver import LARGEST_BATCH, Device
from akc.targets.akd1000.driver.errors import WrongProgram
from akc.targets.akd1000.layers import on_host


class DeviceRunner(Runner):
    """A network made ready for a device. `batch`: inputs that may wait on the chip, at most 16."""

    def __init__(self, device: Device, program: Program, batch: int = LARGEST_BATCH) -> None:
        super().__init__(program.module)
        self.device, self.batch = device, batch
        self.programs = {s.sequence: s.bytes for s in program.sequences}
        self.owners = {s.ops[-1].name: s.name for s in program.module.net.sequences if not on_host(s)}
        """Sequence by the name of the value that it gives."""
        self.loaded: str | None = None
        self.module = condensed(program.module)
        host_rules = self.rules

        def prepare(op: Layer, module: Module) -> Kernel:
            if op.name in self.owners:
                return self._kernel(self.owners[op.name])
            kernel: Kernel = _host_rule(host_rules, op)(op, module)
            return kernel

        self.rules = {**host_rules, **dict.fromkeys((c for c in host_rules if issubclass(c, Layer)), prepare)}

    def _kernel(self, sequence: str) -> Kernel:
        def kernel(x: Array) -> Array:
            self.load(sequence)
            return self.device.forward(x, self.batch)

        return kernel

    def load(self, sequence: str) -> None:
        """Put a sequence's program on the chip unless it is there."""
        if self.loaded != sequence or not self.device.programmed:
            self.loaded = None
            Device.program(self.device, self.programs[sequence])
            self.loaded = sequence


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


def run_on(
    device: Device, program: Program, inputs: Any, raw: bool = False, batch: int = LARGEST_BATCH
) -> dict[str, Array]:
    """Run a network on a device: arrays by output name, batch axis first, as akc.sim.run.run gives them.

    inputs: an array, or arrays by input name; raw: the chip's own integers in and out.
    """
    return DeviceRunner(device, program, batch).run(_named(inputs), raw)


def _named(inputs: Any) -> Any:
    return inputs if isinstance(inputs, dict) else np.asarray(inputs)
