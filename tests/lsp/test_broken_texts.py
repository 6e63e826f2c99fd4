# SPDX-License-Identifier: Apache-2.0
"""Whatever is half typed, each feature has an answer: no request ends in an exception."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from akc.base.diagnostics import DiagnosticError
from akc.lsp.checking import diagnostics
from akc.lsp.document import Document
from akc.lsp.server import FEATURES
from akc.lsp.text import Text
from tests.lsp.session import TINY

BITS = st.sampled_from(
    ['"', "{", "}", "(", ")", "[", "]", "%", "#", "@", "=", ":", ",", "//", "\n", "in [", "source {", "at=[", 'hex "']
)
CUTS = st.tuples(st.integers(0, len(TINY)), st.integers(0, 60), BITS | st.just(""))
PLACES = st.builds(types.Position, st.integers(0, 35), st.integers(0, 90))


def ask(document: Document, method: str, place: types.Position) -> None:
    """One request at a place."""
    answer, _ = FEATURES[method]
    text = types.TextDocumentIdentifier(document.uri)
    everything = types.Range(types.Position(0, 0), types.Position(99, 0))
    values = {
        "text_document": text,
        "position": place,
        "range": everything,
        "context": types.ReferenceContext(True),
        "new_name": "other",
    }
    with contextlib.suppress(DiagnosticError):
        answer(document, type("Params", (), values)())


@settings(max_examples=120, deadline=None)
@given(st.lists(CUTS, min_size=1, max_size=3), PLACES)
def test_half_typed_texts(cuts: list[tuple[int, int, str]], place: types.Position) -> None:
    document = Document("file:///t.akir", "t.akir", Text(TINY))
    assert document.reading.module is not None
    text = TINY
    for start, length, bit in cuts:
        text = text[:start] + bit + text[start + length :]
    document.text.replace(text)
    document.changed(2)
    for found in diagnostics(document):
        assert found.message and found.range.start.line <= text.count("\n")
    for method in FEATURES:
        ask(document, method, place)


@pytest.mark.parametrize(
    "text", ["", "\n", "%", '"', "akir", "akir 1.0", "\ufeffakir 1.0\n", 'weights {\n  #w : i4[1] = hex "']
)
def test_nearly_nothing(text: str) -> None:
    document = Document("file:///t.akir", "t.akir", Text(text))
    assert diagnostics(document)
    for method in FEATURES:
        ask(document, method, types.Position(0, 1))
