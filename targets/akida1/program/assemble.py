# SPDX-License-Identifier: Apache-2.0
"""The assembler: a placed module becomes programs, one a sequence, byte for byte as the vendor's SDK 2.19.3
writes them under the same placement (docs/akd1000/program.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, on_host
from akc.targets import ByteRange, SequenceProgram
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import KINDS, LayerFacts, layers_of
from akc.targets.akida1.limits.tests import MOST_DENSE_CHANNELS
from akc.targets.akida1.program import hrc
from akc.targets.akida1.program.container import (
    CNP_SPARSE,
    DENSE,
    FNP_SPARSE,
    HRC_SPARSE,
    Container,
    Header,
    LearningRecords,
    Place,
    Record,
    RecordSpans,
)
from akc.targets.akida1.program.engines import ENGINE_VERSION, check_engine
from akc.targets.akida1.program.layer_code import (
    CODERS,
    LayerCode,
    image_window,
    steps_of,
    thresholds_of,
)
from akc.targets.akida1.program.learning import is_learning, learning_blocks, learning_records
from akc.targets.akida1.program.number_forms import Integers
from akc.targets.akida1.program.passes import (
    Fields,
    Layers,
    extra_blocks,
    later_fields,
    loop_fields,
    pass_codes,
    split_passes,
)
from akc.targets.akida1.program.readiness import faults_of
from akc.targets.akida1.program.registers import EPG, EPG_WORDS, SEVERAL_PASSES
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
    """A record of a program: blocks as they are cut into tracks, and the layer that they are of, if they are."""

    tracks: tuple[tuple[Block, ...], ...]
    layer: LayerFacts | None = None
    code: LayerCode | None = None

    @property
    def record(self) -> Record:
        """The record of the container."""
        external = None if self.code is None else self.code.external
        return Record(tuple(track_words(blocks) for blocks in self.tracks), external)


@frozen
class _Plan:
    """The layers of a sequence: the image layer, if there is one, and the mesh layers of each pass."""

    module: Module
    layers: tuple[LayerFacts, ...]
    image: LayerFacts | None
    passes: list[Layers]

    @property
    def several(self) -> bool:
        """Whether there is more than one pass."""
        return len(self.passes) > 1

    @property
    def last(self) -> LayerFacts:
        """The last layer of all."""
        return self.layers[-1]

    @property
    def dense_output(self) -> bool:
        """Whether the output leaves the chip as a whole map."""
        if not self.last.chip.dense or self.last.kind == "image" or self.last.filters > MOST_DENSE_CHANNELS:
            return False
        return self.last.kind == "dense" or self.last.op.activation


def _plan(module: Module, layers: tuple[LayerFacts, ...]) -> _Plan:
    image = layers[0] if layers[0].kind == "image" else None
    mesh = layers[1:] if image else layers
    return _Plan(module, layers, image, split_passes(mesh) if mesh else [])


def _assemble(module: Module, layers: tuple[LayerFacts, ...], name: str, version: str) -> SequenceProgram:
    plan = _plan(module, layers)
    groups, learning = _code_passes(plan)
    passes = tuple(tuple(c.record for c in group) for group in groups)
    records = None
    if learning is not None:
        records = learning_records(learning, plan.last.op.at[0].kind == "fnp2")
    header = _header(plan, passes, records, version)
    written = write(Container(header=header, passes=passes, learning=records))
    ranges = [*_layer_ranges([c for group in groups for c in group], written), *_info_ranges(plan.last, written)]
    if learning is not None and written.learning is not None:
        ranges += _learning_ranges(plan.last, learning, written.learning)
    return SequenceProgram(sequence=name, info=written.info, data=written.data, map=tuple(ranges))


def _code_passes(plan: _Plan) -> tuple[list[list[_Coded]], tuple[Block, Block, Block] | None]:
    """The records of each pass, and the blocks of a learning layer, which stand beside them."""
    groups = [[_Coded(pack(_mode(plan)))]]
    if plan.image:
        groups[0].append(_code(plan, plan.image, {}, {}))
    learning = None
    found = routes(plan.passes, plan.image is not None)
    codes = [pass_codes(mesh, route, plan.several) for mesh, route in zip(plan.passes, found, strict=True)]
    for number, mesh in enumerate(plan.passes):
        extras = later_fields(mesh, number == 0)
        group = groups[0] if number == 0 else []
        loops: dict[Place, Fields] = {}
        if number + 1 < len(plan.passes):
            follower = plan.passes[number + 1][0]
            loops = loop_fields(codes[number], len(mesh), follower, codes[number + 1])
            extras = {place: {**extras.get(place, {}), **loops.get(place, {})} for place in {*extras, *loops}}
        for layer, route in zip(mesh, found[number], strict=True):
            if is_learning(layer):
                with _blaming(layer.op):
                    learning = learning_blocks(plan.module, layer, route, extras)
            else:
                group.append(_code(plan, layer, route, extras))
        if loops:
            blocks = list(extra_blocks(codes[number], len(mesh), follower, codes[number + 1], loops))
            group.append(_Coded(pack(blocks) if blocks else ()))
        if number:
            groups.append(group)
    return groups, learning


def _mode(plan: _Plan) -> list[Block]:
    first, last = plan.layers[0], plan.last
    image = plan.image is not None
    if not first.chip.dense:
        return hrc.mode_blocks(first.channels if image else None, not plan.passes)
    d0, d1, channels = last.op.type.shape
    output = (d0, d1, channels) if plan.dense_output else None
    with _blaming(last.op):
        return hrc.dense_mode_blocks(first.channels, image, not plan.passes, output)


def _code(plan: _Plan, layer: LayerFacts, route: Fields, extras: Mapping[Place, Fields]) -> _Coded:
    with _blaming(layer.op):
        code = CODERS[layer.kind](plan.module, layer, route, extras, plan.several)
    return _Coded(pack(code.blocks), layer, code)


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
    plan: _Plan, passes: tuple[tuple[Record, ...], ...], learning: LearningRecords | None, version: str
) -> Header:
    first, last = plan.layers[0], plan.last
    window = image_window(first) if first.kind == "image" else (0, 0)
    input_type = _input_type(plan.module, first)
    shift, scales = (np.zeros(0), np.zeros(0)) if last.op.activation else _output_scaling(plan.module, last)
    return Header(
        version=version,
        device_version=first.chip.version,
        input_dims=np.array([*first.size, first.channels]),
        output_dims=np.array(last.op.type.shape),
        input_type=DENSE if first.chip.dense else input_type,
        output_type=DENSE if plan.dense_output else OUTPUT_TYPES[last.kind],
        output_bits=last.op.act_bits if last.op.activation else POTENTIAL_BITS,
        activation=int(last.op.activation),
        dense_window_w=window[1],
        dense_window_h=window[0],
        output_shift=shift,
        output_scales=scales,
        max_num_desc=_descriptors(passes, learning, first.chip.descriptors),
        epg_tracks=_gateway(plan, input_type) if plan.passes else None,
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


def _descriptors(passes: tuple[tuple[Record, ...], ...], learning: LearningRecords | None, most: int) -> int:
    """Tracks of the largest pass and one more; raises AKC0612 where all passes together have too many."""
    counts = [sum(len(record.tracks) for record in records) for records in passes]
    if learning is not None:
        counts[-1] += 1 + len(learning.weights.tracks)
    count = max(counts) + 1
    if count * len(passes) > most:
        message = f"the program has {count} tracks, the container counts to {most}"
        if len(passes) > 1:
            message = f"the program has {len(passes)} passes of up to {count} tracks, together {most} are available"
        raise DiagnosticError(Diagnostic(code="AKC0612", message=message))
    return count


def _gateway(plan: _Plan, kind: int) -> tuple[tuple[int, int], ...]:
    """(offset, value) of the event gateway's registers."""
    low, high = columns([at for mesh in plan.passes for at in mesh[0].op.at])
    values = {
        "flat_input": int(kind == FNP_SPARSE),
        "image_input": int(kind == DENSE or plan.last.chip.dense),
        "first_low": low,
        "first_high": high,
    }
    words = EPG.encode(values | ({"constant_3": SEVERAL_PASSES} if plan.several else {}))
    return tuple((4 * word, int(words[word])) for word in EPG_WORDS)


# -- byte map --------------------------------------------------------------------------------------


def _layer_ranges(coded: list[_Coded], written: Written) -> Iterator[ByteRange]:
    for record, spans in zip(coded, written.spans, strict=True):
        if record.layer is None or record.code is None:
            continue
        name = record.layer.op.name
        for blocks, (start, _) in zip(record.tracks, spans.tracks, strict=True):
            yield from _track_ranges(name, blocks, start)
        if spans.external is not None and record.code.external is not None:
            place = str(record.code.external.place)
            yield from _part_ranges(name, record.code.external_parts, spans.external[0], place)


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
