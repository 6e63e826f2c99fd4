# SPDX-License-Identifier: Apache-2.0
"""The assembler: a placed module becomes programs, one a sequence, byte for byte as the vendor's SDK 2.19.3
writes them under the same placement (docs/akd1000/program.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, on_host
from akc.targets import ByteRange, SequenceProgram
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import KINDS, LayerFacts, layers_of
from akc.targets.akida1.program import hrc
from akc.targets.akida1.program.container import (
    CNP_SPARSE,
    DENSE,
    FNP_SPARSE,
    HRC_SPARSE,
    Container,
    Header,
    LearningRecords,
    Record,
    RecordSpans,
)
from akc.targets.akida1.program.engines import ENGINE_VERSION, check_engine
from akc.targets.akida1.program.layer_code import (
    CODERS,
    LayerCode,
    Route,
    image_window,
    steps_of,
    thresholds_of,
)
from akc.targets.akida1.program.learning import is_learning, learning_blocks, learning_records
from akc.targets.akida1.program.number_forms import Integers
from akc.targets.akida1.program.readiness import faults_of
from akc.targets.akida1.program.registers import EPG, EPG_WORDS
from akc.targets.akida1.program.routing import columns, routes
from akc.targets.akida1.program.tracks import HEADER_WORDS, Block, Part, pack, track_words
from akc.targets.akida1.program.writer import Written, write

OUTPUT_TYPES = {"dense": FNP_SPARSE, "conv": CNP_SPARSE, "separable": CNP_SPARSE, "image": HRC_SPARSE}
POTENTIAL_BITS = 32


def assemble(module: Module, chip: Chip, engine_version: str = ENGINE_VERSION) -> tuple[SequenceProgram, ...]:
    """The programs of all sequences on the chip, in order (layers pinned to the host have none).

    engine_version: what the vendor's engine compares with its own version. Raises DiagnosticError:
    AKC0605 where the layout of that version is not known, AKC0613 where a layer is not placed or a
    sequence is no chain, AKC0612 where a number does not fit the chip.
    """
    check_engine(engine_version)
    sequences = [sequence for sequence in module.net.sequences if not on_host(sequence)]
    faults = [fault for sequence in sequences for fault in faults_of(module, sequence, chip)]
    if not module.net.sequences:
        help = "akc opt -p place puts the layers of a quantised network into sequences"
        faults.append(Diagnostic(code="AKC0613", message="the network has no sequence", help=help))
    if faults:
        raise DiagnosticError(faults)
    programs: list[SequenceProgram] = []
    failures: list[Diagnostic] = []
    for sequence in sequences:
        try:
            programs.append(_assemble(module, layers_of(module, sequence, chip), sequence.name, engine_version))
        except DiagnosticError as fault:
            failures += fault.diagnostics
    if failures:
        raise DiagnosticError(failures)
    return tuple(programs)


@frozen(eq=False)
class _Coded:
    """A layer of a sequence and what became of it; `tracks` holds its blocks as they are cut."""

    layer: LayerFacts
    code: LayerCode
    tracks: tuple[tuple[Block, ...], ...]

    @property
    def record(self) -> Record:
        """The record of the container."""
        return Record(tuple(track_words(blocks) for blocks in self.tracks), self.code.external)


def _assemble(module: Module, layers: tuple[LayerFacts, ...], name: str, version: str) -> SequenceProgram:
    image = layers[0] if layers[0].kind == "image" else None
    mesh = layers[1:] if image else layers
    mode = hrc.mode_blocks(image.channels if image else None, not mesh)
    found = routes(mesh, image is not None)
    coded = [_code(module, layer, route) for layer, route in zip(mesh, found, strict=True) if not is_learning(layer)]
    if image:
        coded.insert(0, _code(module, image, {}))
    blocks = None
    if mesh and is_learning(mesh[-1]):
        with _blaming(mesh[-1].op):
            blocks = learning_blocks(module, mesh[-1], found[-1])
    external = blocks is not None and mesh[-1].op.at[0].kind == "fnp2"
    learning = None if blocks is None else learning_records(blocks, external)
    records = (Record((track_words(mode),)), *(c.record for c in coded))
    header = _header(module, layers, records, learning, version)
    written = write(Container(header=header, passes=(records,), learning=learning))
    ranges = [*_layer_ranges(coded, written), *_info_ranges(layers[-1], written)]
    if blocks is not None and written.learning is not None:
        ranges += _learning_ranges(layers[-1], blocks, written.learning)
    return SequenceProgram(sequence=name, info=written.info, data=written.data, map=tuple(ranges))


def _code(module: Module, layer: LayerFacts, route: Route) -> _Coded:
    with _blaming(layer.op):
        code = CODERS[layer.kind](module, layer, route)
    return _Coded(layer, code, pack(code.blocks))


@contextmanager
def _blaming(op: Layer) -> Iterator[None]:
    """Faults of a number name the layer that holds it."""
    try:
        yield
    except DiagnosticError as fault:
        raise DiagnosticError(_named(op, d) for d in fault.diagnostics) from fault


def _named(op: Layer, fault: Diagnostic) -> Diagnostic:
    return evolve(fault, message=f"%{op.name}: {fault.message}", span=fault.span or op.span(), origin=op.origin)


# -- header ----------------------------------------------------------------------------------------


def _header(
    module: Module,
    layers: tuple[LayerFacts, ...],
    records: tuple[Record, ...],
    learning: LearningRecords | None,
    version: str,
) -> Header:
    first, last = layers[0], layers[-1]
    mesh = layers[1:] if first.kind == "image" else layers
    window = image_window(first) if first.kind == "image" else (0, 0)
    input_type = _input_type(module, first)
    shift, scales = (np.zeros(0), np.zeros(0)) if last.op.activation else _output_scaling(module, last)
    return Header(
        version=version,
        device_version=first.chip.version,
        input_dims=np.array([*first.size, first.channels]),
        output_dims=np.array(last.op.type.shape),
        input_type=input_type,
        output_type=OUTPUT_TYPES[last.kind],
        output_bits=last.op.act_bits if last.op.activation else POTENTIAL_BITS,
        activation=int(last.op.activation),
        dense_window_w=window[1],
        dense_window_h=window[0],
        output_shift=shift,
        output_scales=scales,
        max_num_desc=_descriptors(records, learning, first.chip.descriptors),
        epg_tracks=_gateway(input_type, mesh[0]) if mesh else None,
        input_bits=first.input_bits,
    )


def _input_type(module: Module, first: LayerFacts) -> int:
    """Flat events go to a dense layer on a 1x1 map, unless a convolution of an earlier sequence made them."""
    if first.kind == "image":
        return DENSE
    source = module.net.producer(first.op.x)
    spatial = isinstance(source, Layer) and KINDS[type(source)] in ("conv", "separable")
    return FNP_SPARSE if first.kind == "dense" and first.size == (1, 1) and not spatial else CNP_SPARSE


def _output_scaling(module: Module, last: LayerFacts) -> tuple[Integers, Integers]:
    """What the host undoes: thresholds and reciprocal steps in float32."""
    with np.errstate(divide="ignore"):
        return thresholds_of(module, last.op), np.float32(1) / steps_of(module, last.op)


def _descriptors(records: tuple[Record, ...], learning: LearningRecords | None, most: int) -> int:
    count = sum(len(record.tracks) for record in records) + 1
    if learning is not None:
        count += 1 + len(learning.weights.tracks)
    if count > most:
        message = f"the program has {count} tracks, the container counts to {most}"
        raise DiagnosticError(Diagnostic(code="AKC0612", message=message))
    return count


def _gateway(kind: int, mesh: LayerFacts) -> tuple[tuple[int, int], ...]:
    """(offset, value) of the event gateway's registers."""
    low, high = columns(mesh.op.at)
    words = EPG.encode(
        {
            "flat_input": int(kind == FNP_SPARSE),
            "image_input": int(kind == DENSE),
            "first_low": low,
            "first_high": high,
        }
    )
    return tuple((4 * word, int(words[word])) for word in EPG_WORDS)


