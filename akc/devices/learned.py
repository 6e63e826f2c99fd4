# SPDX-License-Identifier: Apache-2.0
"""What a chip has learned, as a network: the learning layer's weights and state put back into the text."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from akc.compiler.program import Program
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected
from akc.sim.learning import State, with_state
from akc.targets import load_target
from akc.targets.akida1.driver.dma import HEADER_WORDS
from akc.targets.akida1.driver.errors import WrongState
from akc.targets.akida1.driver.plan import read_info
from akc.targets.akida1.program import fnp_memory
from akc.targets.akida1.program.container import Words
from akc.targets.akida1.program.number_forms import dense_from_chip

LEARNING_BITS = 1
"""Bits of a weight that can learn."""


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
    name, op = found
    info = next(read_info(s.info) for s in program.sequences if s.sequence == name)
    assert info.learning is not None
    words = np.frombuffer(data, "<u4").astype(np.uint32)
    if info.learning.weights.external is None:
        words = words[HEADER_WORDS:]
    module = _replaced(program.module, op, words)
    sequences = load_target(program.target).assemble(module, program.engine_version)
    return evolve(program, module=module, sequences=sequences)


def _replaced(module: Module, op: FullyConnected, words: Words) -> Module:
    """The module with the contents of the learning layer's memory in place of what it named."""
    x = module.net.types[op.x]
    memory = fnp_memory.decode(
        words, x.size, module.weights[op.weights].type.element.bits, op.activation, learning=True
    )
    learned = memory.learned
    assert learned is not None
    weights = dense_from_chip(memory.weights, x.shape)
    return with_state(module, op, State(weights, learned.thresholds, learned.swaps, learned.classes))
