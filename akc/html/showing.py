# SPDX-License-Identifier: Apache-2.0
"""What a notebook shows for each kind of object, made of the parts of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from akc.base.diagnostics import Diagnostic, DiagnosticError, DiagnosticWarning, render
from akc.compiler.program import Program
from akc.html.graph import draw_graph
from akc.html.pages import comparison_parts, given
from akc.html.rendering import fragment, new_prefix
from akc.html.report import Report, make_report
from akc.html.text import marked, sections, shown_text
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.sim.activity import Activity
from akc.sim.compare import Comparison

NO_FACTS: dict[str, Any] = {"sequences": [], "borders": []}


def html_of(shown: object) -> str:
    """HTML of one object."""
    return next(show for kind, show in SHOWN.items() if isinstance(shown, kind))(shown)


def _module(module: Module) -> str:
    text, elided = shown_text(module)
    prefix = new_prefix()
    return fragment("module.html", prefix, module=module, level=level_of(module), elided=elided, marked=marked,
                    graph=draw_graph(module, NO_FACTS, prefix), sections_of_text=sections(text))  # fmt: skip


def _report(report: Report) -> str:
    prefix = new_prefix()
    graph = draw_graph(report.program.module, report.facts, prefix)
    return fragment("program.html", prefix, graph=graph, **given(report))


def _program(program: Program) -> str:
    return _report(make_report(program))


def _comparison(comparison: Comparison) -> str:
    return fragment("accuracy.html", **comparison_parts(comparison))


def _activity(activity: Activity) -> str:
    return fragment("figures.html", text=activity.to_text())


def _diagnostics(found: Any) -> str:
    each = found.diagnostics if isinstance(found, DiagnosticError) else [getattr(found, "diagnostic", found)]
    return fragment("diagnostics.html", diagnostics=each, render=render)


SHOWN: dict[type[Any], Callable[[Any], str]] = {
    Module: _module,
    Report: _report,
    Program: _program,
    Comparison: _comparison,
    Activity: _activity,
    Diagnostic: _diagnostics,
    DiagnosticError: _diagnostics,
    DiagnosticWarning: _diagnostics,
}
"""What is shown, and how."""
