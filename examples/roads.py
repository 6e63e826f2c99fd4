# SPDX-License-Identifier: Apache-2.0
"""The ways from a trained network to a program that the examples compare, and the report of one example.

Naive is the recipe that most people try first: four bits, the largest weight and the largest activation of a
layer set its scale. The other two are akc's defaults without and with calibration samples.
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
from akc.passes import LEGALISE, MERGE
from examples.accuracy import Row, row, table
from examples.data import Floats

_LARGEST = "per=layer scale=max rounding=nearest"
_NAIVE = f"{LEGALISE},calibrate{{method=max}},lower-int4{{{_LARGEST}}},{MERGE}"
_NAIVE_SPIKING = f"rate{{bits=1}},{LEGALISE},calibrate,lower-int4{{activations=1 {_LARGEST}}},{MERGE}"


@frozen
class Road:
    """A way to compile: its name in the table, whether it sees samples, passes or options that are not the default."""

    what: str
    samples: bool
    pipeline: str | None = None
    options: Mapping[str, Mapping[str, Any]] = Factory(dict)


NAIVE = Road("naive: int4, largest value of each layer", True, _NAIVE)
NAIVE_SPIKING = Road("naive: int4, largest weight of each layer, 1-bit spikes", False, _NAIVE_SPIKING)
DATA_FREE = Road("akc without samples", False)
CALIBRATED = Road("akc calibrated", True, options={"lower-int4": {"samples": 1000}})
ROADS = (NAIVE, DATA_FREE, CALIBRATED)
SPIKING_ROADS = (NAIVE_SPIKING, DATA_FREE, CALIBRATED)


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


def compile_case(case: Case, road: Road, stages: Path | None = None) -> akc.Program:
    """The program of a network; with `stages`, each stage's text is left in that folder."""
    with tempfile.TemporaryDirectory() as scratch:
        module = akc.lower(
            case.source,
            example=case.example,
            calibrate=case.calibration if road.samples else None,
            input_range=case.input_range,
            pipeline=road.pipeline,
            options=road.options,
            host=case.host,
            dump_dir=scratch if stages else None,
        )
        program = akc.build(module, host=case.host)
        if stages:
            write_stages(Path(scratch), program, stages)
    return program


def write_stages(dumped: Path, program: akc.Program, folder: Path) -> None:
    """The texts that `dump_dir` left, and the placed network, with long weights elided."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.akir"):
        old.unlink()
    texts = sorted(dumped.glob("*.akir"))
    for path in texts:
        module = akc.parse(path.read_text(encoding="utf-8"))
        (folder / path.name).write_text(akc.print_module(module, elide=True), encoding="utf-8")
    placed = folder / f"{int(texts[-1].name[:2]) + 1:02}-place.akir"
    placed.write_text(akc.print_module(program.module, elide=True), encoding="utf-8")


def scores_of(program: akc.Program, inputs: Floats, batch: int = 500) -> Floats:
    """What the integer simulator gives for a stack of inputs, f32 [n, classes]."""
    parts = [program.run(inputs[start : start + batch]) for start in range(0, len(inputs), batch)]
    return np.concatenate(parts).astype(np.float32)


def compare(case: Case, roads: Iterable[Road] = ROADS, stages: Path | None = None) -> tuple[list[Row], akc.Program]:
    """The accuracy table and the program of the last road; its stages are left in `stages`."""
    rows = [row("source network (float)", case.scores, case.labels, case.answers)]
    for road in roads:
        program = compile_case(case, road, stages if road is CALIBRATED else None)
        rows.append(row(road.what, scores_of(program, case.inputs), case.labels, case.answers))
    return rows, program


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
