# SPDX-License-Identifier: Apache-2.0
"""What the emulator knows of a layer once it has read its processors, and the faults of reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from akc.ir.ops.akida import Layer
from akc.targets.akida1.emulator.processors import Place, Processor, Words
from akc.targets.akida1.program.registers import RegisterBlock
from akc.targets.faults import BadGeometry

Array = npt.NDArray[Any]
Size = tuple[int, int]
Registers = Mapping[str, int]


@frozen(kw_only=True)
class DecodedLayer:
    """One layer, from the registers and memories of its processors (or of the image front end).

    kind: the operation; size: of its input along d0 and d1, None where only the job tells (image
    layer); channels: of its input, of a first dense layer as many as its memory has room for;
    registers: of its first processor, for routing; fields, weights: what the operation is made of.
    """

    name: str
    kind: type[Layer]
    places: tuple[Place, ...]
    registers: Registers = field(repr=False)
    size: Size | None
    channels: int
    input_bits: tuple[int, ...]
    filters: int
    fields: Mapping[str, Any]
    weights: Mapping[str, tuple[Array, str]] = field(repr=False)

    @property
    def columns(self) -> tuple[int, int]:
        """Lowest and highest column of its processors."""
        found = [column for column, _, _ in self.places]
        return min(found), max(found)


Checks = Iterable[tuple[str, int, int]]


def check(where: str, checks: Checks) -> None:
    """Raise BadGeometry with every (what, found, expected) that differs."""
    wrong = [
        f"{what} is {found}, {expected} goes with the rest" for what, found, expected in checks if found != expected
    ]
    if wrong:
        raise BadGeometry(f"{where}: " + "; ".join(wrong))


def read_registers(processor: Processor, block: RegisterBlock) -> Registers:
    """Fields by name. Raises BadGeometry where bits are set that no row knows, or a constant is another."""
    where = f"NP {processor.place}"
    words = processor.registers
    if words is None:
        raise BadGeometry(f"{where} has memories but no registers")
    unnamed = block.unnamed(words)
    if unnamed:
        shown = ", ".join(f"{number}: {bits:#x}" for number, bits in unnamed.items())
        raise BadGeometry(f"{where} has bits set that no register row knows ({shown})")
    values = block.decode(words)
    constants = [row for row in block.fields if row.status == "constant" and row.name.startswith("constant")]
    check(where, ((f"register word {row.word}", values[row.name], row.value) for row in constants))
    check(where, ((row.name, values[row.name], 0) for row in block.fields if row.later))
    return values


def one_block(processor: Processor, unit: int, what: str) -> Words:
    """The only block of a memory, from address 0. Raises BadGeometry."""
    blocks = processor.memories.get(unit, [])
    if len(blocks) != 1 or blocks[0].address:
        raise BadGeometry(f"NP {processor.place} has {len(blocks)} blocks of {what}, one from address 0 is needed")
    return blocks[0].words


def no_other_units(processor: Processor, units: Iterable[int]) -> None:
    """Raise BadGeometry where a memory is filled that this kind of layer does not use."""
    extra = set(processor.memories) - set(units)
    if extra:
        raise BadGeometry(f"NP {processor.place} has memories {sorted(extra)} that its layer does not use")


def vectors(thresholds: Array | None, steps: Array | None) -> dict[str, tuple[Array, str]]:
    """Threshold and act_step weights, for layers with activation."""
    found = {"threshold": (thresholds, "i32"), "act_step": (steps, "f32")}
    return {name: (np.asarray(values), kind) for name, (values, kind) in found.items() if values is not None}
