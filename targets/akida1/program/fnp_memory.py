# SPDX-License-Identifier: Apache-2.0
"""The weight memory of a fully connected layer, both ways; FNP2 and FNP3 are alike.

Units one behind the other, each 4 words (threshold, step and class, two for learning) and then bit
planes: for each sign, each 32 inputs and each bit of the magnitude one word (docs/akd1000/memories.md).
"""

from __future__ import annotations

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import error
from akc.targets.akida1.program.container import Words
from akc.targets.akida1.program.number_forms import (
    OFF_THRESHOLD,
    Integers,
    read_steps,
    read_thresholds,
    stored_steps,
    stored_thresholds,
)
from akc.targets.akida1.program.registers import Field, RegisterBlock
from akc.targets.akida1.program.tracks import Part

UNIT = RegisterBlock(
    "unit",
    0,
    4,
    "Head of a unit in the weight memory of an FNP",
    (
        Field(0, 0, 20, "threshold", "two's complement; 0x80000 where the activation is off"),
        Field(1, 0, 20, "step", "floor(16 act_step); 0 where the activation is off"),
        Field(1, 20, 12, "class", "learning with several classes: 1 + class of the unit"),
        Field(2, 0, 32, "num_weights", "learning: ones of a unit"),
        Field(3, 0, 16, "swaps", "learning: thswap"),
        Field(3, 16, 16, "learning_threshold", "learning: threshold_learning"),
    ),
)
HEAD_WORDS = UNIT.length
THRESHOLD_BITS, STEP_BITS = 20, 20
SIGNS = {1: (1,), 2: (1, -1), 4: (1, -1)}
PLANES = {1: 1, 2: 1, 4: 3}


@frozen(eq=False)
class Learned:
    """What a learning layer adds to each unit: classes (0 for none), number of ones, learning state, all [units]."""

    classes: Integers
    num_weights: int
    thresholds: Integers
    swaps: Integers


@frozen(eq=False)
class Memory:
    """The contents: weights [units, inputs] in the chip's order; thresholds and steps [units] or None if off."""

    weights: Integers = field(repr=False)
    bits: int
    thresholds: Integers | None = None
    steps: Integers | None = None
    learned: Learned | None = None


def unit_words(inputs: int, bits: int) -> int:
    """Words of one unit."""
    return HEAD_WORDS + len(SIGNS[bits]) * PLANES[bits] * -(-inputs // 32)


def encode(memory: Memory) -> Words:
    """uint32 words of all units; raises DiagnosticError AKC0612."""
    units = len(memory.weights)
    heads = np.zeros((units, HEAD_WORDS), np.int64)
    if memory.thresholds is None or memory.steps is None:
        heads[:, 0] = OFF_THRESHOLD
    else:
        heads[:, 0] = stored_thresholds(memory.thresholds, THRESHOLD_BITS)
        heads[:, 1] = stored_steps(memory.steps, STEP_BITS)
    if memory.learned is not None:
        _add_learning(heads, memory.learned)
    planes = _planes(memory.weights, memory.bits)
    return np.concatenate([heads.astype(np.uint32), planes.reshape(units, -1)], axis=1).reshape(-1)


def _add_learning(heads: Integers, learned: Learned) -> None:
    for values, high in ((learned.classes, 1 << 12), (learned.thresholds, 1 << 16), (learned.swaps, 1 << 16)):
        if values.size and not 0 <= values.min() <= values.max() < high:
            raise error("AKC0612", f"a learning value {values.max()} does not fit in {high.bit_length() - 1} bits")
    heads[:, 1] |= learned.classes.astype(np.int64) << 20
    heads[:, 2] = learned.num_weights
    heads[:, 3] = learned.thresholds.astype(np.int64) << 16 | learned.swaps


def _planes(weights: Integers, bits: int) -> Words:
    """[units, signs, blocks, planes] words; bit k of a word belongs to input 32 block + k."""
    units, inputs = weights.shape
    blocks = -(-inputs // 32)
    padded = np.zeros((units, blocks * 32), np.int8)
    padded[:, :inputs] = weights
    signs = [np.maximum(padded * np.int8(sign), 0).reshape(units, blocks, 1, 32) for sign in SIGNS[bits]]
    magnitudes = np.stack(signs, axis=1)
    planes = np.concatenate([magnitudes >> p & 1 for p in range(PLANES[bits])], axis=3)
    packed = np.packbits(planes.astype(np.uint8), axis=-1, bitorder="little")
    return packed.view("<u4")[..., 0]


def decode(words: Words, inputs: int, bits: int, activation: bool, learning: bool = False) -> Memory:
    """The contents of a memory; raises DiagnosticError AKC0611 where the words are no whole units."""
    size = unit_words(inputs, bits)
    if len(words) % size or not len(words):
        raise error("AKC0611", f"{len(words)} words are no whole number of units of {size} words")
    rows = words.reshape(-1, size)
    heads = rows[:, :HEAD_WORDS].astype(np.int64)
    shape = (len(rows), len(SIGNS[bits]), -(-inputs // 32), PLANES[bits])
    learned = Learned(heads[:, 1] >> 20, int(heads[0, 2]), heads[:, 3] >> 16, heads[:, 3] & 0xFFFF)
    return Memory(
        weights=_weights(rows[:, HEAD_WORDS:].reshape(shape), inputs, bits),
        bits=bits,
        thresholds=read_thresholds(heads[:, 0], THRESHOLD_BITS) if activation else None,
        steps=read_steps(heads[:, 1], STEP_BITS) if activation else None,
        learned=learned if learning else None,
    )


def _weights(planes: Words, inputs: int, bits: int) -> Integers:
    units = len(planes)
    as_bytes = np.ascontiguousarray(planes, "<u4")[..., None].view(np.uint8)
    digits = np.unpackbits(as_bytes, axis=-1, bitorder="little")
    weights = np.zeros((units, planes.shape[2] * 32), np.int8)
    for number, sign in enumerate(SIGNS[bits]):
        for plane in range(PLANES[bits]):
            weights += (sign << plane) * digits[:, number, :, plane].reshape(units, -1).astype(np.int8)
    return weights[:, :inputs]


def parts(units: int, inputs: int, bits: int) -> tuple[Part, ...]:
    """Which words of the memory are what; the same in every unit."""
    size = unit_words(inputs, bits)
    return Part("thresholds", 0, HEAD_WORDS, units, size), Part("weights", HEAD_WORDS, size, units, size)
