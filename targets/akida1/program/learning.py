# SPDX-License-Identifier: Apache-2.0
"""The learning layer: a last fully connected layer whose 1-bit weights change on the chip (docs/akd1000/learning.md).

It stands beside the passes of a program, with two sets of registers, learning on and off. The numbers of
a step are those of akc.sim.learning.
"""

from __future__ import annotations

from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected, Learning
from akc.sim.learning import initial_state, limits
from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.program import fnp_memory
from akc.targets.akida1.program.container import ExternalWeights, LearningRecords, Record
from akc.targets.akida1.program.layer_code import Extras, Route, dense_memory, dense_registers, place_of
from akc.targets.akida1.program.registers import FNP
from akc.targets.akida1.program.tracks import DENSE_WEIGHTS, REGISTERS, Block, track_words, whole

PADDED_FROM, PADDED_TO = 16383, 16
"""From this many words on, the container counts the weights in multiples of 16 words."""


def is_learning(layer: LayerFacts) -> bool:
    """Whether a layer learns."""
    return isinstance(layer.op, FullyConnected) and layer.op.learning is not None


def learning_registers(settings: Learning, on: bool) -> dict[str, int]:
    """The fields of the FNP block that learning adds; none of them with learning off."""
    if not on:
        return {}
    bounds = limits(settings)
    return {
        "learning_on": 1,
        "learning_cap": bounds.cap,
        "learning_low": bounds.low,
        "learning_decay": bounds.decay,
    }


def learned_state(module: Module, layer: LayerFacts) -> fnp_memory.Learned:
    """Classes, number of ones and learning state of the units."""
    op = layer.op
    assert isinstance(op, FullyConnected) and op.learning is not None
    state = initial_state(module, op)
    return fnp_memory.Learned(
        classes=state.classes, num_weights=op.learning.num_weights, thresholds=state.thresholds, swaps=state.swaps
    )


def learning_blocks(module: Module, layer: LayerFacts, route: Route, extras: Extras) -> tuple[Block, Block, Block]:
    """Registers with learning on and off, and the weights, each as a block."""
    op = layer.op
    assert isinstance(op, FullyConnected) and op.learning is not None
    place = place_of(op.at[0])
    base = {**dense_registers(layer, route), **extras.get(place, {})}
    registers = [FNP.encode({**base, **learning_registers(op.learning, on)}) for on in (True, False)]
    on, off = (Block(place, REGISTERS, 0, words, whole("registers", words)) for words in registers)
    words = dense_memory(module, layer, learned_state(module, layer))
    parts = fnp_memory.parts(layer.filters, layer.inputs, layer.weight_bits)
    return on, off, Block(place, DENSE_WEIGHTS, 0, words, parts)


def learning_records(blocks: tuple[Block, Block, Block], external: bool) -> LearningRecords:
    """The records of the learning layer. external: it runs on an FNP2."""
    on, off, weights = blocks
    assert weights.place is not None
    words = len(weights.words)
    outside = Record((), ExternalWeights(weights.place, weights.words))
    record = outside if external else Record((track_words([weights]),))
    return LearningRecords(
        place=weights.place,
        learning=Record((track_words([on]),)),
        inference=Record((track_words([off]),)),
        weights=record,
        weight_words=-(-words // PADDED_TO) * PADDED_TO if words >= PADDED_FROM else words,
    )
