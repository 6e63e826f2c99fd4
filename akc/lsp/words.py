# SPDX-License-Identifier: Apache-2.0
"""The words of a text, also of one that the parser does not take yet: what names what, where, and its blocks."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from attrs import define, field, frozen

_WORDS = re.compile(
    r"(?P<comment>//[^\n]*)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*"?)'
    r"|(?P<value>%[A-Za-z_][\w.]*|%)"
    r"|(?P<weight>\#[A-Za-z_][\w.]*|\#)"
    r"|(?P<block>@[A-Za-z_][\w.]*|@)"
    r"|(?P<number>-?\d[\w.]*(?:[-+]\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<sign>->|[^\s\w])"
)
NAMING = ("value", "weight", "block")
"""Kinds of words that are names: `%x`, `#w`, `@net`."""

KEYWORDS = ("akir", "net", "sequence", "weights", "source", "return", "from", "in")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@frozen
class Word:
    """Characters `start` to `end` of the skeleton. scope: 0, or 1 inside of `source { ... }`; depth: open brackets."""

    kind: str
    text: str
    start: int
    end: int
    scope: int
    depth: int
    defines: bool = False


@frozen
class Call:
    """The operation around a place: its word, the words of its arguments, whether it is closed."""

    op: Word
    arguments: tuple[Word, ...]
    closed: bool


@define(slots=False)
class Words:
    """All words of a skeleton, in order."""

    text: str = field(repr=False)
    words: list[Word] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.words = list(_with_scopes(self.text))

    @cached_property
    def _starts(self) -> list[int]:
        return [word.start for word in self.words]

    def at(self, offset: int) -> Word | None:
        """The word around a character, or the one that ends there."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        word = self.words[index]
        if word.start == offset and word.kind == "sign" and index and self.words[index - 1].end == offset:
            word = self.words[index - 1]
        return word if offset <= word.end else None

    def before(self, offset: int) -> list[Word]:
        """The words that start before a character."""
        return self.words[: bisect_right(self._starts, offset - 1)]

    def named(self, name: str, scope: int) -> list[Word]:
        """Every place of `%x`, `#w` or `@n`."""
        return [w for w in self.words if w.text == name and w.scope == scope and w.kind in NAMING]

    def definition(self, name: str, scope: int) -> Word | None:
        """Where a name is given."""
        return next((w for w in self.named(name, scope) if w.defines), None)

    def defined(self, kind: str, scope: int, before: int | None = None) -> list[Word]:
        """The words that give a name of a kind, those before a character only if it is given."""
        return [
            w
            for w in self.words
            if w.kind == kind and w.defines and w.scope == scope and (before is None or w.start < before)
        ]

    def scope_at(self, offset: int) -> int:
        """The scope of a place."""
        before = self.before(offset)
        return before[-1].scope if before else 0

    def call_around(self, offset: int) -> Call | None:
        """The operation whose parentheses a place is in."""
        before = self.before(offset)
        depth = 0
        for index in range(len(before) - 1, 0, -1):
            word = before[index]
            if word.kind != "sign":
                continue
            depth += {")": 1, "]": 1, "}": 1, "(": -1, "[": -1, "{": -1}.get(word.text, 0)
            if word.text == "{" and depth < 0:
                return None
            head = before[index - 1]
            if depth < 0 and word.text == "(" and head.kind == "word" and "." in head.text:
                return self._call(head, index + 1)
            depth = 0 if depth < 0 else depth
        return None

    def _call(self, op: Word, first: int) -> Call:
        depth = op.depth
        found: list[Word] = []
        for word in self.words[first:]:
            if word.text == ")" and word.depth == depth and word.kind == "sign":
                return Call(op, tuple(found), True)
            if word.text in ("{", "}") or (word.kind == "value" and word.defines):
                break
            found.append(word)
        return Call(op, tuple(found), False)

    def keys(self, call: Call) -> dict[str, Word]:
        """The attributes that a call gives, by name."""
        pairs = zip(call.arguments, call.arguments[1:], strict=False)
        inner = call.op.depth + 1
        return {a.text: a for a, b in pairs if a.kind == "word" and b.text == "=" and a.depth == inner}

    @cached_property
    def statements(self) -> list[tuple[Word, Word]]:
        """The first and last word of each `%x = ...` statement."""
        found: list[tuple[Word, Word]] = []
        index = 0
        while index < len(self.words):
            word = self.words[index]
            if word.kind == "value" and word.defines and self.words[index + 1].text == "=":
                end = self._statement_end(index)
                found.append((word, self.words[end]))
                index = end
            index += 1
        return found

    def _statement_end(self, index: int) -> int:
        depth = self.words[index].depth
        last = index
        for at in range(index + 1, len(self.words)):
            word = self.words[at]
            if word.kind == "comment":
                continue
            ends = word.defines or word.text in ("return", "sequence", "}")
            if ends and (word.depth <= depth or word.defines):
                break
            last = at
        return last

    def statement_of(self, offset: int) -> tuple[Word, Word] | None:
        """The statement around a place."""
        return next(((a, b) for a, b in self.statements if a.start <= offset <= b.end), None)

    @cached_property
    def blocks(self) -> list[tuple[Word, Word, Word]]:
        """(first word of the line of thought, opening, closing) of each bracket pair, inner ones first."""
        found, open_ones = [], []
        for index, word in enumerate(self.words):
            if word.kind == "sign" and word.text in _PAIRS:
                open_ones.append((index, word))
            elif word.kind == "sign" and word.text in _PAIRS.values() and open_ones:
                at, opening = open_ones.pop()
                found.append((self._head(at), opening, word))
        return found

    def _head(self, index: int) -> Word:
        """The keyword in front of an opening brace (`sequence @s0 {`), else the brace itself."""
        for word in reversed(self.words[max(0, index - 40) : index]):
            if word.text in ("sequence", "net", "weights", "source"):
                return word
            if word.text in ("{", "}"):
                break
        return self.words[index]


def _with_scopes(text: str) -> Iterator[Word]:
    """The words, with scope, depth, and whether a name is given here."""
    raw = [(m.lastgroup or "sign", m.group(), m.start(), m.end()) for m in _WORDS.finditer(text)]
    signs = [entry[1] for entry in raw if entry[0] != "comment"] + [""]
    depth, scope, seen = 0, 0, 0
    for kind, word, start, end in raw:
        if kind == "comment":
            yield Word(kind, word, start, end, scope, depth)
            continue
        seen += 1
        following = signs[seen]
        if depth == 0 and word == "source" and following == "{":
            scope = 1
        depth -= word in (")", "]", "}") and depth > 0
        yield Word(kind, word, start, end, scope, depth, _defines(kind, following))
        depth += word in _PAIRS
        if depth == 0 and word == "}":
            scope = 0


def _defines(kind: str, following: str) -> bool:
    return {"value": following in ("=", ":"), "weight": following == ":", "block": True}.get(kind, False)
