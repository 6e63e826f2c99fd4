# SPDX-License-Identifier: Apache-2.0
"""What may stand at a place: operations, attributes, their words, values, weights, types."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from akc.ir.fields import FieldInfo, fields_of
from akc.ir.module import Op
from akc.ir.ops import OPS
from akc.ir.types import ELEMENT_TYPES
from akc.lsp.document import Document
from akc.lsp.hover import field_card, field_of
from akc.lsp.words import KEYWORDS, NAMING, Call, Word
from akc.pages.operations import docstring_parts

TRIGGERS = ["%", "#", ".", "=", ":", "(", " "]
Item = types.CompletionItem
Kind = types.CompletionItemKind


def completion(document: Document, params: types.CompletionParams) -> types.CompletionList:
    """What may stand at the cursor, in place of the word that was begun there."""
    if document.reading.skeleton.payload_at(document.text.offset(params.position)):
        return types.CompletionList(False, [])
    offset = document.offset(params.position)
    before = document.reading.words.before(offset)
    begun = before[-1] if before and before[-1].end >= offset and before[-1].kind in (*NAMING, "word") else None
    items = list(_items(document, offset, before[:-1] if begun else before, begun))
    where = document.range(begun.start if begun else offset, offset)
    for item in items:
        item.text_edit = types.TextEdit(where, item.insert_text or item.label)
        item.insert_text = None
    return types.CompletionList(False, items)


def _items(document: Document, offset: int, before: list[Word], begun: Word | None) -> Iterator[Item]:
    last = before[-1] if before else None
    if last is not None and last.kind in ("comment", "string") and last.end >= offset:
        return
    call = document.reading.words.call_around(offset)
    if begun is not None and begun.kind == "weight":
        yield from _weights(document, offset, _awaited(call, before))
    elif begun is not None and begun.kind == "value":
        yield from _values(document, offset)
    elif last is not None and last.text == "=" and call is None:
        yield from _operations() if before[-2:-1] and before[-2].kind == "value" else _codecs()
    elif last is not None and last.text == ":" and (call is None or last.depth < call.op.depth + 1):
        yield from (Item(name, kind=Kind.TypeParameter, insert_text=f"{name}[") for name in ELEMENT_TYPES)
    elif call is not None and last is not None and last.text == "=":
        yield from _answers(document, offset, _awaited(call, before))
    elif call is not None:
        yield from _attributes(document, call)
        yield from _values(document, offset)
    else:
        yield from (Item(word, kind=Kind.Keyword) for word in KEYWORDS)


def _awaited(call: Call | None, before: list[Word]) -> FieldInfo | None:
    """The attribute whose value is to come."""
    key = before[-2:-1] if before and before[-1].text == "=" else []
    return field_of(call, key[0].text) if call is not None and key else None


def _operations() -> Iterator[Item]:
    for name, op in OPS.items():
        words, sample = docstring_parts(op)
        about = types.MarkupContent(types.MarkupKind.Markdown, f"{words}\n\n```\n{sample}\n```")
        yield Item(name, kind=Kind.Function, insert_text=f"{name}(", detail=words.split("\n")[0], documentation=about)


def _codecs() -> Iterator[Item]:
    for codec in ("hex", "dec", "b64", "splat"):
        yield Item(codec, kind=Kind.Keyword, insert_text=f'{codec} "')


def _attributes(document: Document, call: Call) -> Iterator[Item]:
    given = document.reading.words.keys(call)
    for info in fields_of(OPS.get(call.op.text, Op)):
        if not info.kind.positional and info.name not in given:
            about = types.MarkupContent(types.MarkupKind.Markdown, field_card(info))
            order = f"{'0' if info.required else '1'}{info.name}"
            yield Item(
                info.name,
                kind=Kind.Property,
                insert_text=f"{info.name}=",
                detail=info.doc,
                documentation=about,
                sort_text=order,
            )


def _answers(document: Document, offset: int, info: FieldInfo | None) -> Iterator[Item]:
    """Words or weights that an attribute takes."""
    if info is None:
        return
    yield from (Item(word, kind=Kind.EnumMember) for word in info.kind.words)
    if "weight" in info.kind.doc:
        yield from _weights(document, offset, info)


def _weights(document: Document, offset: int, info: FieldInfo | None) -> Iterator[Item]:
    """Weights of the scope; those of the right type and used by nothing first."""
    words = document.reading.words
    scope = words.scope_at(offset)
    for word in words.defined("weight", scope):
        weight = document.weight(word.text, scope)
        if weight is not None and info is not None and info.dtypes and weight.type.dtype not in info.dtypes:
            continue
        used = len(words.named(word.text, scope)) > 1
        detail = None if weight is None else f"{weight.type}{'' if used else ', not used'}"
        yield Item(
            word.text, kind=Kind.Constant, detail=detail, filter_text=word.text, sort_text=f"{int(used)}{word.text}"
        )


def _values(document: Document, offset: int) -> Iterator[Item]:
    """Values that are defined above."""
    words = document.reading.words
    scope = words.scope_at(offset)
    statement = words.statement_of(offset)
    net = document.net(scope)
    for word in words.defined("value", scope, statement[0].start if statement else offset):
        value = None if net is None else net.values.get(word.text[1:])
        detail = None if value is None else str(value.type)
        yield Item(word.text, kind=Kind.Variable, detail=detail, filter_text=word.text)
