# SPDX-License-Identifier: Apache-2.0
"""Reading a fully connected layer: one FNP3, or an FNP2 with its weights in device memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from akc.ir.ops.akida import FullyConnected
from akc.targets.akida1.chip import Chip, Place
from akc.targets.akida1.emulator.device_memory import Memory
from akc.targets.akida1.emulator.layer import (
    Array,
    DecodedLayer,
    Registers,
    check,
    no_other_units,
    one_block,
    read_registers,
    vectors,
)
from akc.targets.akida1.emulator.processors import FNP_WEIGHTS, Processor, Words
from akc.targets.akida1.program import fnp_memory
from akc.targets.akida1.program.number_forms import dense_from_chip
from akc.targets.akida1.program.registers import BITS_OF_CODE, DENSE_WEIGHT_CODES, FNP
from akc.targets.faults import BadGeometry

FNP3_WORDS = 10752
MEMORY_ROWS = {"fnp3": 0x150, "fnp2": 0x70}
WEIGHT_TYPES = {1: "u1", 2: "i2", 4: "i4"}


@frozen(eq=False)
class DenseState:
    """A dense layer's registers and memory, and where the memory is (an address for an FNP2)."""

    processor: Processor
    registers: Registers
    bits: int
    words: Words
    address: int | None

    @property
    def inputs(self) -> int:
        """Inputs that the memory has room for."""
        return 32 * self.registers["input_words"]

    @property
    def channels(self) -> int:
        """Channels of the input, as many as there can be."""
        return self.inputs // self.registers["input_area"]

    def memory(self, channels: int) -> fnp_memory.Memory:
        """The memory's contents for an input of so many channels."""
        r = self.registers
        inputs = r["input_area"] * channels
        if -(-inputs // 32) != r["input_words"]:
            raise BadGeometry(
                f"NP {self.processor.place} has {r['input_words']} words of inputs, {inputs} inputs arrive"
            )
        return fnp_memory.decode(self.words, inputs, self.bits, bool(r["activation"]), bool(r["learning_on"]))


def read_state(processor: Processor, external: Mapping[int, int], memory: Memory, chip: Chip) -> DenseState:
    """The registers and memory of an FNP. Raises BadGeometry."""
    r = read_registers(processor, FNP)
    where = f"NP {processor.place}"
    bits = next((b for b, code in DENSE_WEIGHT_CODES.items() if code == r["weight_bits"]), None)
    kind = "fnp3" if r["internal_weights"] else "fnp2"
    if bits is None or r["input_bits"] not in BITS_OF_CODE or kind not in chip.by_place[processor.place].kinds:
        raise BadGeometry(f"{where} cannot be a {kind} with weight code {r['weight_bits']:#x}")
    total = r["units"] * fnp_memory.unit_words(32 * r["input_words"], bits)
    check(
        where,
        (
            ("memory_rows", r["memory_rows"], MEMORY_ROWS[kind]),
            ("np_count", r["np_count"], 1),
            ("input_area", r["input_area"], r["input_d0"] * r["input_d1"]),
            ("unit_activation", r["unit_activation"], r["activation"]),
            ("weight_words", r["weight_words"], total if kind == "fnp3" else 0),
        ),
    )
    if not total or not r["input_area"]:
        raise BadGeometry(f"{where} has no units or no inputs")
    if kind == "fnp3":
        return _internal(processor, r, bits, total)
    address = external[processor.place[2]]
    _check_external(processor, r, chip.config_dma)
    return DenseState(processor, r, bits, memory.words(address, total), address)


def _internal(processor: Processor, r: Registers, bits: int, total: int) -> DenseState:
    no_other_units(processor, (FNP_WEIGHTS,))
    words = one_block(processor, FNP_WEIGHTS, "weights")
    check(f"NP {processor.place}", (("the weight memory", len(words), total),))
    if total > FNP3_WORDS:
        raise BadGeometry(f"NP {processor.place} has {FNP3_WORDS} words of weights, {total} are needed")
    return DenseState(processor, r, bits, words, None)


def _check_external(processor: Processor, r: Registers, dma: Place) -> None:
    """An FNP2 must name the configuration DMA, through which it gets its weights."""
    no_other_units(processor, ())
    column, row, number = dma
    check(
        f"NP {processor.place}",
        (
            ("dma_column", r["dma_column"], column),
            ("dma_row", r["dma_row"], row),
            ("dma_mask", r["dma_mask"], 1 << number),
        ),
    )


def decode_dense(name: str, state: DenseState, channels: int | None) -> DecodedLayer:
    """The layer. channels: of the layer before, None for a first layer."""
    r = state.registers
    size = (r["input_d0"], r["input_d1"])
    channels = channels or state.channels
    memory = state.memory(channels)
    weights = dense_from_chip(memory.weights, (*size, channels))
    return DecodedLayer(
        name=name,
        kind=FullyConnected,
        places=(state.processor.place,),
        registers=r,
        size=size,
        channels=channels,
        input_bits=(BITS_OF_CODE[r["input_bits"]],),
        filters=len(weights),
        fields={"activation": bool(r["activation"]), "act_bits": BITS_OF_CODE[r["act_bits"]]},
        weights={"weights": (weights, WEIGHT_TYPES[state.bits]), **vectors(memory.thresholds, memory.steps)},
    )


def chip_inputs(map: Array) -> Array:
    """A map [d0, d1, channels] in the order of the weight memory: d0 fastest, channel slowest."""
    return np.ascontiguousarray(map.transpose(2, 1, 0)).reshape(-1)
