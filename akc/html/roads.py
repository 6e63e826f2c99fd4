# SPDX-License-Identifier: Apache-2.0
"""Where the road of a program comes from: the passes just run, the folder that kept them, or the source once more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from akc.base.diagnostics import DiagnosticError
from akc.compiler.compiler import lower
from akc.compiler.pipeline import Context, Step
from akc.compiler.program import Program
from akc.compiler.samples import SampleSet
from akc.html.road import Road, leading_to, stops_of, stops_of_folder
from akc.ir.levels import level_of, reaches
from akc.ir.module import Module
from akc.ir.printer import print_module

UNKNOWN = (
    "A program does not hold the texts of its passes. `akc lower --dump-dir DIR` keeps them, and --road DIR shows them"
    " here; with --against the source is lowered once more."
)


def find_road(
    program: Program,
    steps: Sequence[Step],
    folder: str | os.PathLike[str] | None,
    source: Module | None,
    name: Any,
    samples: SampleSet | None,
) -> Road:
    """The best road there is. steps: passes that were run just now; name: of the source, for people."""
    if folder is not None:
        stops, last = stops_of_folder(os.fspath(folder))
        return leading_to(stops, last, program.module, f"Kept by akc lower in {os.fspath(folder)}.")
    just_run = stops_of(steps, program.module)
    whole = bool(just_run) and not reaches(level_of(steps[0].before), "quantised")
    if source is not None and not whole:
        again = _again(source, samples, str(name) if isinstance(name, str | os.PathLike) else "the source", program)
        if again.stops or not just_run:
            return again
    if just_run:
        return Road(note="The passes that were run for this report.", stops=just_run)
    return Road(note=UNKNOWN)


def _again(source: Module, samples: SampleSet | None, name: str, program: Program) -> Road:
    """The source lowered once more, with these samples and defaults besides."""
    context = Context(steps=[])
    given = None if samples is None else {**samples.inputs, **_labels(samples)}
    with_samples = " with the samples given" if samples is not None else ""
    try:
        lowered = lower(
            source,
            calibrate=_renamed(given, program.module, source),
            target=program.target,
            host="allow",
            check="off",
            context=context,
        )
    except DiagnosticError as fault:
        return Road(note=f"{name} cannot be lowered once more with defaults: {fault.diagnostics[0].message}.")
    stops = stops_of(context.steps or (), lowered)
    note = f"Made once more from {name}{with_samples}, with defaults besides."
    return leading_to(stops, print_module(lowered, elide=True), program.module, note)


def _labels(samples: SampleSet) -> dict[str, Any]:
    return {} if samples.labels is None else {"labels": samples.labels}


def _renamed(arrays: dict[str, Any] | None, module: Module, source: Module) -> dict[str, Any] | None:
    if arrays is None:
        return None
    names = {v.name: w.name for v, w in zip(module.net.inputs, source.net.inputs)}
    return {names.get(key, key): array for key, array in arrays.items()}
