# SPDX-License-Identifier: Apache-2.0
"""The program container: program_info and program_data, two size-prefixed FlatBuffers.

`read` takes any such pair apart, by the table of slots; akc.targets.akida1.program.writer puts it
together. What the tracks hold is the business of akc.targets.akida1.program.tracks (docs/akd1000/program.md).
"""

from __future__ import annotations

from re import fullmatch
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from akc.base.diagnostics import error
from akc.base.flatbuffer import Buffer, Table, split_sized
from akc.targets.akida1.program.engines import ENGINE_VERSION, check_engine
from akc.targets.akida1.program.slots import INFO_SLOTS, Slot

Words = npt.NDArray[np.uint32]
Numbers = npt.NDArray[Any]
DENSE, FNP_SPARSE, CNP_SPARSE, HRC_SPARSE = range(4)
"""Kinds of input and output of a program (input_type, output_type)."""


def _numbers(kind: str) -> Any:
    return field(
        factory=lambda: np.zeros(0, kind),
        eq=attrs.cmp_using(eq=np.array_equal),
        converter=lambda values: np.asarray(values, kind),
        metadata={"kind": kind},
    )


@frozen(order=True)
class Place:
    """A neural processor: column, row and id in the mesh."""

    column: int
    row: int
    id: int

    def __str__(self) -> str:
        return f"({self.column}, {self.row}, {self.id})"


@frozen(kw_only=True)
class Header:
    """What program_info says besides the tracks; field names and meanings as in the table of slots."""

    version: str = ENGINE_VERSION
    device_version: tuple[int, ...]
    input_dims: Numbers = _numbers("u4")
    output_dims: Numbers = _numbers("u4")
    input_type: int = DENSE
    output_type: int = DENSE
    output_bits: int = 0
    activation: int = 0
    dense_window_w: int = 0
    dense_window_h: int = 0
    output_shift: Numbers = _numbers("i4")
    output_scales: Numbers = _numbers("f4")
    max_num_desc: int = 0
    epg_tracks: tuple[tuple[int, int], ...] | None = None
    input_bits: int = 0
    input_sign: int = 0
    channels_first: int = 0
    input_scales: Numbers = _numbers("f4")
    input_zero_points: Numbers = _numbers("u1")
    anomaly: int = 0


@frozen
class ExternalWeights:
    """Weights of an FNP2, which lie in the host's memory and have no DMA header."""

    place: Place
    words: Words = field(eq=attrs.cmp_using(eq=np.array_equal), repr=False)


@frozen
class Record:
    """The tracks of one layer in playing order, and its external weights if it runs on an FNP2."""

    tracks: tuple[Words, ...] = field(eq=lambda tracks: [t.tobytes() for t in tracks], repr=False)
    external: ExternalWeights | None = None


@frozen
class LearningRecords:
    """The learning layer, which stands beside the passes.

    learning, inference: the register tracks with learning on and off; weights: the record that fills
    its memory; weight_words: words of weights as the container counts them.
    """

    place: Place
    learning: Record
    inference: Record
    weights: Record
    weight_words: int


