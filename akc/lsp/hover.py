# SPDX-License-Identifier: Apache-2.0
"""What an editor shows under the mouse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from lsprotocol import types

from akc.base.diagnostics import DiagnosticError
from akc.ir.fields import FieldInfo, fields_of
from akc.ir.module import Module, Op, Value
from akc.ir.ops import OPS
from akc.ir.types import ELEMENT_TYPES, TensorType
from akc.ir.weights import Weight
from akc.lsp.document import Document, Facts
from akc.lsp.words import Call, Word
from akc.pages.operations import operation_reference


def hover(document: Document, params: types.HoverParams) -> types.Hover | None:
    """The card of the word under the mouse."""
    offset = document.offset(params.position)
    if document.reading.skeleton.payload_at(document.text.offset(params.position)):
        return None
    word = document.reading.words.at(offset)
    text = None if word is None else _card(document, word)
    if word is None or not text:
        return None
    markdown = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(markdown, document.word_range(word))


def _card(document: Document, word: Word) -> str:
    if word.kind == "value":
        return value_card(document, word)
    if word.kind == "weight":
        return weight_card(document, word)
    if word.kind != "word":
        return ""
    if word.text in OPS:
        return operation_reference(OPS[word.text]).removeprefix("### ").replace(word.text, f"**{word.text}**", 1)
    if word.text in ELEMENT_TYPES:
        return _element_card(word.text)
    call = document.reading.words.call_around(word.start)
    info = None if call is None else field_of(call, word.text)
    return "" if info is None or word not in document.reading.words.keys(call).values() else field_card(info)  # type: ignore[arg-type]


def field_of(call: Call, key: str) -> FieldInfo | None:
    """The attribute of an operation."""
    op = OPS.get(call.op.text)
    return None if op is None else next((info for info in fields_of(op) if info.name == key), None)


def field_card(info: FieldInfo) -> str:
    """What an attribute takes and means."""
    kinds = f" ({', '.join(info.dtypes)})" if info.dtypes else ""
    default = "must be given" if info.required else f"default: {_default(info)}"
    return f"**{info.name}**: {info.doc}\n\ntakes: {info.kind.doc}{kinds}; {default}"


def _default(info: FieldInfo) -> str:
    return "absent" if info.default in (None, ()) else info.kind.print(info.default)


def _element_card(name: str) -> str:
    element = ELEMENT_TYPES[name]
    values = "" if element.low is None else f", {element.low} to {element.high}"
    return f"**{name}**: {element.bits} bits{values}"


# -- values ----------------------------------------------------------------------------------------


def value_card(document: Document, word: Word) -> str:
    """Type, range, bits, who gives it and who reads it, and what its layer takes on the chip."""
    net = document.net(word.scope)
    value = None if net is None else net.values.get(word.text[1:])
    if net is None or value is None:
        return ""
    op = net.producer(value.name)
    lines = [f"**%{value.name}**: `{value.type}`", *_value_facts(value)]
    lines.append("input of the net" if op is None else f"from {op.mnemonic}{_origin(op)}")
    readers = [f"%{reader.name}" for reader in net.uses(value.name)]
    readers += ["return"] if value.name in net.outputs else []
    lines.append(f"read by {', '.join(readers)}" if readers else "read by nothing")
    layer = document.judgement.layers.get(value.name) if word.scope == 0 else None
    lines += [] if layer is None else [f"on the {document.judgement.target}: {chip_words(layer)}"]
    return "\n\n".join(lines)


def _value_facts(value: Value) -> Iterator[str]:
    element = value.type.element
    levels = f", levels {element.low} to {element.high}" if value.type.dtype.startswith("u") else ""
    yield f"{element.bits} bits{levels}; {value.type.size:,} values" + (
        "" if value.type.steps is None else f" in each of {value.type.steps} steps"
    )
    if value.range is not None:
        yield f"range {value.range[0]:.6g} to {value.range[1]:.6g}" + "".join(
            f", {top:.6g} at {bits} bits" for bits, top in value.tops
        )


def _origin(op: Op) -> str:
    return f" ({', '.join(op.origin)})" if op.origin else ""


def nps_of(layer: Facts) -> str:
    """`3 NPs`, or the image front end, or nothing for a layer of the host."""
    kinds = [place["kind"] for place in layer["places"]]
    count = len([kind for kind in kinds if kind != "hrc"])
    if "hrc" in kinds:
        return "image front end"
    return f"{count} NP{'s' if count != 1 else ''}" if count else "host"


def chip_words(layer: Facts) -> str:
    """NPs and memory of a layer, the fullest NP counts."""
    words = [nps_of(layer)]
    for what in ("weight", "input"):
        size, limit = layer[f"{what}_bytes"], layer[f"{what}_limit"]
        if size:
            words.append(f"{size:,}{f' of {limit:,}' if limit else ''} bytes of {what} memory")
    if layer["external_bytes"]:
        words.append(f"{layer['external_bytes']:,} bytes outside")
    return ", ".join(words)


# -- weights ---------------------------------------------------------------------------------------


def weight_card(document: Document, word: Word) -> str:
    """Type, statistics of the numbers, and who reads it."""
    weight, module = document.weight(word.text, word.scope), document.module_of(word.scope)
    if weight is None or module is None:
        return ""
    readers = [f"%{op.name}" for op in module.net.ops if word.text[1:] in op.weights_used]
    lines = [f"**{word.text}**: `{weight.type}`, {weight.codec}", *weight_statistics(weight)]
    lines.append(f"read by {', '.join(readers)}" if readers else "read by nothing")
    lines += [f"on the {document.judgement.target}: {line}" for line in _on_chip(document, word, module)]
    return "\n\n".join(lines)


def _on_chip(document: Document, word: Word, module: Module) -> Iterator[str]:
    for op in module.net.ops if word.scope == 0 else ():
        layer = document.judgement.layers.get(op.name)
        if layer is not None and word.text[1:] in op.weights_used:
            yield f"{chip_words(layer)} for %{op.name}"


def weight_statistics(weight: Weight) -> list[str]:
    """Numbers of a weight in a few lines; why there are none where they cannot be read."""
    try:
        numbers = weight.array
    except DiagnosticError as fault:
        return [fault.diagnostics[0].message]
    if not numbers.size:
        return ["no values"]
    values = numbers.astype(np.float64)
    zeros = 100 * (values.size - np.count_nonzero(values)) / values.size
    return [
        f"{values.size:,} values from {_number(values.min(), weight.type)} to {_number(values.max(), weight.type)}",
        f"mean {values.mean():.4g}, standard deviation {values.std():.4g}, {zeros:.1f} % zeros",
    ]


def _number(number: float, kind: TensorType) -> str:
    return f"{number:.6g}" if kind.element.low is None else f"{int(number):,}"
