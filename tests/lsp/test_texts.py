# SPDX-License-Identifier: Apache-2.0
"""Edits, places, skeletons, and that weights are not read again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position, PositionEncodingKind, Range

from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.lsp import checking
from akc.lsp.checking import Numbers, judge
from akc.lsp.document import Document
from akc.lsp.skeleton import Skeleton
from akc.lsp.text import Text
from akc.lsp.words import Words
from tests.lsp.session import TINY, chain, place

LETTERS = st.text(alphabet="ab\n\U0001f9e0ß", max_size=12)


def document(text: str) -> Document:
    return Document("file:///t.akir", "t.akir", Text(text))


@given(LETTERS, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), LETTERS), max_size=4))
def test_edits_keep_the_table_of_lines(start: str, edits: list[tuple[int, int, str]]) -> None:
    text, now = Text(start), start
    for a, b, new in edits:
        low, high = sorted((min(a, len(now)), min(b, len(now))))
        text.edit(Range(text.position(low), text.position(high)), new)
        now = now[:low] + new + now[high:]
        assert text.string == now
        assert list(text.starts) == list(Text(now).starts)


@given(LETTERS, st.sampled_from(list(PositionEncodingKind)))
def test_places_and_back(string: str, encoding: PositionEncodingKind) -> None:
    text = Text(string, encoding)
    assert [text.offset(text.position(n)) for n in range(len(string) + 1)] == list(range(len(string) + 1))


def test_places_outside_are_the_nearest_inside() -> None:
    text = Text("ab\r\ncd")
    assert text.offset(Position(0, 99)) == 2 and text.offset(Position(9, 0)) == 6


def test_a_skeleton_has_no_payloads() -> None:
    skeleton = Skeleton.of(TINY, "t")
    assert 'hex ""' in skeleton.source.text and "7f01" not in skeleton.source.text
    assert len(skeleton.payloads) == 4
    for offset in range(len(skeleton.source.text)):
        assert skeleton.from_text(skeleton.to_text(offset)) == offset
        assert TINY[skeleton.to_text(offset)] == skeleton.source.text[offset]


@pytest.mark.parametrize(
    "line", ['// a comment with hex "', '%y = nn.relu(%x) : f32[1] from "hex \\" // no comment"', '// dec "1"']
)
def test_other_strings_stay(line: str) -> None:
    text = f'{line}\n#w : i4[1] = hex "1"\n'
    skeleton = Skeleton.of(text, "t")
    assert skeleton.source.text == f'{line}\n#w : i4[1] = hex ""\n'


def test_slashes_in_base64_are_no_comment() -> None:
    assert Skeleton.of('#w : f32[1] = b64 "//8="\n#v : i4[1] = hex "1"', "t").source.text.count('""') == 2


def test_a_payload_without_its_quote_is_marked_at_its_own_weight() -> None:
    broken = TINY.replace('1234"', "1234")
    (fault,) = checking.diagnostics(document(broken))
    assert (fault.code, fault.range.start.line) == ("AKC0001", TINY[: TINY.index("#fc1.weights :")].count("\n"))


def test_weights_live_on_through_edits_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    monkeypatch.setattr(checking, "_decoded", lambda weight: decoded.append(weight) or ())
    one, numbers = document(TINY), Numbers()
    before = one.reading.module
    assert before is not None
    judge(before, "akd1000", numbers)
    assert len(decoded) == 4
    where = place(TINY, "bits=|4")
    one.text.edit(Range(where, where), " ")
    one.changed(2)
    after = one.reading.module
    assert after is not None and all(after.weights[name] is before.weights[name] for name in before.weights)
    judge(after, "akd1000", numbers)
    assert len(decoded) == 4
    where = place(one.text.string, "|9000")
    one.text.edit(Range(where, Position(where.line, where.character + 1)), "1")
    one.changed(3)
    third = one.reading.module
    assert third is not None and third.weights["fc1.weights"].array[1, 0] == 1
    judge(third, "akd1000", numbers)
    assert [weight.payload.split()[1] for weight in decoded[4:]] == ["1000"]


def test_the_module_is_the_parsers() -> None:
    assert document(TINY).reading.module == parse(TINY)
    assert print_module(parse(TINY)) == TINY


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.akir"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_read_as_the_parser_does(path: Path) -> None:
    text = path.read_text()
    assert document(text).reading.module == parse(text)
    words = Words(Skeleton.of(text, "t").source.text)
    names = [w.text[1:] for w, _ in words.statements]
    module = parse(text)
    source = [] if module.source is None else [op.name for op in module.source.net.ops]
    assert names == [op.name for op in module.net.ops] + source


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (chain(1, 2048, 8), "AKC0506", "is 204,800 bytes; the chip takes 44,800 bytes"),
        (chain(30, 192, 16), "AKC0520", "of 78 are free"),
    ],
)
def test_memory_and_nps_that_are_exceeded(text: str, code: str, words: str) -> None:
    one = document(text)
    module = one.reading.module
    assert module is not None
    one.judgement = judge(module, "akd1000", Numbers())
    found = checking.diagnostics(one)
    assert [d.code for d in found] == [code]
    assert words in found[0].message
