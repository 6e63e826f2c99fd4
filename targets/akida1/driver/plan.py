# SPDX-License-Identifier: Apache-2.0
"""What the driver needs of a program: the header, and where in program_data each track lies.

program_info alone is enough for it (the data may already be in device memory). Every offset is checked
by akc.base.flatbuffer and akc.targets.akida1.program.container before it is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from akc.base.diagnostics import error
from akc.base.flatbuffer import Buffer, Table
from akc.targets.akida1.driver.events import DENSE, NAMES, OUTPUT_FORMATS
from akc.targets.akida1.program import container as program
from akc.targets.faults import WrongProgram

Place = tuple[int, int, int]
Shape = tuple[int, int, int]
INFO_PASSES, INFO_LEARNING = 14, 15
"""Slots of program_info, as in akc.targets.akida1.program.slots."""


@frozen
class Span:
    """Words of program_data: first byte (the size prefix counts), number of 32-bit words."""

    offset: int
    words: int


@frozen
class External:
    """The weights of an FNP2, and its (column, row, id)."""

    span: Span
    place: Place


@frozen
class RecordInfo:
    """The tracks of one layer in playing order, and its external weights, if any."""

    tracks: tuple[Span, ...]
    external: External | None = None


@frozen
class LearningInfo:
    """The learning layer: two register tracks, one of which is played, and the record of its weights."""

    place: Place
    learning: Span
    inference: Span
    weights: RecordInfo


@frozen(kw_only=True)
class ProgramInfo:
    """program_info in the driver's terms. dims: (d0, d1, channels); window: pixels along (d0, d1), 0 for none."""

    device_version: tuple[int, ...]
    input_dims: Shape
    output_dims: Shape
    input_type: int
    output_type: int
    input_bits: int
    input_sign: bool
    output_bits: int
    activation: bool
    window: tuple[int, int]
    output_shift: npt.NDArray[np.int32]
    output_scales: npt.NDArray[np.float32]
    input_scales: npt.NDArray[np.float32]
    input_zero_points: npt.NDArray[np.uint8]
    epg_tracks: tuple[tuple[int, int], ...]
    passes: int
    records: tuple[RecordInfo, ...]
    learning: LearningInfo | None

    @property
    def tracks(self) -> tuple[Span, ...]:
        """Every track, in no particular order."""
        learning = self.learning
        records = self.records if learning is None else (*self.records, learning.weights)
        own = () if learning is None else (learning.learning, learning.inference)
        return (*own, *(span for record in records for span in record.tracks))

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every track and every block of external weights."""
        records = self.records if self.learning is None else (*self.records, self.learning.weights)
        return (*self.tracks, *(record.external.span for record in records if record.external))


def read_program(raw: bytes) -> tuple[ProgramInfo, bytes]:
    """The plan and program_data of a whole program. Raises DiagnosticError AKC0610, AKC0611, WrongProgram."""
    info, data = program.split(raw)
    program.read_parts(info, data)
    plan = read_info(info)
    if any(span.offset + 4 * span.words > len(data) for span in plan.spans):
        raise error("AKC0610", "program_info points beyond the end of program_data", help="build the program again")
    return plan, data


def read_info(info: bytes) -> ProgramInfo:
    """The plan from program_info alone. Raises DiagnosticError AKC0610, WrongProgram."""
    root = Buffer("program_info", info).root()
    header = program.read_header(root)
    groups = [group.tables(0) for group in root.tables(INFO_PASSES)]
    learning = root.table(INFO_LEARNING)
    plan = ProgramInfo(
        device_version=tuple(int(part) for part in header.device_version),
        input_dims=_shape("input_dims", header.input_dims),
        output_dims=_shape("output_dims", header.output_dims),
        input_type=header.input_type,
        output_type=header.output_type,
        input_bits=header.input_bits,
        input_sign=bool(header.input_sign),
        output_bits=header.output_bits,
        activation=bool(header.activation),
        window=(header.dense_window_h, header.dense_window_w),
        output_shift=header.output_shift,
        output_scales=header.output_scales,
        input_scales=header.input_scales,
        input_zero_points=header.input_zero_points,
        epg_tracks=header.epg_tracks or (),
        passes=len(groups),
        records=tuple(_record(table) for group in groups for table in group),
        learning=None if learning is None else _learning(learning),
    )
    _check(plan)
    return plan


def _shape(name: str, dims: npt.NDArray[Any]) -> Shape:
    if len(dims) != 3 or not all(1 <= n < 1 << 24 for n in dims):
        raise WrongProgram(f"{name} of the program is {dims.tolist()}, not three sizes")
    return int(dims[0]), int(dims[1]), int(dims[2])


def _check(plan: ProgramInfo) -> None:
    """What the driver relies on and the container cannot say."""
    channels = plan.output_dims[2]
    faults = {
        f"input_type {plan.input_type}": plan.input_type not in NAMES or plan.input_type == 3,
        f"output_type {plan.output_type}": plan.output_type != DENSE
        and (plan.output_type, plan.activation) not in OUTPUT_FORMATS,
        f"{plan.input_bits} input bits": not 1 <= plan.input_bits <= 8,
        f"{plan.output_bits} output bits": not 1 <= plan.output_bits <= 32,
        "not as many shifts and scales as channels": len(plan.output_shift) not in (0, channels)
        or len(plan.output_shift) != len(plan.output_scales),
        "a track of more than 65535 words": any(not 0 < span.words < 1 << 16 for span in plan.tracks),
        "an image window larger than the image": any(w > n for w, n in zip(plan.window, plan.input_dims, strict=False)),
    }
    found = [what for what, bad in faults.items() if bad]
    if found:
        raise WrongProgram(f"the program has {', '.join(found)}", "it was damaged, or made for another kind of chip")


def _spans(pairs: list[tuple[Any, ...]] | None) -> tuple[Span, ...]:
    return tuple(Span(offset, words) for offset, words in pairs or ())


def _record(table: Table) -> RecordInfo:
    found = table.structure(1, "IIBBB")
    external = None if found is None else External(Span(found[0], found[1]), (found[2], found[3], found[4]))
    return RecordInfo(_spans(table.structures(0, "II")), external)


def _learning(table: Table) -> LearningInfo:
    learning, inference, place = table.structure(0, "II"), table.structure(1, "II"), table.structure(3, "BBB")
    weights = _record(table.need(2, "learning weights"))
    if learning is None or inference is None or place is None or not (weights.tracks or weights.external):
        table.buffer.fail(table.position, "the learning layer has no registers, weights or place")
    return LearningInfo((place[0], place[1], place[2]), Span(*learning), Span(*inference), weights)
