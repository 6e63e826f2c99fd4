# SPDX-License-Identifier: Apache-2.0
"""The disassembler: any program, the vendor's too, as text with every field named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs
import numpy as np

from akc.base.diagnostics import DiagnosticError
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.program.container import (
    Container,
    Header,
    LearningRecords,
    Record,
    RecordSpans,
    read,
    split,
)
from akc.targets.akida1.program.registers import EPG, EPG_WORDS
from akc.targets.akida1.program.writer import write
from akc.targets.akida1.reading.contents import Contents, check_device, contents_of, filters_of
from akc.targets.akida1.reading.register_lines import Line, np_lines, record_lines, register_lines

MOST_SHOWN = 16
"""Values of a vector of program_info that are shown."""


def disassemble(program: bytes, chip: Chip) -> str:
    """The text of a program; raises DiagnosticError AKC0610 (damaged) or AKC0611 (not one that can be read)."""
    return "\n".join(_lines(program, chip)) + "\n"


def _lines(program: bytes, chip: Chip) -> Iterator[str]:
    container = read(program)
    check_device(container.header, chip)
    info, data = split(program)
    yield f"{chip.title} program, program_info {len(info)} bytes, program_data {len(data)} bytes"
    yield ""
    yield from _header_lines(container.header)
    known = dict(enumerate(_known_records(container, chip)))
    spans = write(container).spans
    number = 0
    for index, records in enumerate(container.passes):
        for record in records:
            title, inputs = known.get(number, ("a layer of no known kind", None))
            yield ""
            yield f"pass {index}, record {number}: {title}{_tracks(record, spans[number])}"
            yield from _body(record_lines(record, inputs))
            number += 1
    if container.learning is not None:
        _, inputs = known.get(number, ("", None))
        yield from _learning_lines(container, container.learning, inputs, chip)


def _header_lines(header: Header) -> Iterator[str]:
    yield "program_info"
    for field in attrs.fields(Header):
        value = getattr(header, field.name)
        if field.name != "epg_tracks":
            yield f"  {field.name:20} {_shown(value)}"
    if header.epg_tracks is None:
        yield "  epg_tracks           absent"
        return
    words = np.zeros(EPG.length, np.uint32)
    for offset, value in header.epg_tracks:
        if offset // 4 not in EPG_WORDS or offset % 4:
            yield f"  event gateway {offset:#x} = {value:#010x}, not named"
        else:
            words[offset // 4] = value
    yield from _body(register_lines("event gateway", "registers", EPG, words))


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, np.ndarray):
        more = f", ... {len(value)} values" if len(value) > MOST_SHOWN else ""
        return f"[{', '.join(f'{v:g}' for v in value[:MOST_SHOWN])}{more}]"
    if isinstance(value, tuple):
        return ".".join(f"{v:02x}" for v in value)
    return str(value)


NAMES = {"dense": "fully connected", "conv": "convolution", "separable": "separable convolution"}


def _known_records(container: Container, chip: Chip) -> Iterator[tuple[str, int | None]]:
    """What each record is, and the inputs of a dense layer as far as registers tell; a learning layer comes last."""
    yield "mode of the front end", None
    try:
        contents = contents_of(container, chip)
    except DiagnosticError:
        return
    if contents.image is not None:
        yield "image layer", None
    rows = list(zip(contents.layers, _inputs(contents, container.header), strict=True))
    for number, count in enumerate(contents.passes, 1):
        for layer_number, (layer, inputs) in enumerate(rows[:count], 1):
            yield f"layer {layer_number}, {NAMES[layer[0].kind]}", inputs or None
        rows = rows[count:]
        if number < len(contents.passes):
            yield "NPs that the next pass starts on", None


def _tracks(record: Record, spans: RecordSpans) -> str:
    places = "".join(f"; track of {count} words at byte {start} of program_data" for start, count in spans.tracks)
    if spans.external is not None and record.external is not None:
        start, count = spans.external
        places += f"; external weights of NP {record.external.place}, {count} words at byte {start}"
    return places


def _body(lines: Iterable[Line]) -> Iterator[str]:
    """Lines under a heading for each place and section."""
    heading = ("", "")
    for line in lines:
        if (line.place, line.section) != heading:
            heading = line.place, line.section
            yield f"  {line.place}, {line.section}"
        where = f"{line.where:12} " if line.where else ""
        yield f"    {where}{line.name} = {line.value}"


def _inputs(contents: Contents, header: Header) -> Iterator[int]:
    dims = header.input_dims
    channels = int(dims[2]) if len(dims) == 3 else 0
    if contents.image is not None:
        channels = contents.image.filters
    for layer in contents.layers:
        yield layer[0].values["input_area"] * channels if layer[0].kind == "dense" else 0
        channels = filters_of(layer)


def _learning_lines(container: Container, learning: LearningRecords, inputs: int | None, chip: Chip) -> Iterator[str]:
    yield ""
    yield f"learning layer on NP {learning.place}, {learning.weight_words} words of weights"
    contents = contents_of(container, chip).learning
    assert contents is not None
    yield " registers with learning on, and weights"
    yield from _body(np_lines(contents, inputs, learning=True))
    yield " registers with learning off"
    yield from _body(record_lines(learning.inference))
