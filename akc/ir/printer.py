# SPDX-License-Identifier: Apache-2.0
"""Module to text, in the one canonical form: printing what `parse` read gives the same text.

A statement stands on one line if that fits 100 columns; else each attribute has a line of its own with
a trailing comma, so that the diff of two texts is the attributes that changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from akc.base.calls import FLAG, public
from akc.ir.fields import fields_of, print_float, quote
from akc.ir.module import MODULE, Module, Net, Op, Sequence, Value
from akc.ir.weights import Weight, encode

WIDTH = 100


@public(module=MODULE, elide=FLAG)
def print_module(module: Module, elide: bool = False) -> str:
    """The text of a module; `elide` writes digests in place of weights that are no short vectors."""
    lines = [*_comments(module.comments, ""), f"akir {module.version}", "", *_body(module, elide)]
    if module.source is not None:
        lines += ["", *_comments(module.source.comments, ""), "source {"]
        lines += [f"  {line}".rstrip() for line in _body(module.source, elide)]
        lines += [*_comments(module.source.trailing_comments, "  "), "}"]
    lines += _comments(module.trailing_comments, "")
    return "\n".join(lines) + "\n"


def _body(module: Module, elide: bool) -> Iterator[str]:
    """The net and its weights."""
    yield from _net(module.net)
    if module.weights or module.weights_comments:
        yield from ("", *_comments(module.weights_comments, ""), "weights {")
        for name, weight in module.weights.items():
            yield from _comments(weight.comments, "  ")
            yield from _weight(name, weight, elide)
        yield "}"


def _comments(comments: tuple[str, ...], indent: str) -> Iterator[str]:
    for comment in comments:
        yield f"{indent}// {comment}".rstrip()


def _net(net: Net) -> Iterator[str]:
    yield from _comments(net.comments, "")
    yield from _signature(net)
    for statement in net.statements:
        if isinstance(statement, Sequence):
            yield from _sequence(statement)
        else:
            yield from _op(statement, "  ")
    yield from _comments(net.return_comments, "  ")
    yield f"  return {', '.join(f'%{name}' for name in net.outputs)}"
    yield from _comments(net.trailing_comments, "  ")
    yield "}"


def _signature(net: Net) -> Iterator[str]:
    inputs = [_value(v) for v in net.inputs]
    results = ", ".join(str(t) for t in net.output_types)
    tail = f") -> {results if len(net.output_types) == 1 else f'({results})'} {{"
    line = f"net @{net.name}({', '.join(inputs)}{tail}"
    if len(line) <= WIDTH:
        yield line
    else:
        yield f"net @{net.name}("
        yield from (f"  {text}," for text in inputs)
        yield tail


def _value(value: Value) -> str:
    return f"%{value.name}: {value.type}{_range(value)}"


def _range(value: Value) -> str:
    if value.range is None:
        return ""
    ends = [print_float(n) for n in value.range] + [f"u{bits}={print_float(top)}" for bits, top in value.tops]
    return f" in [{', '.join(ends)}]"


def _sequence(sequence: Sequence) -> Iterator[str]:
    yield from _comments(sequence.comments, "  ")
    yield f"  sequence @{sequence.name} {{"
    for op in sequence.ops:
        yield from _op(op, "    ")
    yield from _comments(sequence.trailing_comments, "    ")
    yield "  }"


def print_op(op: Op) -> str:
    """The statement alone, without its comments."""
    return "\n".join(line for line in _op(op, "") if not line.startswith("//"))


def _op(op: Op, indent: str) -> Iterator[str]:
    yield from _comments(op.comments, indent)
    operands, attributes = _arguments(op)
    origin = f" from {', '.join(quote(name) for name in op.origin)}" if op.origin else ""
    tail = f") : {op.type}{_range(op.result)}{origin}"
    keyed = [f"{key}={value}" for key, value in attributes]
    head = f"{indent}%{op.name} = {op.mnemonic}("
    line = head + ", ".join(operands + keyed) + tail
    if len(line) <= WIDTH or not keyed:
        yield line
        return
    yield head + ", ".join(operands) + ("," if operands else "")
    for text in keyed:
        yield from _attribute(text, indent + "  ")
    yield indent + tail


def _arguments(op: Op) -> tuple[list[str], list[tuple[str, str]]]:
    operands: list[str] = []
    attributes: list[tuple[str, str]] = []
    for info in fields_of(type(op)):
        value = getattr(op, info.name)
        if info.kind.positional:
            text = info.kind.print(value)
            operands += [text] if text else []
        elif info.required or value != info.default:
            attributes.append((info.name, info.kind.print(value)))
    return operands, attributes


def _attribute(text: str, indent: str) -> Iterator[str]:
    """One attribute; a list of calls that is too long for a line gets a line per item."""
    if len(indent) + len(text) < WIDTH or "=[" not in text or "(" not in text:
        yield f"{indent}{text},"
        return
    key, items = text[:-1].split("=[", 1)
    yield f"{indent}{key}=["
    yield from (f"{indent}  {item if item.endswith(')') else item + ')'}," for item in items.split("), "))
    yield f"{indent}],"


def _weight(name: str, weight: Weight, elide: bool) -> Iterator[str]:
    head = f"  #{name} : {weight.type} = "
    if weight.elided:
        yield f"{head}elided {weight.payload}"
        return
    if elide and weight.type.size > 64:
        yield f"{head}elided sha256:{weight.digest}"
        return
    codec, lines = encode(weight)
    if len(lines) == 1 and len(head) + len(codec) + len(lines[0]) + 3 <= WIDTH:
        yield f'{head}{codec} "{lines[0]}"'
        return
    yield f'{head}{codec} "'
    yield from (f"    {line}" for line in lines[:-1])
    yield f'    {lines[-1]}"'
