# SPDX-License-Identifier: Apache-2.0
"""Tuning with what the compiler knows: the source's answers, and the float network in front of lower-int4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from akc.base.diagnostics import error
from akc.compiler.judging import judge_of
from akc.compiler.pipeline import Context, run_pipeline
from akc.compiler.samples import SampleSet, samples_for
from akc.ir.module import Array, Module
from akc.passes.shared.contract import Pass
from akc.sim.run import Runner
from akc.tuning.training import Recipe, Tuned, tune


def answers(module: Module, samples: SampleSet) -> Array:
    """The only result of a module on samples, [samples, values]."""
    if len(module.net.outputs) != 1:
        raise error("AKC0457", f"the network has {len(module.net.outputs)} results", help="tuning takes one result")
    found = Runner(module).run(samples.inputs)[module.net.outputs[0]]
    return found.reshape(len(found), -1)


def tuned(module: Module, lowered: Module, passes: list[Pass], context: Context, given: Any) -> Module:
    """The lowered network trained on samples to answer as its source `module` does; starts from the float weights."""
    samples = samples_for(given, module.net.inputs, "tune")
    number = next((i for i, one in enumerate(passes) if one.name == "lower-int4"), 0)
    quiet = evolve(context, warnings=[], timings=[], reports={}, dump_dir=None)
    start = run_pipeline(module, passes[:number], quiet)
    found = by_teacher(lowered, samples, answers(module, samples), start, Recipe(), context)
    context.report("tuning", found)
    return found.module


def by_teacher(
    lowered: Module,
    samples: SampleSet,
    teacher: Array | None,
    start: Module | None,
    recipe: Recipe,
    context: Context,
    say: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """Train by a teacher's answers, or by the labels that stand with the samples."""
    results = answers(lowered, samples) if teacher is None else teacher
    classes = judge_of(lowered, results, samples.labels).classes
    return tune(
        lowered,
        samples.inputs,
        labels=samples.labels,
        teacher=teacher,
        start=start,
        recipe=recipe,
        classes=classes,
        say=say,
        progress=context.progress,
    )
