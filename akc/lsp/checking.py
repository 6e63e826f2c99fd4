# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an open text: at once what the text alone shows, later numbers, limits and places on the chip."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field
from lsprotocol import types

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.levels import level_of, reaches
from akc.ir.module import Module
from akc.ir.verifier import verify_numbers
from akc.ir.weights import Weight
from akc.lsp.document import Document, Facts, Judgement
from akc.targets import load_target

SEVERITIES = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}
UNUSED = "AKC0206"


@define
class Numbers:
    """Faults in payloads, remembered for each weight object, so that none is decoded twice."""

    _known: dict[int, tuple[Weight, tuple[Diagnostic, ...]]] = field(factory=dict)

    def faults(self, module: Module) -> list[Diagnostic]:
        """What `akc check` finds in the numbers of a module."""
        weights = [*module.weights.values(), *(module.source.weights.values() if module.source else ())]
        self._known = {id(weight): self._known.get(id(weight)) or (weight, _decoded(weight)) for weight in weights}
        found = [fault for _, faults in self._known.values() for fault in faults]
        return found or verify_numbers(module)


def _decoded(weight: Weight) -> tuple[Diagnostic, ...]:
    try:
        _ = None if weight.elided else weight.array
    except DiagnosticError as fault:
        return fault.diagnostics
    return ()


def judge(module: Module, target: str, numbers: Numbers) -> Judgement:
    """Numbers, limits and places of a module whose text has no faults, on a chip."""
    found = numbers.faults(module)
    if any(d.severity == "error" for d in found) or not reaches(level_of(module), "quantised"):
        return Judgement(target, tuple(found))
    chip = load_target(target)
    found += chip.check(module)
    if any(d.severity == "error" for d in found):
        return Judgement(target, tuple(found))
    try:
        placed = chip.place(module)
    except DiagnosticError as fault:
        return Judgement(target, (*found, *fault.diagnostics))
    facts = chip.report_facts(placed)
    return Judgement(target, tuple(found), dict(_layers(facts)))


def _layers(facts: Facts) -> Iterator[tuple[str, Facts]]:
    for sequence in facts["sequences"]:
        for layer in sequence["layers"]:
            yield layer["name"], layer


def all_found(document: Document) -> list[Diagnostic]:
    """All that is known to be wrong with the text as it stands, each once."""
    reading = document.reading
    later = () if reading.module is None else document.judgement.found
    return [one.diagnostic for one in dict.fromkeys(map(_Same, (*reading.found, *later)))]


def diagnostics(document: Document) -> list[types.Diagnostic]:
    """The same as the protocol says it."""
    return [told(document, one) for one in all_found(document)]


class _Same:
    """Diagnostics are the same where code, message and place are."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        span = diagnostic.span
        self._key = (diagnostic.code, diagnostic.message, span and (id(span.source), span.start))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._key == other._key


def told(document: Document, found: Diagnostic) -> types.Diagnostic:
    """A diagnostic as the protocol says it."""
    lines = [found.message, *([found.label] if found.label else []), *(f"help: {way}" for way in found.help)]
    lines += [f"from: {', '.join(found.origin)}"] if found.origin else []
    notes = [
        types.DiagnosticRelatedInformation(
            types.Location(document.uri, document.span_range(note.span)), message=note.message
        )
        for note in found.notes
        if note.span is not None
    ]
    return types.Diagnostic(
        range=document.span_range(found.span),
        message="\n".join(lines),
        severity=SEVERITIES[found.severity],
        code=found.code,
        source="akc",
        tags=[types.DiagnosticTag.Unnecessary] if found.code == UNUSED else None,
        related_information=notes or None,
    )
