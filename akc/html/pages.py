# SPDX-License-Identifier: Apache-2.0
"""The pages: which sections each has, in order, and what their templates read."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from markupsafe import Markup

from akc.html.accuracy import Worst
from akc.html.contents import Contents
from akc.html.graph import draw_graph
from akc.html.mesh import draw_mesh, mark
from akc.html.placements import Mesh, Placement
from akc.html.provenance import Rows
from akc.html.rendering import number, page
from akc.html.svg import hue, tag
from akc.html.text import marked, sections, shown_text
from akc.ir.module import Module
from akc.sim.compare import Comparison


@frozen
class Part:
    """A section of a page: its id, its heading, its template."""

    id: str
    heading: str
    template: str


REPORT = (
    Part("overview", "Overview", "overview.html"),
    Part("network", "The network", "network.html"),
    Part("mesh", "The mesh", "mesh.html"),
    Part("layers", "Layers", "layers.html"),
    Part("activity", "Activity", "activity.html"),
    Part("accuracy", "Accuracy", "accuracy.html"),
    Part("text", "The text", "text.html"),
    Part("road", "The road of passes", "road.html"),
    Part("provenance", "Provenance", "provenance.html"),
)
COMPARISON = tuple(part for part in REPORT if part.id in ("accuracy", "provenance"))


def report_page(report: Contents) -> str:
    """The page of `akc report --html`."""
    module, name = report.program.module, report.program.module.net.name
    text, elided = shown_text(module)
    return page(
        f"@{name} on {report.target.title}",
        REPORT,
        graph=draw_graph(module, report.facts, heat=_heat(report)),
        sections_of_text=sections(text),
        elided=elided,
        **given(report),
    )


def given(report: Contents) -> dict[str, Any]:
    """What the parts of a report read, its graph and its text left out."""
    return {
        "report": report,
        "facts": report.facts,
        "activity": report.activity,
        "comparison": report.comparison,
        "worst": report.worst,
        "road": report.road,
        "provenance": report.provenance,
        "placement": report.placement,
        "draw": lambda placement, mesh, ids: mesh_drawing(report, placement, mesh, ids),
        "mark": mark,
        "hue": hue,
        "marked": marked,
        "bars": bars,
    }


def comparison_page(module: Module, comparison: Comparison, worst: tuple[Worst, ...], rows: Rows) -> str:
    """The page of `akc compare --html`."""
    title = f"@{module.net.name} beside its source"
    return page(title, COMPARISON, provenance=rows, **comparison_parts(comparison, worst))


def comparison_parts(comparison: Comparison, worst: tuple[Worst, ...] | None = None) -> dict[str, Any]:
    """What the part on accuracy reads; without pictures where there are none."""
    shown = tuple(Worst(one, None) for one in comparison.worst) if worst is None else worst
    return {"comparison": comparison, "worst": shown}


def mesh_drawing(report: Contents, placement: Placement, mesh: Mesh, ids: str) -> Markup:
    """One pass of one sequence in one placement."""
    unit = "multiply-adds" if report.activity is None else "synaptic operations an input"
    words = f"placed by {placement.mode}" if placement.mode else "as the program has it"
    return draw_mesh(report.facts["mesh"], mesh.used, unit, f"Mesh, {mesh.title}, {words}", ids)


def bars(work: tuple[float, ...], most: float) -> Markup:
    """The work of the places of a layer as a row of bars. most: of all places of all layers."""
    high = [max(1.0, 22 * one / most) if most else 1.0 for one in work]
    label = f"{len(work)} place{'s' * (len(work) != 1)}: {number(min(work))} to {number(max(work))}"
    drawn = [tag("rect", x=6 * i, y=22 - h, width=5, height=h) for i, h in enumerate(high)]
    return tag(
        "svg", tag("title", label), *drawn, width=6 * len(work), height=22, role="img", aria_label=label, class_="bars"
    )


def _heat(report: Contents) -> dict[str, float] | None:
    """The work of each layer beside that of the layer with the most, for the graph."""
    layers = [layer for sequence in report.facts["sequences"] for layer in sequence["layers"]]
    work = {layer["name"]: float(layer["multiply_adds"]) for layer in layers}
    if report.activity is not None:
        work |= {layer.name: layer.operations for layer in report.activity.layers}
    most = max(work.values(), default=0.0)
    return {name: value / most for name, value in work.items()} if most else None
