# SPDX-License-Identifier: Apache-2.0
"""What a chip has learned, as a network: the learning layer's weights and state put back into the text."""

from __future__ import annotations

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops.akida import FullyConnected
from akc.ir.weights import Weight
from akc.program import Program
from akc.targets import load_target
from akc.targets.akd1000 import fnp_memory
from akc.targets.akd1000.driver.dma import HEADER_WORDS
from akc.targets.akd1000.driver.errors import WrongState
from akc.targets.akd1000.driver.plan import read_info
from akc.targets.akd1000.number_forms import dense_from_chip
from akc.targets.akd1000.program import Words


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
    held = module.weights[op.weights].type.element
    memory = fnp_memory.decode(words, x.size, held.bits, op.activation, learning=True)
    assert memory.learned is not None
    thresholds, swaps = op.threshold_learning or f"{op.name}.threshold_learning", op.thswap or f"{op.name}.thswap"
    new = {
        op.weights: Weight.of(dense_from_chip(memory.weights, x.shape), held.name),
        thresholds: Weight.of(memory.learned.thresholds, "i32"),
        swaps: Weight.of(memory.learned.swaps, "i32"),
    }

    def change(other: Op) -> Op:
        return evolve(op, threshold_learning=thresholds, thswap=swaps) if other is op else other

    changed = module.map_ops(change)
    return changed.with_statements(changed.net.statements, {**module.weights, **new})
