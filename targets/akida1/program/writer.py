# SPDX-License-Identifier: Apache-2.0
"""Writing the program container, byte for byte as the vendor's SDK 2.19.3 does.

FlatBuffers grow downwards: what is created first gets the highest address. Objects are therefore
created in the SDK's order, and the fields of a table are added large types first, high slots first
(docs/akd1000/program.md). program_info holds byte offsets into program_data, which is written first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from attrs import field, frozen

from akc.targets.akida1.program.container import (
    Container,
    ExternalWeights,
    LearningRecords,
    Place,
    Record,
    RecordSpans,
    Words,
)
from akc.targets.akida1.program.slots import INFO_SLOTS, Slot

Pair = tuple[int, int]

READ_HEADER = (0x00000088, 0x00010000)
"""A DMA header that reads one word of the front end: with several passes, what fills unused descriptors."""


@frozen(kw_only=True)
class Written:
    """The bytes of a container and where its parts went.

    spans: (first byte, words) in data of every track, one row a record, in order; learning: those of
    the learning layer's registers (on, off) and weights; info_spans: bytes [start, end) of each
    vector of program_info.
    """

    info: bytes = field(repr=False)
    data: bytes = field(repr=False)
    spans: tuple[RecordSpans, ...]
    learning: tuple[RecordSpans, RecordSpans, RecordSpans] | None
    info_spans: Mapping[str, Pair]


def write(container: Container) -> Written:
    """The two buffers of a container."""
    data, spans, learning, dummy = _write_data(container)
    counts = [len(records) for records in container.passes]
    info, info_spans = _InfoWriter(container, spans, counts, learning, dummy).write()
    return Written(info=info, data=data, spans=spans, learning=learning, info_spans=info_spans)


# -- shared steps ----------------------------------------------------------------------------------


def _offsets(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _pairs(builder: Any, pairs: Sequence[Pair]) -> int:
    builder.StartVector(8, len(pairs), 4)
    for pair in reversed(pairs):
        _pair(builder, pair)
    return int(builder.EndVector())


def _pair(builder: Any, pair: Pair) -> int:
    builder.Prep(4, 8)
    builder.PrependUint32(pair[1])
    builder.PrependUint32(pair[0])
    return int(builder.Offset())


def _place(builder: Any, place: Place) -> int:
    builder.Prep(1, 3)
    for number in (place.id, place.row, place.column):
        builder.PrependUint8(number)
    return int(builder.Offset())


def _external_span(builder: Any, span: Pair, place: Place) -> int:
    builder.Prep(4, 12)
    builder.Pad(1)
    for number in (place.id, place.row, place.column):
        builder.PrependUint8(number)
    builder.PrependUint32(span[1])
    builder.PrependUint32(span[0])
    return int(builder.Offset())


# -- program_data ----------------------------------------------------------------------------------


@frozen
class _Marks:
    """Where a record's words begin, counted from the end of the buffer, as the builder does."""

    tracks: tuple[int, ...]
    external: int | None

    def spans(self, record: Record, total: int) -> RecordSpans:
        def span(mark: int, words: Words) -> Pair:
            return total - mark + 4, len(words)

        tracks = tuple(span(m, w) for m, w in zip(self.tracks, record.tracks, strict=True))
        if self.external is None or record.external is None:
            return RecordSpans(tracks)
        return RecordSpans(tracks, span(self.external, record.external.words))