@frozen(kw_only=True)
class Container:
    """A whole program: the header and, for each pass, its records."""

    header: Header
    passes: tuple[tuple[Record, ...], ...]
    learning: LearningRecords | None = None

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of all passes."""
        return tuple(record for records in self.passes for record in records)


@frozen
class RecordSpans:
    """Where a record lies in program_data: (first byte, words) of each track and of the external weights."""

    tracks: tuple[tuple[int, int], ...]
    external: tuple[int, int] | None = None


# -- reading ---------------------------------------------------------------------------------------


def split(program: bytes) -> tuple[bytes, bytes]:
    """program_info and program_data of a program in one piece; raises DiagnosticError AKC0610."""
    info, rest = split_sized(program, "program_info")
    data, left = split_sized(rest, "program_data")
    if left:
        raise error("AKC0610", f"{len(left)} bytes follow the end of program_data")
    return info, data


def read(program: bytes) -> Container:
    """Take a program apart. Raises DiagnosticError AKC0605 (another engine), AKC0610 (damaged), AKC0611."""
    return read_parts(*split(program))


def read_parts(info: bytes, data: bytes) -> Container:
    """The same from program_info and program_data; each track that info names must be one of data."""
    info_buffer, data_buffer = Buffer("program_info", info), Buffer("program_data", data)
    root = info_buffer.root()
    _check_version(root)
    header = read_header(root)
    content = data_buffer.root()
    passes = tuple(tuple(_read_record(r) for r in group.tables(0)) for group in content.tables(0))
    learning = content.table(1)
    container = Container(header=header, passes=passes, learning=None if learning is None else _read_learning(learning))
    _check_spans(root, container, data_buffer)
    return container


def _check_version(root: Table) -> None:
    """The first slot is the version in every layout; the others stand where that version has them."""
    version = root.string(0) or ""
    if fullmatch(r"\d+\.\d+\.\d+", version) is None:
        root.buffer.fail(root.position, "it names no engine version")
    check_engine(version, "its program cannot be read")


def read_header(root: Table) -> Header:
    """The header, by the table of slots."""
    values = {slot.name: _READERS[slot.kind](root, slot) for slot in INFO_SLOTS if slot.kind in _READERS}
    device = root.need(1, "device_version")
    values["device_version"] = tuple(device.number(slot, "B") for slot in range(4))
    for slot in INFO_SLOTS:
        if values.get(slot.name, 0) is None and not slot.optional:
            root.buffer.fail(root.position, f"there is no {slot.name}")
    return Header(**values)


def _read_pairs(root: Table, slot: Slot) -> tuple[tuple[int, int], ...] | None:
    pairs = root.structures(slot.number, "II")
    return None if pairs is None else tuple((offset, value) for offset, value in pairs)


_READERS: dict[str, Any] = {
    "string": lambda root, slot: root.string(slot.number),
    "pairs": _read_pairs,
    **{kind: lambda root, slot, k=kind: root.vector(slot.number, k[:-2]) for kind in ("u4[]", "i4[]", "f4[]", "u1[]")},
    **{
        kind: lambda root, slot, f=form: root.number(slot.number, f)
        for kind, form in (("u1", "B"), ("i1", "b"), ("u4", "I"), ("bool", "B"))
    },
}


def _need_words(table: Table) -> Words:
    words = table.vector(0, "u4")
    if words is None:
        table.buffer.fail(table.position, "a track has no words")
    return words


def _read_record(table: Table) -> Record:
    tracks = tuple(_need_words(track) for track in table.tables(0))
    external = table.table(1)
    if external is None:
        return Record(tracks)
    place, words = external.structure(0, "BBB"), external.vector(1, "u4")
    if place is None or words is None:
        external.buffer.fail(external.position, "external weights have no words or no place")
    return Record(tracks, ExternalWeights(Place(*place), words))


def _read_learning(table: Table) -> LearningRecords:
    place = table.structure(0, "BBB")
    if place is None:
        table.buffer.fail(table.position, "the learning layer has no place")
    return LearningRecords(
        place=Place(*place),
        learning=_read_record(table.need(1, "learning record")),
        inference=_read_record(table.need(2, "inference record")),
        weights=_read_record(table.need(3, "weights record")),
        weight_words=table.number(4, "I"),
    )


def _check_spans(root: Table, container: Container, data: Buffer) -> None:
    """program_info must name exactly the tracks that program_data holds, in the same order."""
    groups = root.tables(14)
    if any(group.at(slot) is not None for group in groups for slot in (1, 2)):
        raise error("AKC0611", "the program uses skip DMAs, which an AKD1000 does not have")
    named = [[_read_spans(record) for record in group.tables(0)] for group in groups]
    if [len(group) for group in named] != [len(group) for group in container.passes]:
        root.buffer.fail(root.position, "program_info and program_data count different records")
    for spans, record in zip((s for group in named for s in group), container.records, strict=True):
        _check_record(spans, record, data)
    if container.learning is not None:
        _check_learning(root.need(15, "learning layer"), container.learning, data)


def _check_learning(info: Table, learning: LearningRecords, data: Buffer) -> None:
    for slot, record in enumerate((learning.learning, learning.inference)):
        span = info.structure(slot, "II")
        if span is None:
            info.buffer.fail(info.position, "the learning layer's registers have no place")
        _check_record(RecordSpans(((span[0], span[1]),)), record, data)
    _check_record(_read_spans(info.need(2, "learning weights")), learning.weights, data)


def _read_spans(table: Table) -> RecordSpans:
    tracks = table.structures(0, "II") or []
    external = table.structure(1, "IIBBB")
    return RecordSpans(tuple((a, b) for a, b in tracks), external and (external[0], external[1]))


def _check_record(spans: RecordSpans, record: Record, data: Buffer) -> None:
    held = [*record.tracks, *([record.external.words] if record.external else [])]
    named = [*spans.tracks, *([spans.external] if spans.external else [])]
    if len(held) != len(named):
        data.fail(0, "program_info and program_data count different tracks")
    for words, (start, count) in zip(held, named, strict=True):
        if len(words) != count or words.astype("<u4").tobytes() != data.data[start : start + 4 * count]:
            data.fail(start, "program_info points at other words than those of the track")
