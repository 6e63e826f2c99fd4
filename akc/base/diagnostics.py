# SPDX-License-Identifier: Apache-2.0
"""Diagnostics: what was found, where, the limit, and the way out.

A `Diagnostic` is data. Only `render` in this file turns one into text, so every message of akc
looks the same. Titles and long explanations live in the table of `akc.base.codes`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from attrs import field, frozen

from akc.base.codes import CODES
from akc.base.display import Displayed


@frozen(eq=False, slots=False)
class Source:
    """A text that the user wrote, with the name to print for it."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Where each line begins; found when the first place is printed."""
        starts = [0]
        position = self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return tuple(starts)

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The text of a line (from 1), without its line break."""
        start = self.line_starts[line - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]


@frozen(eq=False)
class Span:
    """Characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    def __str__(self) -> str:
        line, column = self.source.line_column(self.start)
        return f"{self.source.name}:{line}:{column}"


@frozen(kw_only=True)
class Note:
    """A second place that explains the first, such as the earlier definition of a name."""

    message: str
    span: Span | None = None


def _as_lines(help: str | Iterable[str]) -> tuple[str, ...]:
    return (help,) if isinstance(help, str) else tuple(help)


@frozen(kw_only=True)
class Diagnostic(Displayed):
    """One fault or warning.

    code: a key of `akc.base.codes.CODES`; message: what was found, in one line; label: the words under
    the caret (empty for none); help: the ways out; origin: names of the source network's nodes.
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    notes: tuple[Note, ...] = ()
    help: tuple[str, ...] = field(default=(), converter=_as_lines)
    origin: tuple[str, ...] = ()
    severity: str = "error"

    def __attrs_post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"diagnostic code {self.code} has no row in akc.base.codes")


class DiagnosticError(Displayed, Exception):
    """The input is at fault; carries every fault that was found."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        items = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        if not items:
            raise ValueError("a DiagnosticError needs at least one diagnostic")
        self.diagnostics: tuple[Diagnostic, ...] = items
        super().__init__(render_all(items))

    def _render_traceback_(self) -> list[str]:
        """What a notebook prints for a cell that raises this: what is wrong with the input, not where akc found it."""
        return str(self).split("\n")


class DiagnosticWarning(Displayed, UserWarning):
    """A warning about the input, for Python's `warnings`; `diagnostic` is the whole of it."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(render(diagnostic))


def error(code: str, message: str, **fields: object) -> DiagnosticError:
    """Shorthand: an exception with one diagnostic."""
    return DiagnosticError(Diagnostic(code=code, message=message, **fields))  # type: ignore[arg-type]


def as_data(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data; file, line and column (from 1) are null where it has no place."""
    place: dict[str, Any] = {"file": None, "line": None, "column": None}
    if diagnostic.span is not None:
        line, column = diagnostic.span.source.line_column(diagnostic.span.start)
        place = {"file": diagnostic.span.source.name, "line": line, "column": column}
    told = {key: getattr(diagnostic, key) for key in ("code", "severity", "message", "label", "origin", "help")}
    return {**told, **place, "notes": [note.message for note in diagnostic.notes]}


def render_all(diagnostics: Sequence[Diagnostic]) -> str:
    """All diagnostics as text, a blank line between two."""
    return "\n\n".join(render(d) for d in diagnostics)


def render(diagnostic: Diagnostic) -> str:
    """One diagnostic as text: head line, place with carets, origin, notes, help."""
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    if diagnostic.span is not None:
        lines += _snippet(diagnostic.span, diagnostic.label)
    elif diagnostic.label:
        lines.append(f"  = found: {diagnostic.label}")
    if diagnostic.origin:
        lines.append("  = from: " + ", ".join(diagnostic.origin))
    for note in diagnostic.notes:
        if note.span is None:
            lines.append(f"  = note: {note.message}")
        else:
            lines.append(f"note: {note.message}")
            lines += _snippet(note.span, "")
    lines += [f"  = help: {text}" for text in diagnostic.help]
    return "\n".join(lines)


_WIDEST_SNIPPET = 120


def _snippet(span: Span, label: str) -> list[str]:
    """The place, the line and the carets below it; long lines are cut around the carets."""
    line, column = span.source.line_column(span.start)
    text = span.source.line_text(line)
    width = max(1, min(span.end - span.start, len(text) - column + 1))
    cut = max(0, column - _WIDEST_SNIPPET // 2) if len(text) > _WIDEST_SNIPPET else 0
    shown = text[cut : cut + _WIDEST_SNIPPET].replace("\t", " ")
    carets = " " * (column - 1 - cut) + "^" * min(width, _WIDEST_SNIPPET - (column - 1 - cut))
    margin = " " * len(str(line))
    return [
        f"{margin}--> {span}",
        f"{margin} |",
        f"{line} | {shown}".rstrip(),
        f"{margin} | {carets} {label}".rstrip(),
    ]
