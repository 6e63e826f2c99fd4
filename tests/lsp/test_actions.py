# SPDX-License-Identifier: Apache-2.0
"""Each way out that is an edit, followed: the diagnostic that it belongs to goes away, and no fault comes."""

# ruff: noqa: E501
# A case is one line of the table.

from __future__ import annotations

import pytest
from lsprotocol import types

from akc.lsp.actions import WAYS, code_actions
from akc.lsp.checking import Numbers, all_found, judge
from akc.lsp.document import Document
from akc.lsp.text import Text
from tests.lsp.session import TINY, applied, chain

EVERYTHING = types.Range(types.Position(0, 0), types.Position(10_000, 0))


def judged(text: str) -> Document:
    document = Document("file:///t.akir", "t.akir", Text(text))
    found = document.reading.found
    if document.reading.module is not None and not any(d.severity == "error" for d in found):
        document.judgement = judge(document.reading.module, "akd1000", Numbers())
    return document


def actions(document: Document) -> list[types.CodeAction]:
    params = types.CodeActionParams(types.TextDocumentIdentifier(document.uri), EVERYTHING, types.CodeActionContext([]))
    return code_actions(document, params)


H = "    %h = akida.fully_connected(%x,"
SOURCE = """
source {
  net @old(%picture: f32[4]) -> f32[4] {
    return %picture
  }
}
"""

CONV = """akir 1.0

net @n(%x: u4[8, 8, 4]) -> u4[8, 8, 4] {
  sequence @s0 {
    %a = akida.convolutional(%x, weights=#w, act_bits=4) : u4[8, 8, 4]
    %b = akida.convolutional(%a, weights=#w, act_bits=4) : u4[8, 8, 4]
  }
  return %b
}

weights {
  #w : i4[4, 3, 3, 4] = splat "1"
}
"""

IMAGE = """akir 1.0

net @n(%x: u8[8, 8, 3]) -> i32[8, 8, 4] {
  sequence @s0 {
    %a = akida.input_convolutional(%x, weights=#w, activation=false) : i32[8, 8, 4]
  }
  return %a
}

weights {
  #w : i8[4, 3, 3, 3] = splat "1"
}
"""

