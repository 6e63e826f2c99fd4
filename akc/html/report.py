# SPDX-License-Identifier: Apache-2.0
"""`akc.report`: everything there is to know about a built network, as text, as data and as one page of HTML."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from attrs import frozen

from akc.base.calls import PATH, instance, optional, public
from akc.base.display import Displayed
from akc.base.products import write_text
from akc.base.progress import Show, silent
from akc.compiler.arguments import RULES, SAMPLES
from akc.compiler.compiler import build
from akc.compiler.pipeline import Step
from akc.compiler.program import Program
from akc.compiler.python_warnings import told
from akc.compiler.samples import SampleSet, samples_for
from akc.compiler.sources import Options, read_source
from akc.html.accuracy import pictured
from akc.html.contents import Contents
from akc.html.pages import comparison_page, report_page
from akc.html.provenance import provenance
from akc.html.roads import find_road
from akc.ir.module import Module
from akc.sim.activity import measure
from akc.sim.compare import Comparison, compare
from akc.targets import load_target


@frozen(kw_only=True, slots=False)
class Report(Contents, Displayed):
    """A report of a built network; its fields are those of `Contents`."""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, ready for JSON."""
        parts = {"activity": self.activity, "comparison": self.comparison}
        return self.facts | {key: part.to_dict() for key, part in parts.items() if part is not None}

    def to_text(self) -> str:
        """For a terminal."""
        parts = [self.target.report(self.program.module, self.program.sequences)]
        parts += [part.to_text() for part in (self.activity, self.comparison) if part is not None]
        return "\n\n".join(filter(None, [*parts, self.program.checked]))

    def to_html(self) -> str:
        """One page that needs nothing from outside."""
        return report_page(self)

    @public(path=PATH)
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, whole or not at all."""
        write_text(path, self.to_html())


@public(
    program=instance(Program, Module, str, help="give a program, a module, or .akir text"),
    inputs=optional(SAMPLES),
    example=RULES["example"],
    road=optional(PATH),
)
def report(
    program: Program | Module | str,
    *,
    inputs: Any = None,
    against: Any = None,
    example: Any = None,
    road: str | os.PathLike[str] | None = None,
) -> Report:
    """What stands where on the chip, what it takes, and how well and how fast it does.

    program: what `akc.build` gave, or a module or text that is built with defaults; inputs: samples, as `akc.run`
    takes them (`labels` in a file or dict are classes), for what the layers do on them; against: the source that the
    network came from, as `akc.lower` takes it (example: for PyTorch modules), for its accuracy; road: the folder that
    `akc.lower(..., dump_dir=...)` wrote the passes into. The result has `.save("report.html")`, `.to_text()` and
    `.to_dict()`, and displays in notebooks. Raises DiagnosticError as `akc.build`, `akc.run` and `akc.lower` do.
    """
    with told(None) as context:
        context.steps = []
        built = program if isinstance(program, Program) else build(program, context=context)
        return make_report(
            built,
            inputs=inputs,
            against=against,
            example=example,
            road=road,
            steps=context.steps,
            progress=context.progress,
        )


def make_report(
    program: Program,
    *,
    inputs: Any = None,
    against: Any = None,
    example: Any = None,
    road: str | os.PathLike[str] | None = None,
    steps: Sequence[Step] | None = None,
    files: Mapping[str, str] | None = None,
    progress: Show = silent,
) -> Report:
    """A report of a built program. steps: the passes that were run to build it; files: what was read, for digests."""
    module = program.module
    samples = None if inputs is None else samples_for(inputs, module.net.inputs, "inputs")
    source = None if against is None else read_source(against, Options(example=() if example is None else example))
    facts = load_target(program.target).report_facts(module, program.sequences)
    made = Report(
        program=program,
        facts=facts,
        activity=None if samples is None else measure(module, samples.inputs, progress=progress),
        road=find_road(program, steps or (), road, source, against, samples),
        provenance=provenance(program, dict(files or {})),
    )
    if samples is None or source is None:
        return made
    comparison = compare(module, source, _renamed(samples, module, source), samples.labels, progress=progress)
    return attrs.evolve(made, comparison=comparison, worst=pictured(comparison, samples))


def comparison_html(module: Module, comparison: Comparison, samples: SampleSet, files: Mapping[str, str]) -> str:
    """The page of `akc compare --html`."""
    program = Program(module=module, sequences=(), target="", engine_version="")
    return comparison_page(module, comparison, pictured(comparison, samples), provenance(program, dict(files)))


def _renamed(samples: SampleSet, module: Module, source: Module) -> dict[str, Any]:
    """The samples by the names that the source has for its inputs."""
    return {w.name: samples.inputs[v.name] for v, w in zip(module.net.inputs, source.net.inputs)}