# -- byte map --------------------------------------------------------------------------------------


def _layer_ranges(coded: list[_Coded], written: Written) -> Iterator[ByteRange]:
    for layer, spans in zip(coded, written.spans[1:], strict=True):
        name = layer.layer.op.name
        for blocks, (start, _) in zip(layer.tracks, spans.tracks, strict=True):
            yield from _track_ranges(name, blocks, start)
        if spans.external is not None and layer.code.external is not None:
            place = str(layer.code.external.place)
            yield from _part_ranges(name, layer.code.external_parts, spans.external[0], place)


def _track_ranges(name: str, blocks: tuple[Block, ...], start: int) -> Iterator[ByteRange]:
    for block in blocks:
        place = "hrc" if block.place is None else str(block.place)
        yield from _part_ranges(name, block.parts, start + 4 * HEADER_WORDS, place)
        start += 4 * block.size


def _part_ranges(name: str, parts: tuple[Part, ...], start: int, place: str) -> Iterator[ByteRange]:
    for part in parts:
        yield ByteRange(
            part="data", start=start + 4 * part.start, end=start + 4 * part.end, layer=name, what=part.what,
            place=place, count=part.count, stride=4 * part.stride,
        )  # fmt: skip


def _learning_ranges(
    last: LayerFacts, blocks: tuple[Block, Block, Block], spans: tuple[RecordSpans, RecordSpans, RecordSpans]
) -> Iterator[ByteRange]:
    name = last.op.name
    for block, span in zip(blocks, spans, strict=True):
        if span.external is not None:
            yield from _part_ranges(name, block.parts, span.external[0], str(block.place))
        else:
            yield from _track_ranges(name, (block,), span.tracks[0][0])


def _info_ranges(last: LayerFacts, written: Written) -> Iterator[ByteRange]:
    """With the activation off, thresholds and steps of the last layer stand in program_info."""
    for field, what in (("output_shift", "thresholds"), ("output_scales", "act_steps")):
        start, end = written.info_spans[field]
        if end > start:
            yield ByteRange(part="info", start=start, end=end, layer=last.op.name, what=what)