def _write_data(
    container: Container,
) -> tuple[bytes, tuple[RecordSpans, ...], tuple[RecordSpans, RecordSpans, RecordSpans] | None, Pair]:
    builder = flatbuffers.Builder(1024)
    marks: list[_Marks] = []
    learning_marks: list[_Marks] = []
    learning = None
    passes = []
    for number, records in enumerate(container.passes):
        tables = [_data_record(builder, record, marks) for record in records]
        if container.learning is not None and number == len(container.passes) - 1:
            learning = _data_learning(builder, container.learning, learning_marks)
        vector = _offsets(builder, tables)
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, vector, 0)
        passes.append(builder.EndObject())
    vector = _offsets(builder, passes)
    builder.StartObject(3)
    dummy = _pair(builder, (0, 0) if len(container.passes) == 1 else READ_HEADER)
    builder.PrependStructSlot(2, dummy, 0)
    if learning is not None:
        builder.PrependUOffsetTRelativeSlot(1, learning, 0)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.FinishSizePrefixed(builder.EndObject())
    data = bytes(builder.Output())
    spans = tuple(m.spans(r, len(data)) for m, r in zip(marks, container.records, strict=True))
    return data, spans, _learning_spans(container.learning, learning_marks, len(data)), (len(data) - dummy, 2)


def _learning_spans(
    learning: LearningRecords | None, marks: list[_Marks], total: int
) -> tuple[RecordSpans, RecordSpans, RecordSpans] | None:
    if learning is None:
        return None
    on, off, weights = marks
    return (
        on.spans(learning.learning, total),
        off.spans(learning.inference, total),
        weights.spans(learning.weights, total),
    )


def _words(builder: Any, words: Words) -> int:
    return int(builder.CreateNumpyVector(np.ascontiguousarray(words, "<u4")))


def _data_record(builder: Any, record: Record, marks: list[_Marks]) -> int:
    track_marks, tables = [], []
    for words in record.tracks:
        track_marks.append(_words(builder, words))
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, track_marks[-1], 0)
        tables.append(builder.EndObject())
    external, external_mark = None, None
    if record.external is not None:
        external, external_mark = _data_external(builder, record.external)
    vector = _offsets(builder, tables)
    builder.StartObject(2)
    if external is not None:
        builder.PrependUOffsetTRelativeSlot(1, external, 0)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    marks.append(_Marks(tuple(track_marks), external_mark))
    return int(builder.EndObject())


def _data_external(builder: Any, external: ExternalWeights) -> Pair:
    mark = _words(builder, external.words)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(1, mark, 0)
    builder.PrependStructSlot(0, _place(builder, external.place), 0)
    return builder.EndObject(), mark


def _data_learning(builder: Any, learning: LearningRecords, marks: list[_Marks]) -> int:
    records = (learning.learning, learning.inference, learning.weights)
    tables = [_data_record(builder, record, marks) for record in records]
    builder.StartObject(5)
    builder.PrependUint32Slot(4, learning.weight_words, 0)
    for slot in (3, 2, 1):
        builder.PrependUOffsetTRelativeSlot(slot, tables[slot - 1], 0)
    builder.PrependStructSlot(0, _place(builder, learning.place), 0)
    return int(builder.EndObject())


# -- program_info ----------------------------------------------------------------------------------

_CREATED_AFTER_PASSES = ("version", "input_dims", "output_dims", "output_shift", "output_scales", "epg_tracks")
_CREATED_LAST = ("input_scales", "input_zero_points")
_VECTOR_KINDS = ("u4[]", "i4[]", "f4[]", "u1[]")


def _add_order(slot: Slot) -> tuple[bool, int]:
    return slot.kind in ("u1", "i1", "bool"), -slot.number


