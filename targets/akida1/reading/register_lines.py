# SPDX-License-Identifier: Apache-2.0
"""A walk over a record as lines of text: every register field, weight row, threshold and step.

The disassembler prints the lines, `diff` compares them. A memory that cannot be decoded appears as
its raw words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from attrs import frozen

from akc.base.diagnostics import DiagnosticError
from akc.targets.akida1.program import hrc
from akc.targets.akida1.program.container import Record, Words
from akc.targets.akida1.program.fnp_memory import Memory
from akc.targets.akida1.program.number_forms import Integers, flipped
from akc.targets.akida1.program.registers import RegisterBlock
from akc.targets.akida1.program.tracks import UNIT_NAMES, record_blocks
from akc.targets.akida1.reading import contents as parts
from akc.targets.akida1.reading.contents import NpContents, front_end_block, image_layer, mesh_layer

HEX_FROM = 1 << 16
DIGITS = "0123456789abcdef"


@frozen
class Line:
    """One fact. place: the NP or the front end; section: registers or a memory; where: word and bits of a field."""

    place: str
    section: str
    name: str
    value: str
    where: str = ""


def record_lines(record: Record, inputs: int | None = None) -> Iterator[Line]:
    """All lines of a record. inputs: of a dense layer, where known; else its weights are shown in whole words."""
    blocks = record_blocks(record)
    if blocks and blocks[0].place is None:
        yield from _front_end_lines(record)
        return
    try:
        layer = mesh_layer(record)
    except DiagnosticError:
        yield from _raw_lines(record)
        return
    for np_ in layer:
        yield from np_lines(np_, inputs)


def register_lines(place: str, section: str, block: RegisterBlock, words: Words) -> Iterator[Line]:
    """A line for each field of a block, and one for each word with bits that no field covers."""
    values = block.decode(words)
    for row in sorted(block.fields, key=lambda row: (row.word, row.low)):
        if row.later and not values[row.name]:
            continue
        yield Line(place, section, row.name, _number(values[row.name]), f"{block.where(row)}[{row.bits}]")
    for number, bits in block.unnamed(words).items():
        yield Line(place, section, f"unnamed bits of word {number}", f"{bits:#010x}")


def _number(value: int) -> str:
    return f"{value:#x}" if value >= HEX_FROM else str(value)


def np_lines(contents: NpContents, inputs: int | None = None, learning: bool = False) -> Iterator[Line]:
    """Registers and memories of an NP."""
    place = f"NP {contents.place}"
    yield from register_lines(place, f"registers ({contents.block.name})", contents.block, contents.words)
    if contents.kind == "dense":
        yield from _decoded(place, "weights", contents.weights, lambda: _dense_lines(place, contents, inputs, learning))
    else:
        yield from _decoded(place, "filters", contents.weights, lambda: _filter_lines(place, contents))
        yield from _decoded(place, "thresholds", contents.thresholds, lambda: _threshold_lines(place, contents))


def _decoded(place: str, section: str, words: Words | None, lines: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """The lines of a memory, or its words where it cannot be decoded."""
    if words is None:
        return
    try:
        found = list(lines())
    except DiagnosticError as fault:
        found = list(_word_lines(place, f"{section}, not decoded: {fault.diagnostics[0].message}", words))
    yield from found


def _word_lines(place: str, section: str, words: Words) -> Iterator[Line]:
    for start in range(0, len(words), 8):
        row = " ".join(f"{int(word):08x}" for word in words[start : start + 8])
        yield Line(place, section, f"words from {start}", row)


def _raw_lines(record: Record) -> Iterator[Line]:
    for number, block in enumerate(record_blocks(record)):
        place = "front end" if block.place is None else f"NP {block.place}"
        section = f"block {number}, {UNIT_NAMES[block.unit]} at {block.address:#x}"
        yield from _word_lines(place, section, block.words)
    if record.external is not None:
        yield from _word_lines(f"NP {record.external.place}", "external weights", record.external.words)


# -- memories --------------------------------------------------------------------------------------


def hex_row(values: Integers, bits: int) -> str:
    """A row of weights as in .akir: two's complement, one digit up to 4 bits, two digits for 8."""
    codes = values.astype(np.int16).reshape(-1) & (1 << bits) - 1
    if bits > 4:
        return "".join(f"{int(code):02x}" for code in codes)
    return "".join(DIGITS[code] for code in codes)


