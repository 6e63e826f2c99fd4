# SPDX-License-Identifier: Apache-2.0
"""Code actions: ways out of diagnostics that an edit can go, one row of a table each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from attrs import frozen
from lsprotocol import types

from akc.base.diagnostics import Diagnostic
from akc.ir.fields import fields_of, print_float
from akc.ir.module import Op
from akc.ir.ops import OPS
from akc.lsp.checking import all_found, told
from akc.lsp.document import Document
from akc.lsp.navigation import weight_entries
from akc.lsp.words import Call, Word


@frozen
class Problem:
    """A diagnostic, characters `start` to `end` of the skeleton that it stands at, and what a row's pattern found."""

    document: Document
    found: Diagnostic
    start: int
    end: int
    match: re.Match[str]

    @property
    def text(self) -> str:
        """What stands there."""
        return self.document.reading.skeleton.source.text[self.start : self.end]

    def words(self) -> list[Word]:
        """The words that stand there."""
        return [w for w in self.document.reading.words.words if self.start <= w.start and w.end <= self.end]

    def statement(self) -> list[Word]:
        """The words of the statement around it."""
        words = self.document.reading.words
        around = words.statement_of(self.start)
        if around is None:
            return []
        return [w for w in words.words if around[0].start <= w.start and w.end <= around[1].end]

    def call(self) -> Call | None:
        """The operation of the statement around it."""
        for word in self.statement():
            if word.text == "(":
                return self.document.reading.words.call_around(word.end)
        return None


Edit = tuple[int, int, str]
"""Characters of the skeleton, and what takes their place."""

Fix = Callable[[Problem], Sequence[Edit]]


@frozen
class Way:
    """A way out: for which codes (all where empty), the words of the message or a help line, the title, the edits.

    title: with the groups of `pattern`.
    """

    codes: tuple[str, ...]
    pattern: str
    title: str
    fix: Fix


# -- fixes -----------------------------------------------------------------------------------------


def _rename_to_meant(problem: Problem) -> list[Edit]:
    """The word that the message speaks of becomes the one that was meant."""
    new = problem.match[1]
    spoken = set(re.findall(r"[%#@]?[\w.]+", problem.found.message))
    for word in [*problem.words(), *problem.statement()]:
        if word.text in spoken and (word.text[0] in "%#@") == (new[0] in "%#@") and word.kind != "sign":
            return [(word.start, word.end, new)]
    return []


def _replace(problem: Problem) -> list[Edit]:
    return [(problem.start, problem.end, problem.match[1])]


def _signature(problem: Problem) -> list[Edit]:
    """The type of the signature, where it has one result."""
    return [(problem.start, problem.end, problem.match[1])] if problem.text == problem.match[2] else []


def _delete_weight(problem: Problem) -> list[Edit]:
    for first, last in weight_entries(problem.document.reading.words.words):
        if first.text == problem.match[1] and first.start <= problem.start <= last.end:
            return [_whole_lines(problem, first.start, last.end)]
    return []


def _whole_lines(problem: Problem, start: int, end: int) -> Edit:
    text = problem.document.reading.skeleton.source.text
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    if text[begin:start].strip() or text[end : stop if stop >= 0 else len(text)].strip():
        return start, end, ""
    return begin, len(text) if stop < 0 else stop + 1, ""


def _indent(problem: Problem, start: int) -> str:
    text = problem.document.reading.skeleton.source.text
    begin = text.rfind("\n", 0, start) + 1
    return text[begin:start] if not text[begin:start].strip() else "  "


def _new_sequence(problem: Problem) -> str:
    scope = problem.document.reading.words.scope_at(problem.start)
    taken = {w.text for w in problem.document.reading.words.defined("block", scope)}
    return next(f"@s{n}" for n in range(len(taken) + 1) if f"@s{n}" not in taken)


def _wrap(problem: Problem) -> list[Edit]:
    """The statement in a sequence of its own."""
    words = problem.statement()
    if not words:
        return []
    start, end = words[0].start, words[-1].end
    pad = _indent(problem, start)
    opening = f"sequence {_new_sequence(problem)} {{\n{pad}  "
    text = problem.document.reading.skeleton.source.text
    breaks = [m.end() for m in re.finditer("\n", text[start:end])]
    return [(start, start, opening), *((start + at, start + at, "  ") for at in breaks), (end, end, f"\n{pad}}}")]


def _cut_before(problem: Problem) -> list[Edit]:
    """The sequence ends in front of the statement, and another begins."""
    words = problem.statement()
    return [] if not words else [_cut(problem, words[0].start, "before")]


def _cut(problem: Problem, at: int, side: str) -> Edit:
    text = problem.document.reading.skeleton.source.text
    inner = "    "
    if side == "before":
        begin = text.rfind("\n", 0, at) + 1
        inner = _indent(problem, at)
        at = begin
    pad = inner[:-2]
    border = f"{pad}}}\n{pad}sequence {_new_sequence(problem)} {{"
    return (at, at, f"{border}\n") if side == "before" else (at, at, f"\n{border}")


