# SPDX-License-Identifier: Apache-2.0
"""What a chip has learned, put back into the text: the learning layer's weights and state."""

from __future__ import annotations

import numpy as np

from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected
from akc.sim.learning import State, with_state
from akc.targets.akida1.driver.dma import HEADER_WORDS
from akc.targets.akida1.driver.plan import read_info
from akc.targets.akida1.program import fnp_memory
from akc.targets.akida1.program.number_forms import dense_from_chip


def with_learned(module: Module, info: bytes, data: bytes) -> Module:
    """The module with the learning layer's memory, as `Device.read_learned` gave it, in place of what it named.

    info: program_info of the sequence that learns.
    """
    learning = read_info(info).learning
    op = next(op for op in module.net.ops if isinstance(op, FullyConnected) and op.learning is not None)
    assert learning is not None
    words = np.frombuffer(data, "<u4").astype(np.uint32)
    if learning.weights.external is None:
        words = words[HEADER_WORDS:]
    x = module.net.types[op.x]
    bits = module.weights[op.weights].type.element.bits
    memory = fnp_memory.decode(words, x.size, bits, op.activation, learning=True)
    learned = memory.learned
    assert learned is not None
    weights = dense_from_chip(memory.weights, x.shape)
    return with_state(module, op, State(weights, learned.thresholds, learned.swaps, learned.classes))