def _step(value: object) -> str:
    return f"{float(value):g}" if float(value) < 1e5 else repr(float(value))  # type: ignore[arg-type]


def _dense_lines(place: str, contents: NpContents, inputs: int | None, learning: bool) -> Iterator[Line]:
    most = 32 * contents.values["input_words"]
    shared = bool(contents.values["loop_layer"])
    count = inputs if inputs is not None and (shared or most - 32 < inputs <= most) else most
    memory = parts.dense_memory(contents, count, learning)
    section = f"weights, {len(memory.weights)} units of {count} inputs, {memory.bits} bits, in the chip's order"
    for unit in range(len(memory.weights)):
        yield from (Line(place, section, f"unit {unit} {name}", value) for name, value in _unit(memory, unit))


def _unit(memory: Memory, unit: int) -> Iterator[tuple[str, str]]:
    if memory.thresholds is not None and memory.steps is not None:
        yield "threshold", str(int(memory.thresholds[unit]))
        yield "act_step", _step(memory.steps[unit])
    if memory.learned is not None:
        yield "class", str(int(memory.learned.classes[unit]))
        yield "threshold_learning", str(int(memory.learned.thresholds[unit]))
        yield "thswap", str(int(memory.learned.swaps[unit]))
    yield "weights", hex_row(memory.weights[unit], memory.bits)


def _filter_lines(place: str, contents: NpContents) -> Iterator[Line]:
    first = contents.values["first_filter"]
    if contents.kind == "conv":
        weights, bits = parts.conv_weights(contents)
        section = f"filters, {bits} bits, [k0, k1, channels], as cross-correlation"
        for number, row in enumerate(flipped(weights)):
            yield Line(place, section, f"filter {first + number} weights", hex_row(row, bits))
        return
    depthwise, pointwise, bits = parts.separable_weights(contents)
    section = f"depthwise, {bits} bits, [k0, k1], as cross-correlation"
    for number, row in enumerate(flipped(depthwise)):
        yield Line(place, section, f"channel {number} weights", hex_row(row, bits))
    for number, row in enumerate(pointwise):
        yield Line(place, f"pointwise, {bits} bits, [channels]", f"filter {first + number} weights", hex_row(row, bits))


def _threshold_lines(place: str, contents: NpContents) -> Iterator[Line]:
    first = contents.values["first_filter"]
    thresholds, steps = parts.mesh_thresholds(contents)
    for number, (threshold, step) in enumerate(zip(thresholds, steps, strict=True)):
        yield Line(place, "thresholds", f"filter {first + number} threshold", str(int(threshold)))
        yield Line(place, "thresholds", f"filter {first + number} act_step", _step(step))


def _front_end_lines(record: Record) -> Iterator[Line]:
    place = "front end"
    for number, block in enumerate(record_blocks(record)):
        try:
            rows = front_end_block(block)
        except DiagnosticError:
            yield from _word_lines(place, f"block {number} at {block.address:#x}", block.words)
            continue
        if rows is None:
            yield Line(place, f"block {number}, memory", "words", str(len(block.words)))
        else:
            yield from register_lines(place, f"block {number}, {rows.name}", rows, block.words)
    try:
        yield from list(_image_lines(place, record))
    except DiagnosticError:
        yield from _raw_memories(place, record)


def _raw_memories(place: str, record: Record) -> Iterator[Line]:
    for number, block in enumerate(record_blocks(record)):
        if block.unit not in (8,):
            yield from _word_lines(place, f"block {number}, memory words", block.words)


def _image_lines(place: str, record: Record) -> Iterator[Line]:
    if not any(block.unit == 0 for block in record_blocks(record)):
        return
    image = image_layer(record)
    weights = parts.image_weights(image, 1 if image.values["one_channel"] else 3)
    thresholds, steps = hrc.decode_thresholds(image.thresholds)
    for number, row in enumerate(weights):
        yield Line(place, "weights, 8 bits, [k0, k1, channels]", f"filter {number} weights", hex_row(row, 8))
    for number, (threshold, step) in enumerate(zip(thresholds, steps, strict=True)):
        yield Line(place, "thresholds", f"filter {number} threshold", str(int(threshold)))
        yield Line(place, "thresholds", f"filter {number} act_step", _step(step))