CASES = {
    "an operation that is misspelt": (TINY, "akida.fully_connected(%h", "akida.fully_conected(%h", "AKC0101"),
    "a value that is misspelt": (TINY, "host.decode(%p)", "host.decode(%pp)", "AKC0102"),
    "a value that is returned": (TINY, "return %y", "return %yy", "AKC0102"),
    "a weight that is misspelt": (TINY, "threshold=#fc1.threshold", "threshold=#fc1.treshold", "AKC0103"),
    "an attribute that is misspelt": (TINY, "act_bits=4", "act_bit=4", "AKC0105"),
    "an attribute that is not there": (TINY, "activation=false", "activation=false, colour=blue", "AKC0105"),
    "an attribute twice": (TINY, "activation=false", "activation=false, activation=false", "AKC0104"),
    "a weight that is missing": (TINY, "weights=#fc2.weights, activation", "activation", "AKC0106"),
    "a statement too early": (TINY, f"  sequence @s0 {{\n{H}", f"  %z = nn.relu(%y) : f32[2]\n  sequence @s0 {{\n{H}", "AKC0102"),
    "a range the wrong way round": (TINY, "in [0.0, 1.0]", "in [1.0, 0.0]", "AKC0107"),
    "a type": (TINY, ": u4[1, 1, 3] from", ": u4[1, 1, 4] from", "AKC0201"),
    "a signature": (TINY, ") -> f32[2]", ") -> f32[3]", "AKC0201"),
    "a weight that is not used": (TINY, "weights {\n", 'weights {\n  #other : i4[2] = hex "12"\n', "AKC0206"),
    "steps that are cut": (TINY, '"17.25"', '"17.26"', "AKC0205"),
    "a version": (TINY, "akir 1.0", "akir 9.0", "AKC0003"),
    "a source with other inputs": (TINY, '111"\n}\n', f'111"\n}}\n{SOURCE}', "AKC0432"),
    "a comment of another language": (TINY, "// two outputs", "# two outputs", "AKC0001"),
    "a typographic quote": (TINY, 'from "fc1"', "from \u201cfc1\"", "AKC0001"),
    "a typographic minus": (TINY, "scale=0.06666667", "scale=0.06666667, zero=\u22121", "AKC0001"),
    "a layer outside of a sequence": (
        TINY,
        "  %y = host.decode(%p)",
        "  %q = akida.fully_connected(%x, weights=#fc1.weights, act_bits=4) : u4[1, 1, 3]\n  %y = host.decode(%p)",
        "AKC0108",
    ),
    "a layer that is read outside": (TINY, "host.decode(%p) : f32[2]", "host.decode(%h) : f32[1, 1, 3]", "AKC0108"),
    "a layer that does not follow": (CONV, "akida.convolutional(%a", "akida.convolutional(%x", "AKC0108"),
    "padding": (CONV.replace("8, 8, 4] {", "6, 6, 4] {").replace(": u4[8, 8, 4]\n", ": u4[6, 6, 4]\n"), "%x, weights", "%x, padding=valid, weights", "AKC0503"),
    "a pool on a small map": (CONV.replace("8, 8", "1, 1"), "(%x, ", "(%x, pool=max, pool_size=[2, 2], pool_stride=[2, 2], ", "AKC0509"),
    "a pool that overlaps": (chain(2, 64, 64), "(%x, ", "(%x, pool=max, pool_size=[2, 2], pool_stride=[1, 1], ", "AKC0509"),
    "a pin that is taken": (TINY, "activation=false", "activation=false, at=[fnp3(1, 3, 0), fnp3(1, 3, 0)]", "AKC0524"),
    "potentials of the image layer": (IMAGE, "x", "x", "AKC0505"),
    "learning in the middle": (TINY, "act_bits=4,\n", "act_bits=4,\n      learning=akida_unsupervised(num_weights=1),\n", "AKC0516"),
}  # fmt: skip
"""A sound text, a piece of it, the slip, the code of the diagnostic."""

LEADS_ON = {
    "padding",
    "a pool that overlaps",
    "potentials of the image layer",
    "a typographic minus",
    "a layer that is read outside",
}
"""Where the way out, once it is gone, leads to the next message: the type of the result, an attribute that is not there."""


@pytest.mark.parametrize("name", CASES)
def test_a_way_out_is_followed(name: str) -> None:
    text, old, new, code = CASES[name]
    assert old in text
    document = judged(text.replace(old, new, 1))
    before = [d for d in all_found(document) if d.code == code]
    assert before, [(d.code, d.message) for d in all_found(document)]
    offered = [a for a in actions(document) if a.diagnostics and a.diagnostics[0].code == code]
    assert offered
    assert offered[0].edit is not None and offered[0].edit.changes is not None
    after = judged(applied(document.text.string, offered[0].edit.changes[document.uri]))
    found = all_found(after)
    assert before[0].message not in [d.message for d in found], after.text.string
    if name not in LEADS_ON:
        assert found == [], after.text.string


def test_every_row_has_a_case() -> None:
    taken = set()
    for text, old, new, _ in CASES.values():
        taken |= {action.title for action in actions(judged(text.replace(old, new, 1)))}
    rows = {way.title.partition("{")[0] for way in WAYS}
    assert {row for row in rows if not any(title.startswith(row) for title in taken)} == set()


def test_there_are_none_elsewhere() -> None:
    document = judged(TINY.replace("return %y", "return %yy"))
    top = types.Range(types.Position(0, 0), types.Position(0, 0))
    params = types.CodeActionParams(types.TextDocumentIdentifier(document.uri), top, types.CodeActionContext([]))
    assert code_actions(document, params) == []
