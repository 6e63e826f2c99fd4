# SPDX-License-Identifier: Apache-2.0
"""How well a calibrated network answers: recipes compared on samples held out, a report, and the refusal of a bad one.

Networks that run by rates have their own fit and report (akc/passes/fit_rate.py); everything else that is
lowered with samples comes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import DiagnosticError, error
from akc.compiler.judging import Judge, judge_of
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Array, Module
from akc.passes.shared.contract import Pass
from akc.passes.spiking.fit_rate import ENOUGH, Score
from akc.sim.compare import Comparison, compare
from akc.sim.run import Runner

RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "ranges by percentile": {"calibrate": {"method": "percentile"}},
    "weights to the nearest": {"lower-int4": {"rounding": "nearest"}},
}
"""What is tried beside the recipe asked for, by pass and option."""

ASKED = "as asked"

LEAST = 0.8
"""The smallest share of same answers that is not refused."""

GOOD = 0.95
"""From this share of same answers on, no other recipe is tried: each takes as long as the first."""

FEWEST = 16
"""With fewer samples nothing is held out and nothing is said."""

MOST = 512
"""Samples that recipes are tried with, and samples held out that are looked at, at most."""


@frozen
class Report:
    """What calibrating came to: same answers by recipe on samples that no recipe saw, the one kept, its layers."""

    same: Mapping[str, float]
    kept: str
    held_out: int
    comparison: Comparison
    judge: Judge = Judge(classes=True)

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.1%}" for name, rate in self.same.items())
        kept = f"; kept: {self.kept}" if len(self.same) > 1 else ""
        few = f" (fewer than {ENOUGH}, which refuse nothing)" if self.held_out < ENOUGH else ""
        return "\n  ".join([f"{self.judge.words} on {self.held_out} samples{few}: {rates}{kept}", *self.layers])

    @property
    def layers(self) -> list[str]:
        """A line for each layer with levels: its root mean square error in levels, and the share at the top."""
        return [
            f"{(one.origin or (one.name,))[-1]}: {one.level_error:.2f} levels off, {one.saturated:.1%} at the top"
            for one in self.comparison.layers
            if one.kind == "levels" and one.level_error is not None and one.saturated is not None
        ]


def calibrated(module: Module, lowered: Module, passes: list[Pass], context: Context, least: float) -> Module:
    """The lowered network, or the one of another recipe that answers more like its source `module`.

    The last quarter of the samples is held out; each recipe is run on the others, and the best one (the one asked
    for, where no other is better by more than chance) on all of them. context.reports["calibration"] gets the
    report. Raises DiagnosticError AKC0391 below `least` same answers.
    """
    if not _can_be_judged(module, context):
        return lowered
    seen, unseen = _halves(context)
    wanted = _outputs(module, unseen)
    held = len(wanted)
    judge = judge_of(module, wanted, _held_labels(context))
    first = next((i for i, one in enumerate(passes) if one.name == "calibrate"), 0)
    mappable = run_pipeline(module, passes[:first], seen)
    scores: dict[str, Score] = {}
    for number, (name, changes) in enumerate({ASKED: {}, **RECIPES}.items()):
        recipe = _changed(passes[first:], changes)
        if recipe is None or (scores and scores[ASKED].same >= GOOD):
            continue
        context.progress(number, len(RECIPES) + 1, f"trying {name}")
        score = _score(mappable, recipe, seen, unseen, wanted, judge)
        if score is not None:
            scores[name] = score
        elif name == ASKED:
            return lowered
    context.progress(1, 1, "compared")
    kept = max(scores, key=lambda name: scores[name].same)
    if scores[kept].same <= scores[ASKED].same + scores[ASKED].error:
        kept = ASKED
    if kept != ASKED:
        lowered = run_pipeline(module, _changed(passes, RECIPES[kept]) or passes, evolve(context, dump_dir=None))
    same = {name: score.same for name, score in scores.items()}
    report = Report(same, kept, held, compare(lowered, module, unseen), judge)
    context.report("calibration", report)
    if held >= ENOUGH and same[kept] + scores[kept].error < least:
        raise refusal(report, least)
    return lowered


def _score(
    module: Module, recipe: list[Pass], seen: Context, unseen: dict[str, Array], wanted: Array, judge: Judge
) -> Score | None:
    """How a recipe does; None where it makes no network of fewer samples."""
    try:
        return judge.score(_outputs(run_pipeline(module, recipe, seen), unseen), wanted)
    except DiagnosticError:
        return None


def _can_be_judged(module: Module, context: Context) -> bool:
    """Whether there are samples enough, and one result, that nothing has judged yet."""
    if context.samples is None or "fit-rate" in context.reports or len(module.net.outputs) != 1:
        return False
    return len(next(iter(context.samples.values()))) >= FEWEST


def _halves(context: Context) -> tuple[Context, dict[str, Array]]:
    """A quiet context with the first three quarters of the samples, and the last quarter."""
    samples = context.samples or {}
    held = len(next(iter(samples.values()))) // 4
    seen = {name: array[:-held][:MOST] for name, array in samples.items()}
    labels = None if context.labels is None else context.labels[:-held][:MOST]
    quiet = evolve(context, samples=seen, labels=labels, warnings=[], timings=[], reports={}, dump_dir=None)
    return quiet, {name: array[-held:][:MOST] for name, array in samples.items()}


def _held_labels(context: Context) -> Array | None:
    """The classes of the samples that are held out."""
    if context.labels is None:
        return None
    return np.asarray(context.labels[-(len(context.labels) // 4) :][:MOST])


def _outputs(module: Module, inputs: dict[str, Array]) -> Array:
    result = Runner(module).run(inputs)[module.net.outputs[0]]
    return result.reshape(len(result), -1)


def _changed(passes: list[Pass], changes: Mapping[str, Mapping[str, Any]]) -> list[Pass] | None:
    """The passes with other options; None where an option has been set to something else already."""
    named = {one.name: one for one in passes}
    for name, options in changes.items():
        fresh = type(named[name])() if name in named else None
        if fresh is None or any(getattr(named[name], key) != getattr(fresh, key) for key in options):
            return None
    return [evolve(one, **changes.get(one.name, {})) for one in passes]  # type: ignore[misc]


def refusal(report: Report, least: float) -> Exception:
    """What to say about a network that answers something else."""
    return error(
        "AKC0391",
        f"the compiled network gives the source's answer for {report.same[report.kept]:.1%} of"
        f" {report.held_out} samples, {least:.0%} are asked for"
        if report.judge.classes
        else f"the compiled network gives {report.same[report.kept]:.1%} of the variance of the source's results"
        f" again on {report.held_out} samples, {least:.0%} are asked for",
        label="; ".join(report.layers),
        help=(
            "the layer with the largest error is where it goes wrong; more samples, or training with quantised weights"
            " and activations, bring it back",
            "--least 0 (least=0 in Python) makes the program all the same",
        ),
    )
