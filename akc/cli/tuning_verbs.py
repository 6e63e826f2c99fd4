# SPDX-License-Identifier: Apache-2.0
"""What `akc tune` does."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from akc.base.diagnostics import error
from akc.base.products import write_text
from akc.cli.session import progress_bar, say
from akc.compiler.pipeline import Context
from akc.compiler.running import refuse_elided
from akc.compiler.samples import load_samples
from akc.compiler.source_files import check_files
from akc.compiler.sources import Options, read_source
from akc.compiler.tune import answers, by_teacher
from akc.ir.printer import print_module
from akc.tuning.training import Recipe


def tune(
    file: str,
    *,
    inputs: str,
    labels: bool,
    distill: str | None,
    example: Any,
    start: str | None,
    output: str,
    **recipe: Any,
) -> None:
    """A quantised text to a trained one."""
    check_files([file, inputs, distill, start], [output])
    module = read_source(file)
    refuse_elided(module)
    samples = load_samples(inputs, module.net.inputs)
    if labels and samples.labels is None:
        raise error("AKC0457", f"{inputs} has no labels", help="add an array `labels`, or give --distill model.onnx")
    teacher = None
    if distill is not None and not labels:
        source = read_source(distill, Options(example=example))
        renamed = dict(zip((v.name for v in source.net.inputs), samples.inputs.values()))
        teacher = answers(source, evolve(samples, inputs=renamed))
    begin = None if start is None else read_source(start)
    found = by_teacher(module, samples, teacher, begin, Recipe(**recipe), Context(progress=progress_bar()), say)
    say(f"tuning: {found}")
    write_text(output, print_module(found.module))