def _cut_behind(problem: Problem) -> list[Edit]:
    """The sequence ends behind the layer that is read outside."""
    words = problem.document.reading.words
    scope = words.scope_at(problem.start)
    made = words.definition(problem.match[1], scope)
    around = None if made is None else words.statement_of(made.start)
    return [] if around is None else [_cut(problem, around[1].end, "behind")]


def _move_below(problem: Problem) -> list[Edit]:
    """The statement moves behind the one that gives what it reads."""
    words = problem.document.reading.words
    statement, made = problem.statement(), words.definition(problem.match[1], words.scope_at(problem.start))
    around = None if made is None else words.statement_of(made.start)
    if not statement or around is None or around[0].depth != statement[0].depth:
        return []
    start, end = statement[0].start, statement[-1].end
    text = problem.document.reading.skeleton.source.text[start:end]
    return [_whole_lines(problem, start, end), (around[1].end, around[1].end, f"\n{_indent(problem, start)}{text}")]


def _without(*keys: str) -> Fix:
    """The attributes go."""

    def fix(problem: Problem) -> list[Edit]:
        call = problem.call()
        given = {} if call is None else problem.document.reading.words.keys(call)
        return [] if call is None else [_attribute(call, given[key]) for key in keys if key in given]

    return fix


def _without_named(problem: Problem) -> list[Edit]:
    """The attribute at the place goes."""
    call = problem.call()
    first = problem.words()[:1]
    if call is None or not first or first[0] not in call.arguments:
        return []
    return [_attribute(call, first[0])]


def _attribute(call: Call, key: Word) -> Edit:
    """Out with `key=value` and the comma behind it (the one in front of it, where it is the last)."""
    inner = call.op.depth + 1
    index = call.arguments.index(key)
    ends = [n for n in range(index, len(call.arguments)) if _comma(call.arguments[n], inner)]
    if ends and ends[0] + 1 < len(call.arguments):
        return key.start, call.arguments[ends[0] + 1].start, ""
    last = call.arguments[ends[0]] if ends else call.arguments[-1]
    before = call.arguments[index - 1] if index else None
    if before is not None and _comma(before, inner) and not ends:
        return before.start, last.end, ""
    return (before.end if before is not None else key.start), last.end, ""


def _comma(word: Word, depth: int) -> bool:
    return word.text == "," and word.depth == depth


def _with(key: str, value: str) -> Fix:
    """The attribute gets this value."""

    def fix(problem: Problem) -> list[Edit]:
        call = problem.call()
        if call is None:
            return []
        word = problem.document.reading.words.keys(call).get(key)
        if word is None:
            return _added(call, f"{key}={value}")
        start = call.arguments[call.arguments.index(word) + 2].start
        at, end, _ = _attribute(call, word)
        tail = problem.document.reading.skeleton.source.text[start:end]
        stop = start + len(tail.rstrip().rstrip(",")) if at <= word.start else end
        return [(start, stop, value)]

    return fix


def _added(call: Call, text: str) -> list[Edit]:
    last = call.arguments[-1:] or (None,)
    if last[0] is None:
        return []
    comma = "" if last[0].text == "," else ","
    return [(last[0].end, last[0].end, f"{comma} {text}")]


def _add_weight(problem: Problem) -> list[Edit]:
    """The one weight that nothing uses and that has a type that the attribute takes."""
    call, words = problem.call(), problem.document.reading.words
    info = next((i for i in fields_of(OPS.get(problem.match[1], Op)) if i.name == problem.match[2]), None)
    if call is None or info is None or "weight" not in info.kind.doc:
        return []
    scope = words.scope_at(problem.start)
    free = [w.text for w in words.defined("weight", scope) if len(words.named(w.text, scope)) == 1]
    fitting = [w for w in free if (one := problem.document.weight(w, scope)) and one.type.dtype in info.dtypes]
    return _added(call, f"{info.name}={fitting[0]}") if len(fitting) == 1 else []


def _swap_range(problem: Problem) -> list[Edit]:
    words = problem.document.reading.words
    statement = words.words[words.words.index(problem.words()[0]) :] if problem.words() else []
    at = next((n for n, w in enumerate(statement) if w.text == "in"), None)
    if at is None or at > 40:
        return []
    low, high = statement[at + 2], statement[at + 4]
    return [(low.start, low.end, high.text), (high.start, high.end, low.text)]


def _delete_source(problem: Problem) -> list[Edit]:
    for head, opening, closing in problem.document.reading.words.blocks:
        if head.text == "source" and opening.depth == 0:
            return [_whole_lines(problem, head.start, closing.end)]
    return []


def _plain_comment(problem: Problem) -> list[Edit]:
    text = problem.document.reading.skeleton.source.text
    sign = re.compile(r"#|/|;|--").match(text, problem.start)
    return [] if sign is None else [(problem.start, sign.end(), "//")]


def _one_character(new: str) -> Fix:
    return lambda problem: [(problem.start, problem.start + 1, new)]


