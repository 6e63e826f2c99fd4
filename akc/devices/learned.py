# SPDX-License-Identifier: Apache-2.0
"""What a chip has learned, as a network: the learning layer's weights and state put back into the text."""

from __future__ import annotations

from attrs import evolve

from akc.compiler.program import Program
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected
from akc.targets import load_target
from akc.targets.faults import WrongState


def learning_layer(module: Module) -> tuple[str, FullyConnected] | None:
    """The sequence and the layer that learn, if there are any."""
    for sequence in module.net.sequences:
        for op in sequence.ops:
            if isinstance(op, FullyConnected) and op.learning is not None:
                return sequence.name, op
    return None


def with_learned(program: Program, data: bytes) -> Program:
    """The program with the weights and learning state that `Device.read_learned` gave; raises WrongState."""
    found = learning_layer(program.module)
    if found is None:
        raise WrongState("this program does not learn", "give the last layer learning=akida_unsupervised(...)")
    target = load_target(program.target)
    learner = next(s for s in program.sequences if s.sequence == found[0])
    module = target.learned(program.module, learner, data)
    return evolve(program, module=module, sequences=target.assemble(module, program.engine_version))
