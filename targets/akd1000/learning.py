# SPDX-License-Identifier: Apache-2.0
"""The learning layer: a last fully connected layer whose 1-bit weights change on the chip (docs/akd1000/learning.md).

It stands beside the passes of a program, with two sets of registers, learning on and off. All numbers
are computed in double precision, as the vendor's SDK 2.19.3 does.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from akc.diagnostics import error
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected, Learning
from akc.targets.akd1000 import fnp_memory
from akc.targets.akd1000.layer_code import Route, dense_memory, dense_registers, place_of
from akc.targets.akd1000.layers import LayerFacts
from akc.targets.akd1000.number_forms import Integers
from akc.targets.akd1000.program import ExternalWeights, LearningRecords, Record
from akc.targets.akd1000.registers import FNP
from akc.targets.akd1000.tracks import DENSE_WEIGHTS, REGISTERS, Block, track_words, whole

PADDED_FROM, PADDED_TO = 16383, 16
"""From this many words on, the container counts the weights in multiples of 16 words."""


def is_learning(layer: LayerFacts) -> bool:
    """Whether a layer learns."""
    return isinstance(layer.op, FullyConnected) and layer.op.learning is not None


def round_half_up(value: float) -> int:
    """To the nearest whole number, halves up."""
    return floor(value + 0.5)


def initial_swaps(settings: Learning) -> int:
    """Swaps of a unit that has not learned yet (thswap)."""
    return round_half_up(settings.num_weights * settings.initial_plasticity)


def learning_registers(settings: Learning, on: bool) -> dict[str, int]:
    """The fields of the FNP block that learning adds; none of them with learning off."""
    if not on:
        return {}
    count = settings.num_weights
    return {
        "learning_on": 1,
        "learning_cap": round_half_up(count * (1 - settings.learning_competition)),
        "learning_low": ceil(count * settings.min_plasticity),
        "learning_decay": ceil(initial_swaps(settings) * settings.plasticity_decay),
    }


def classes(units: int, count: int) -> Integers:
    """The class of each unit as stored: from 1 on, 0 if there is only one class."""
    if units % count:
        raise error("AKC0612", f"num_classes is {count}, {units} units cannot be shared out evenly")
    return np.zeros(units, np.int64) if count == 1 else 1 + np.arange(units) // (units // count)


def learned_state(module: Module, layer: LayerFacts) -> fnp_memory.Learned:
    """Classes, number of ones and learning state of the units."""
    op = layer.op
    assert isinstance(op, FullyConnected) and op.learning is not None
    units = layer.filters
    zeros = np.zeros(units, np.int32)
    fresh = np.full(units, initial_swaps(op.learning), np.int32)
    return fnp_memory.Learned(
        classes=classes(units, op.learning.num_classes),
        num_weights=op.learning.num_weights,
        thresholds=zeros if op.threshold_learning is None else module.array(op.threshold_learning),
        swaps=fresh if op.thswap is None else module.array(op.thswap),
    )


def learning_blocks(module: Module, layer: LayerFacts, route: Route) -> tuple[Block, Block, Block]:
    """Registers with learning on and off, and the weights, each as a block."""
    op = layer.op
    assert isinstance(op, FullyConnected) and op.learning is not None
    place = place_of(op.at[0])
    base = dense_registers(layer, route)
    registers = [FNP.encode(base | learning_registers(op.learning, on)) for on in (True, False)]
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