# -- the table -------------------------------------------------------------------------------------

WAYS = (
    Way((), r"^did you mean ([%#@]?[\w.]+)\?$", "Change to {0}", _rename_to_meant),
    Way(("AKC0001",), r"^comments start with //$", "Begin the comment with //", _plain_comment),
    Way(("AKC0001",), r"^quotes are plain: \"$", "Use a plain quote", _one_character('"')),
    Way(("AKC0001",), r"^a minus sign is plain: -$", "Use a plain minus sign", _one_character("-")),
    Way(("AKC0003",), r"^this akc reads akir (\S+)$", "Change to {0}", _replace),
    Way(("AKC0102",), r"^(%\S+) is defined below: move", "Move this statement behind {0}", _move_below),
    Way(("AKC0104",), r"^(\w+) is given twice$", "Remove this {0}", _without_named),
    Way(("AKC0105",), r" has no attribute (\S+)$", "Remove {0}", _without_named),
    Way(("AKC0106",), r"^(\S+) needs (\w+)=$", "Take the weight that is not used for {1}", _add_weight),
    Way(("AKC0107",), r"^the range of %\S+ ends before it starts$", "Swap the ends of the range", _swap_range),
    Way(("AKC0108",), r"^put it into sequence @s0", "Put it into a sequence", _wrap),
    Way(("AKC0108", "AKC0511"), r"^.*start another sequence (?:here|at)", "Start another sequence here", _cut_before),
    Way(("AKC0108",), r"^(%\S+) is read outside of sequence", "Split the sequence behind {0}", _cut_behind),
    Way(("AKC0201",), r"^\S+ gives (.+) here$", "Change the type to {0}", _replace),
    Way(("AKC0201",), r"^%\S+ is (.+), the signature says (.+)$", "Change the signature to {0}", _signature),
    Way(("AKC0206",), r"^(#\S+) is not used$", "Delete {0}", _delete_weight),
    Way(("AKC0432",), r"^take the source", "Take the source away", _delete_source),
    Way(("AKC0503",), r"^take padding=same", "padding=same", _with("padding", "same")),
    Way(("AKC0505",), r"^let the layer give levels$", "Let the layer give levels", _without("activation")),
    Way(
        ("AKC0509",), r"^leave the pooling out$", "Leave the pooling out", _without("pool", "pool_size", "pool_stride")
    ),
    Way(("AKC0509",), r"^pool_stride=\[2, 2\]", "pool_stride=[2, 2]", _with("pool_stride", "[2, 2]")),
    Way(("AKC0516",), r"^leave `learning` out here$", "Leave learning out", _without("learning")),
    Way(
        ("AKC0521", "AKC0522", "AKC0523", "AKC0524", "AKC0525", "AKC0526"),
        r"",
        "Leave at out: place fills it in",
        _without("at"),
    ),
)


def code_actions(document: Document, params: types.CodeActionParams) -> list[types.CodeAction]:
    """Every way out of the diagnostics at a place that is an edit."""
    actions: list[types.CodeAction] = []
    for found in all_found(document):
        said = told(document, found)
        if _apart(said.range, params.range):
            continue
        for title, edits in _fixes(document, found, said.range):
            change = types.WorkspaceEdit(changes={document.uri: edits})
            actions.append(types.CodeAction(title, kind=types.CodeActionKind.QuickFix, diagnostics=[said], edit=change))
    return actions


def _apart(one: types.Range, two: types.Range) -> bool:
    def key(position: types.Position) -> tuple[int, int]:
        return position.line, position.character

    return key(one.end) < key(two.start) or key(two.end) < key(one.start)


def _fixes(document: Document, found: Diagnostic, where: types.Range) -> Iterator[tuple[str, list[types.TextEdit]]]:
    if found.code == "AKC0205":
        yield from _cut_steps(document, found)
    start, end = document.offset(where.start), document.offset(where.end)
    for way in WAYS:
        if way.codes and found.code not in way.codes:
            continue
        matches = (re.search(way.pattern, line) for line in (found.message, *found.help))
        match = next((m for m in matches if m is not None), None)
        edits = [] if match is None else way.fix(Problem(document, found, start, end, match))
        if match is not None and edits:
            yield way.title.format(*match.groups()), [types.TextEdit(document.range(a, b), new) for a, b, new in edits]


def _cut_steps(document: Document, found: Diagnostic) -> Iterator[tuple[str, list[types.TextEdit]]]:
    """The numbers that the chip keeps, in place of the payload."""
    for payload, weight in document.placed_weights():
        if found.span is None or weight.span is None or weight.span.source is not found.span.source:
            continue
        if weight.codec in ("dec", "splat"):
            kept = np.floor(weight.array.astype(np.float64).reshape(-1) * 16) / 16
            numbers = kept[:1] if weight.codec == "splat" else kept
            new = " ".join(print_float(n).removesuffix(".0") for n in numbers)
            where = document.text.range(payload.start, payload.end)
            yield "Write the steps that the chip keeps", [types.TextEdit(where, new)]