class _InfoWriter:
    """Writes program_info by the table of slots; `made` holds the offsets of created objects by name."""

    def __init__(
        self,
        container: Container,
        spans: Sequence[RecordSpans],
        counts: Sequence[int],
        learning: tuple[RecordSpans, RecordSpans, RecordSpans] | None,
        dummy: Pair,
    ) -> None:
        self.builder: Any = flatbuffers.Builder(1024)
        self.container, self.spans, self.counts = container, spans, counts
        self.learning, self.dummy = learning, dummy
        self.made: dict[str, int] = {}

    def write(self) -> tuple[bytes, dict[str, Pair]]:
        """The buffer, and where its vectors are."""
        self._create_device()
        passes = self._create_passes()
        if self.container.learning is not None:
            self._create_learning(self.container.learning)
        for name in _CREATED_AFTER_PASSES:
            self._create(name)
        self.made["passes"] = _offsets(self.builder, passes)
        for name in _CREATED_LAST:
            self._create(name)
        self.builder.StartObject(len(INFO_SLOTS))
        for slot in sorted(INFO_SLOTS, key=_add_order):
            self._add(slot)
        self.builder.FinishSizePrefixed(self.builder.EndObject())
        info = bytes(self.builder.Output())
        return info, {slot.name: self._vector_span(slot, len(info)) for slot in INFO_SLOTS if slot.name in self.made}

    def _vector_span(self, slot: Slot, total: int) -> Pair:
        if slot.kind not in _VECTOR_KINDS:
            return 0, 0
        start = total - self.made[slot.name] + 4
        values = getattr(self.container.header, slot.name)
        return start, start + int(values.nbytes)

    def _create_device(self) -> None:
        self.builder.StartObject(4)
        for slot in (3, 2, 1, 0):
            self.builder.PrependUint8Slot(slot, self.container.header.device_version[slot], 0)
        self.made["device_version"] = self.builder.EndObject()

    def _create_passes(self) -> list[int]:
        rows = list(zip(self.spans, self.container.records, strict=True))
        passes = []
        for count in self.counts:
            group, rows = rows[:count], rows[count:]
            vector = _offsets(self.builder, [self._create_record(s, r) for s, r in group])
            self.builder.StartObject(3)
            self.builder.PrependUOffsetTRelativeSlot(0, vector, 0)
            passes.append(int(self.builder.EndObject()))
        return passes

    def _create_record(self, spans: RecordSpans, record: Record, bare: bool = False) -> int:
        """bare: leave out the vector of tracks."""
        vector = None if bare else _pairs(self.builder, spans.tracks)
        self.builder.StartObject(2)
        if spans.external is not None and record.external is not None:
            struct = _external_span(self.builder, spans.external, record.external.place)
            self.builder.PrependStructSlot(1, struct, 0)
        if vector is not None:
            self.builder.PrependUOffsetTRelativeSlot(0, vector, 0)
        return int(self.builder.EndObject())

    def _create_learning(self, learning: LearningRecords) -> None:
        assert self.learning is not None
        on, off, weights = self.learning
        table = self._create_record(weights, learning.weights, bare=not weights.tracks)
        self.builder.StartObject(4)
        self.builder.PrependStructSlot(3, _place(self.builder, learning.place), 0)
        self.builder.PrependUOffsetTRelativeSlot(2, table, 0)
        self.builder.PrependStructSlot(1, _pair(self.builder, off.tracks[0]), 0)
        self.builder.PrependStructSlot(0, _pair(self.builder, on.tracks[0]), 0)
        self.made["learning_layer"] = self.builder.EndObject()

    def _create(self, name: str) -> None:
        value = getattr(self.container.header, name)
        if value is None:
            return
        if name == "version":
            self.made[name] = self.builder.CreateString(value)
        elif name == "epg_tracks":
            self.made[name] = _pairs(self.builder, value)
        else:
            self.made[name] = self.builder.CreateNumpyVector(value)

    def _add(self, slot: Slot) -> None:
        if slot.name == "dummy_header":
            self.builder.PrependStructSlot(slot.number, _pair(self.builder, self.dummy), 0)
        elif slot.name in self.made:
            self.builder.PrependUOffsetTRelativeSlot(slot.number, self.made[slot.name], 0)
        elif slot.kind in _SCALARS:
            _SCALARS[slot.kind](self.builder)(slot.number, getattr(self.container.header, slot.name), 0)


_SCALARS: dict[str, Callable[[Any], Callable[..., None]]] = {
    "u1": lambda builder: builder.PrependUint8Slot,
    "i1": lambda builder: builder.PrependInt8Slot,
    "bool": lambda builder: builder.PrependUint8Slot,
    "u4": lambda builder: builder.PrependUint32Slot,
}
