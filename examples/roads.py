# SPDX-License-Identifier: Apache-2.0
"""The ways from a trained network to a program that the examples compare, and the report of one example.

Naive is the recipe that most people try first (examples/naive.py). The other two are akc's defaults without and
with calibration samples.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import Factory, frozen
from numpy.typing import NDArray

import akc
from examples import naive
from examples.accuracy import Row, row, table
from examples.data import Floats


@frozen
class Road:
    """A way to compile: its name in the table, whether akc sees samples, options that are not the default.

    naive: not akc's defaults but the naive recipe; spike_bits: its bits of a level for neurons without membrane;
    least: the share of same answers below which akc refuses to compile.
    """

    what: str
    samples: bool
    options: Mapping[str, Mapping[str, Any]] = Factory(dict)
    naive: bool = False
    spike_bits: int | None = None
    least: float | None = None


NAIVE = Road("naive: int4, largest value of each layer", True, naive=True)
NAIVE_SPIKES = Road("naive: int4, threshold as it is, 1-bit spikes", True, naive=True, spike_bits=1)
NAIVE_STEPS = Road("naive: int4, threshold as it is, largest act_step", True, naive=True, spike_bits=4)
DATA_FREE = Road("akc without samples", False)
CALIBRATED = Road("akc calibrated", True, options={"lower-int4": {"samples": 1000}})
ROADS = (NAIVE, DATA_FREE, CALIBRATED)
SPIKING_ROADS = (NAIVE_SPIKES, NAIVE_STEPS, DATA_FREE, CALIBRATED)


@frozen(kw_only=True)
class Case:
    """A trained network and what to judge it by.

    source: what akc.lower takes; example: the shape of one input with its batch axis, for a live torch module;
    inputs, labels, scores: test inputs, their classes, and the source network's own outputs [n, classes];
    calibration: inputs that are no test inputs; input_range: smallest and largest input.
    """

    source: Any
    example: tuple[int, ...] | None = None
    inputs: Floats
    labels: NDArray[np.generic]
    scores: Floats
    calibration: Floats
    input_range: tuple[float, float]
    host: str = "refuse"

    @property
    def answers(self) -> NDArray[np.intp]:
        """The source network's answers."""
        chosen: NDArray[np.intp] = self.scores.argmax(axis=1)
        return chosen


def lower_case(case: Case, road: Road, dump_dir: str | None = None) -> akc.Module:
    """The quantised network."""
    if road.naive:
        return naive.lower(case.source, case.example, case.calibration, case.input_range, case.host, road.spike_bits)
    return akc.lower(
        case.source,
        example=case.example,
        calibrate=case.calibration if road.samples else None,
        input_range=case.input_range,
        options=road.options,
        host=case.host,
        dump_dir=dump_dir,
        least=road.least,
        context=akc.Context(),  # the tables say what its warnings are about
    )


def compile_case(case: Case, road: Road, stages: Path | None = None) -> akc.Program:
    """The program of a network; with `stages`, each stage's text is left in that folder."""
    with tempfile.TemporaryDirectory() as scratch:
        program = akc.build(lower_case(case, road, scratch if stages else None), host=case.host)
        if stages:
            write_stages(Path(scratch), program, stages)
    return program


def write_stages(dumped: Path, program: akc.Program, folder: Path) -> None:
    """The texts that `dump_dir` left, and the placed network, with long weights elided, numbered from 00."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.akir"):
        old.unlink()
    stages = [(path.name[3:], akc.parse(path.read_text(encoding="utf-8"))) for path in sorted(dumped.glob("*.akir"))]
    for number, (name, module) in enumerate([*stages, ("place.akir", program.module)]):
        (folder / f"{number:02}-{name}").write_text(akc.print_module(module, elide=True), encoding="utf-8")


def scores_of(program: akc.Program, inputs: Floats, batch: int = 500) -> Floats:
    """What the integer simulator gives for a stack of inputs, f32 [n, classes]."""
    parts = [program.run(inputs[start : start + batch]) for start in range(0, len(inputs), batch)]
    return np.concatenate(parts).astype(np.float32)


def rows_of(case: Case, programs: Mapping[str, akc.Program]) -> list[Row]:
    """The accuracy table of the source network and of programs by name."""
    source = row("source network (float)", case.scores, case.labels, case.answers)
    found = {what: scores_of(program, case.inputs) for what, program in programs.items()}
    return [source, *(row(what, scores, case.labels, case.answers) for what, scores in found.items())]


def compare(case: Case, roads: Iterable[Road] = ROADS, stages: Path | None = None) -> tuple[list[Row], akc.Program]:
    """The accuracy table and the calibrated program; its stages are left in `stages`."""
    programs = {road.what: compile_case(case, road, stages if road is CALIBRATED else None) for road in roads}
    return rows_of(case, programs), programs[CALIBRATED.what]


def processors(program: akc.Program) -> int:
    """How many neural processors the program's layers take; the image front end is none."""
    places = {
        (place.kind[:3], place.column, place.row, place.id)
        for op in program.module.net.ops
        for place in getattr(op, "at", ())
        if place.kind not in ("hrc", "host")
    }
    return len(places)


def report(title: str, rows: list[Row], program: akc.Program, count: int) -> str:
    """What a run.py prints: the table, the processors, the size of the program."""
    sequences = f"{len(program.sequences)} hardware sequence{'s' * (len(program.sequences) != 1)}"
    return (
        f"{title}: {table(rows, count)}\n\n"
        f"{sequences}, {processors(program)} neural processors, program of {program.size:,} bytes"
    )
