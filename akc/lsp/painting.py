# SPDX-License-Identifier: Apache-2.0
"""Semantic tokens and inlay hints."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from lsprotocol import types

from akc.ir.ops import OPS
from akc.ir.types import ELEMENT_TYPES
from akc.lsp.document import Document
from akc.lsp.hover import chip_words, nps_of
from akc.lsp.words import KEYWORDS, Word

TOKENS = [
    "comment",
    "string",
    "variable",
    "property",
    "namespace",
    "number",
    "keyword",
    "function",
    "type",
    "parameter",
    "enumMember",
]
MODIFIERS = ["declaration", "readonly"]
LEGEND = types.SemanticTokensLegend(TOKENS, MODIFIERS)

_KINDS = {
    "comment": "comment",
    "string": "string",
    "value": "variable",
    "weight": "property",
    "block": "namespace",
    "number": "number",
}
CODECS = ("hex", "dec", "b64", "splat", "elided")


def semantic_tokens(document: Document, params: types.SemanticTokensParams) -> types.SemanticTokens:
    """The kind of every word, payloads left out."""
    data: list[int] = []
    line = column = 0
    for word, kind in _kinds(document.reading.words.words):
        place = document.word_range(word)
        if place.start.line != place.end.line:
            continue
        near = place.start.line == line
        modifiers = (1 if word.defines else 0) | (2 if word.kind == "weight" else 0)
        start = place.start.character - (column if near else 0)
        length = place.end.character - place.start.character
        data += [place.start.line - line, start, length, TOKENS.index(kind), modifiers]
        line, column = place.start.line, place.start.character
    return types.SemanticTokens(data)


def _kinds(words: list[Word]) -> Iterator[tuple[Word, str]]:
    signs = [word for word in words if word.kind != "comment"]
    following = {a.start: b.text for a, b in itertools.pairwise(signs)}
    for word in words:
        kind = _KINDS.get(word.kind) or (_word_kind(word, following.get(word.start, "")) if word.kind == "word" else "")
        if kind:
            yield word, kind


def _word_kind(word: Word, following: str) -> str:
    if word.text in OPS:
        return "function"
    if word.text in ELEMENT_TYPES and following == "[":
        return "type"
    if following == "=":
        return "parameter"
    if following == "(":
        return "function"
    return "keyword" if word.text in (*KEYWORDS, *CODECS) else "enumMember"


def inlay_hints(document: Document, params: types.InlayHintParams) -> list[types.InlayHint]:
    """Types behind operands and weights, and what a layer takes on the chip behind its statement."""
    start, end = document.offset(params.range.start), document.offset(params.range.end)
    found = [*_type_hints(document, start, end), *_np_hints(document, start, end)]
    return sorted(found, key=lambda hint: (hint.position.line, hint.position.character))


def _type_hints(document: Document, start: int, end: int) -> Iterator[types.InlayHint]:
    for word in document.reading.words.words:
        if word.defines or word.kind not in ("value", "weight") or not start <= word.end <= end:
            continue
        kind = _type_of(document, word)
        if kind:
            yield types.InlayHint(document.word_range(word).end, f": {kind}", kind=types.InlayHintKind.Type)


def _type_of(document: Document, word: Word) -> str:
    if word.kind == "weight":
        weight = document.weight(word.text, word.scope)
        return "" if weight is None else str(weight.type)
    net = document.net(word.scope)
    kind = None if net is None else net.types.get(word.text[1:])
    return "" if kind is None else str(kind)


def _np_hints(document: Document, start: int, end: int) -> Iterator[types.InlayHint]:
    for first, last in document.reading.words.statements:
        layer = document.judgement.layers.get(first.text[1:])
        if layer is None or first.scope or not start <= last.end <= end:
            continue
        yield types.InlayHint(
            document.word_range(last).end,
            nps_of(layer),
            tooltip=f"{document.judgement.target}: {chip_words(layer)}",
            padding_left=True,
        )
