# SPDX-License-Identifier: Apache-2.0
"""The grammars, and how a syntax error of theirs becomes a diagnostic."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from akc.base.diagnostics import Diagnostic, DiagnosticError, Source, Span

READABLE = {
    "VALUE": "a value such as %x",
    "WEIGHT": "a weight such as #fc1.weight",
    "GLOBAL": "a name such as @net",
    "NAME": "a name",
    "STRING": "a quoted string",
    "PAYLOAD": "a quoted payload (is its closing quote missing?)",
    "CODEC": "hex, dec, b64 or splat",
    "DIGEST": "sha256:...",
    "INT": "a whole number",
    "FLOAT": "a number",
    "VERSION": "a version such as 1.0",
    "WORD": "a value",
    "$END": "the end of the file",
}
"""Names of terminals as a reader knows them; the others are literal texts."""


@cache
def grammar(name: str) -> Lark:
    """The parser of `<name>.lark`, its tables cached on disk between runs of the same version."""
    text = files(__package__).joinpath(f"{name}.lark").read_text()
    return Lark(text, parser="lalr", lexer="contextual", propagate_positions=True, maybe_placeholders=True, cache=True)


@contextmanager
def _garbage_collector_off() -> Iterator[None]:
    """A parse makes many small objects that all stay alive: collecting meanwhile halves its speed."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parse_tree(name: str, source: Source, code: str) -> Tree[Token]:
    """The syntax tree of a source; raises DiagnosticError with `code` at the first syntax error."""
    try:
        with _garbage_collector_off():
            return grammar(name).parse(source.text)
    except UnexpectedInput as fault:
        raise DiagnosticError(_explain(name, source, code, fault)) from None


def _explain(name: str, source: Source, code: str, fault: UnexpectedInput) -> Diagnostic:
    at_end = isinstance(fault, UnexpectedEOF) or (isinstance(fault, UnexpectedToken) and fault.token.type == "$END")
    start = len(source.text.rstrip()) if at_end else int(fault.pos_in_stream or 0)
    width = 1
    if isinstance(fault, UnexpectedToken) and not at_end:
        width = len(fault.token.split("\n")[0])
    found = "the text ends here" if at_end else f"found {_found(source.text, start, width)!r}"
    expected = _expected(name, fault)
    return Diagnostic(
        code=code,
        message=f"{TITLES[name]}: {found}",
        span=Span(source, start, start + width),
        label=f"expected {expected}" if expected else "",
        help=_habit(source.text[start : start + 40]) or _suggestion(name, source.text[start : start + width], fault),
    )


HABITS = (
    (r"#( |$)|/[^/]|;|--", "comments start with //"),
    ("[\u2018\u2019\u201c\u201d'`]", 'quotes are plain: "'),
    (r"-?\d[\d.]*[A-Za-z]", "numbers stand alone, without a unit"),
    ("[\u2212\u2013]", "a minus sign is plain: -"),
)
"""What hands used to other languages write, and how it is written here."""


def _habit(text: str) -> tuple[str, ...]:
    return tuple(help for pattern, help in HABITS if re.match(pattern, text, re.MULTILINE))[:1]


def _suggestion(name: str, found: str, fault: UnexpectedInput) -> tuple[str, ...]:
    """A keyword that is close to what stands there."""
    literals = [t.pattern.value for t in grammar(name).terminals if t.name in (getattr(fault, "accepts", None) or ())]
    close = get_close_matches(found, literals, n=1, cutoff=0.7)
    return (f"did you mean {close[0]}?",) if close else ()


TITLES = {"akir": "this is not .akir syntax", "pipeline": "this is not a pipeline"}


def _found(text: str, start: int, width: int) -> str:
    return text[start : start + min(width, 20)]


def _expected(name: str, fault: UnexpectedInput) -> str:
    terminals: set[str] = set()
    if isinstance(fault, UnexpectedToken):
        terminals = set(fault.accepts or fault.expected)
    elif isinstance(fault, UnexpectedCharacters):
        terminals = set(fault.allowed or ())
    literals = {t.name: t.pattern.value for t in grammar(name).terminals}
    words = [READABLE.get(t) or f"'{literals.get(t, t)}'" for t in sorted(terminals) if t != "COMMENT"]
    words = [w for w in words if not w.startswith(("'[ ", "'(?:[ "))]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words and len(words) <= 6 else ""
