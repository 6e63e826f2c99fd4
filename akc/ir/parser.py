# SPDX-License-Identifier: Apache-2.0
"""Text to module. Syntax errors stop at the first; every fault after that is reported at once."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from attrs import define, evolve, field
from lark import Token, Tree

from akc.base.calls import WORD, instance, public
from akc.base.diagnostics import Diagnostic, DiagnosticError, Note, Source, Span
from akc.grammar import parse_tree
from akc.ir.fields import Call, FieldError, FieldInfo, Quoted, Range, ValueName, WeightName, Word, fields_of
from akc.ir.module import Module, Net, Op, Sequence, Value
from akc.ir.ops import OPS
from akc.ir.ops.nn import Opaque
from akc.ir.types import ELEMENT_TYPES, TensorType
from akc.ir.verifier import verify
from akc.ir.weights import Weight

VERSIONS = ("1.0",)

TOPS = {"u1": 1, "u2": 2, "u3": 3, "u4": 4}
"""Types of levels that a range may have a top of its own for, and their bits."""

Node = Any
"""A lark tree; whether a child is a tree, a token or None is fixed by the grammar."""


@public(text=instance(str, help="give the text itself, such as open(name).read()"), name=WORD)
def parse(text: str, name: str = "<text>") -> Module:
    """The module of a text; `name` is what diagnostics call the file.

    Raises DiagnosticError with every fault in names, attributes and types (a syntax error comes alone).
    """
    module, found = read(Source(name, text))
    faults = [d for d in found if d.severity == "error"]
    if faults:
        raise DiagnosticError(faults)
    return module


def read(source: Source) -> tuple[Module, list[Diagnostic]]:
    """The module of a text as far as it can be made out, with all faults and warnings in text order, for editors.

    Operations at fault are `Opaque`. Raises DiagnosticError AKC0001 for a syntax error.
    """
    module, found = _Builder(source).build(parse_tree("akir", source, "AKC0001"))
    found += verify(module)
    return module, sorted(found, key=lambda d: d.span.start if d.span else 0)


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')


def _find_comments(text: str) -> Iterator[tuple[int, str]]:
    """Each comment outside of strings with its place. Payloads take megabytes, so strings are skipped by str.find."""
    at, comment = 0, text.find("//")
    while comment >= 0:
        quote = text.find('"', at, comment)
        if quote >= 0:
            at = _string_end(text, quote)
        else:
            end = text.find("\n", comment)
            at = len(text) if end < 0 else end
            yield comment, text[comment:at]
        if comment < at:
            comment = text.find("//", at)


def _string_end(text: str, quote: int) -> int:
    end = text.find('"', quote + 1)
    if end >= 0 and text.find("\\", quote, end) < 0:
        return end + 1
    escaped = _STRING.match(text, quote)
    return escaped.end() if escaped else len(text)


@define
class _Comments:
    """The comments of a text, handed out front to back."""

    waiting: list[tuple[int, str]]
    text: str

    @classmethod
    def of(cls, text: str) -> _Comments:
        return cls([(at, comment[2:].strip()) for at, comment in _find_comments(text)], text)

    def before(self, offset: int) -> tuple[str, ...]:
        """The comments that nobody took and that start before `offset`."""
        count = next((i for i, (at, _) in enumerate(self.waiting) if at >= offset), len(self.waiting))
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return tuple(comment for _, comment in taken)

    def through_line(self, offset: int) -> tuple[str, ...]:
        """The same, up to the end of the line that holds `offset`."""
        end = self.text.find("\n", offset)
        return self.before(len(self.text) if end < 0 else end)


@define
class _Builder:
    source: Source
    comments: _Comments = field(init=False)
    faults: list[Diagnostic] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.comments = _Comments.of(self.source.text)

    # -- places and faults ------------------------------------------------------------------------

    def span(self, node: Node | Token) -> Span:
        if isinstance(node, Token):
            return Span(self.source, node.start_pos or 0, node.end_pos or 0)
        return Span(self.source, node.meta.start_pos, node.meta.end_pos)

    def fault(self, code: str, message: str, node: Node | Token, label: str = "", help: str | None = None) -> None:
        self.faults.append(
            Diagnostic(code=code, message=message, span=self.span(node), label=label, help=(help,) if help else ())
        )

    # -- module and net ---------------------------------------------------------------------------

    def build(self, tree: Node) -> tuple[Module, list[Diagnostic]]:
        header, *body, source_node = tree.children
        version = header.children[0]
        if version not in VERSIONS:
            known = ", ".join(VERSIONS)
            self.fault("AKC0003", f"akir {version} is not known", version, help=f"this akc reads akir {known}")
        head_comments = self.comments.through_line(header.meta.end_pos)
        module = self.body(*body)
        source = None if source_node is None else self.source_net(source_node)
        end = self.comments.before(len(self.source.text))
        head: dict[str, Any] = {"version": str(version), "comments": head_comments, "trailing_comments": end}
        return evolve(module, source=source, **head), self.faults

    def body(self, net_node: Node, weights_node: Node | None) -> Module:
        """A net and its weights."""
        net = self.net(net_node)
        if weights_node is None:
            return Module(net=net)
        comments = self.comments.through_line(weights_node.meta.start_pos)
        return Module(net=net, weights=self.weights(weights_node), weights_comments=comments)

    def source_net(self, node: Node) -> Module:
        """What stands in `source { ... }`."""
        comments = self.comments.through_line(node.meta.start_pos)
        module = self.body(*node.children)
        return evolve(module, comments=comments, trailing_comments=self.comments.before(node.meta.end_pos - 1))

    def net(self, node: Node) -> Net:
        children = node.children
        name, results, returned = children[0], _child(node, "results"), _child(node, "return")
        inputs = tuple(self.value(c.children[0], c.children[1], c.children[2]) for c in _all(node, "input"))
        opening = self.source.text.index("{", results.meta.end_pos)
        comments = self.comments.through_line(opening)
        statements = tuple(
            self.op(c) if c.data == "op" else self.sequence(c)
            for c in children
            if isinstance(c, Tree) and c.data in ("op", "sequence")
        )
        spans = {"op": self.span(name), "return": self.span(returned), "results": self.span(results)}
        spans |= {f"%{c.children[0][1:]}": self.span(c.children[0]) for c in _all(node, "input")}
        return_comments = self.comments.through_line(returned.meta.end_pos)
        return Net(
            name=name[1:],
            inputs=inputs,
            statements=statements,
            outputs=tuple(v[1:] for v in returned.children),
            output_types=tuple(self.tensor_type(c) for c in results.children if c is not None),
            comments=comments,
            return_comments=return_comments,
            trailing_comments=self.comments.before(node.meta.end_pos - 1),
            spans=spans,
        )

    def value(self, name: Token, kind: Node, bounds: Node | None) -> Value:
        if bounds is None:
            return Value(name[1:], self.tensor_type(kind))
        low, high, *tops = (child for child in bounds.children if child is not None)
        found = tuple(self.top(*top.children) for top in tops)
        return Value(name[1:], self.tensor_type(kind), (float(low), float(high)), found)

    def top(self, name: Token, number: Token) -> tuple[int, float]:
        """The top of a range for levels of one type."""
        if name not in TOPS:
            self.fault("AKC0105", f"a range has no {name}", name, help=f"tops are named {', '.join(TOPS)}")
        return TOPS.get(str(name), 4), float(number)

    def tensor_type(self, node: Node) -> TensorType:
        name, dims = node.children[0], [c for c in node.children[1:] if c is not None]
        if name not in ELEMENT_TYPES:
            self.fault(
                "AKC0201", f"there is no element type {name}", name, help=f"the types are {', '.join(ELEMENT_TYPES)}"
            )
            name = Token("NAME", "f32")
        steps = next((int(str(d.children[0])) for d in dims if isinstance(d, Tree)), None)
        shape = tuple(int(d) for d in dims if isinstance(d, Token))
        if any(n < 0 for n in shape) or steps == 0:
            self.fault("AKC0201", "an axis has a negative length, or time no steps", node)
            shape = tuple(abs(n) for n in shape)
        return TensorType(str(name), shape, steps)

    def sequence(self, node: Node) -> Sequence:
        name = node.children[0]
        comments = self.comments.through_line(name.end_pos)
        ops = tuple(self.op(c) for c in _all(node, "op"))
        trailing = self.comments.before(node.meta.end_pos - 1)
        spans = {"op": self.span(name)}
        return Sequence(name=name[1:], ops=ops, comments=comments, trailing_comments=trailing, spans=spans)

    # -- operations -------------------------------------------------------------------------------

    def op(self, node: Node) -> Op:
        name, mnemonic, arguments, kind, bounds, origin = node.children
        comments = self.comments.through_line(node.meta.end_pos)
        common: dict[str, Any] = {
            "result": self.value(name, kind, bounds),
            "origin": () if origin is None else tuple(_unquote(s) for s in origin.children),
            "comments": comments,
        }
        spans = {"op": self.span(mnemonic), "result": self.span(name), "type": self.span(kind)}
        given = self.arguments(arguments)
        op_class = OPS.get(mnemonic)
        if op_class is None:
            self.fault("AKC0101", f"there is no operation {mnemonic}", mnemonic, help=_did_you_mean(mnemonic, OPS))
            return Opaque(op=str(mnemonic), **common, spans=spans)
        fields = self.fields(op_class, mnemonic, *given, spans)
        if fields is None:
            return Opaque(op=str(mnemonic), **common, spans=spans)
        return op_class(**fields, **common, spans=spans)

    def arguments(self, node: Node) -> tuple[list[tuple[Any, Node | Token]], dict[str, tuple[Any, Node | Token]]]:
        """Positional and keyed arguments as raw values, each with its place."""
        positional: list[tuple[Any, Node | Token]] = []
        keyed: dict[str, tuple[Any, Node | Token]] = {}
        for child in node.children:
            if child is None:
                continue
            if isinstance(child, Tree) and child.data == "keyed":
                key, value = child.children
                if key in keyed:
                    self.fault("AKC0104", f"{key} is given twice", key)
                keyed[str(key)] = (self.raw(value), child)
            else:
                positional.append((self.raw(child), child))
        return positional, keyed

    def raw(self, node: Node | Token) -> Any:
        return _RAW[node.type](node) if isinstance(node, Token) else _RAW_TREES[node.data](self, node)

    def fields(
        self,
        op_class: type[Op],
        mnemonic: Token,
        positional: list[tuple[Any, Node | Token]],
        keyed: dict[str, tuple[Any, Node | Token]],
        spans: dict[str, Span],
    ) -> dict[str, Any] | None:
        """The fields of an operation from its arguments; None (and faults) if they do not do."""
        before = len(self.faults)
        values: dict[str, Any] = {}
        infos = fields_of(op_class)
        for info in infos:
            if info.kind.positional:
                self._take_positional(info, mnemonic, positional, values, spans)
            elif info.name in keyed:
                raw, place = keyed.pop(info.name)
                spans[info.name] = self.span(place)
                self._read(info, raw, place, values)
            elif info.required:
                self.fault("AKC0106", f"{mnemonic} needs {info.name}=", mnemonic, help=f"{info.name}: {info.doc}")
        for _, place in positional:
            self.fault("AKC0105", f"{mnemonic} takes no further value", place)
        names = [info.name for info in infos if not info.kind.positional]
        for key, (_, place) in keyed.items():
            self.fault(
                "AKC0105",
                f"{mnemonic} has no attribute {key}",
                place,
                help=_did_you_mean(key, names) or f"its attributes are {', '.join(names) or 'none'}",
            )
        return values if len(self.faults) == before else None

    def _take_positional(
        self,
        info: FieldInfo,
        mnemonic: Token,
        positional: list[tuple[Any, Node | Token]],
        values: dict[str, Any],
        spans: dict[str, Span],
    ) -> None:
        if info.kind.doc == "values":
            self._read(info, [raw for raw, _ in positional], mnemonic, values)
            positional.clear()
        elif positional:
            raw, place = positional.pop(0)
            spans[info.name] = self.span(place)
            self._read(info, raw, place, values)
        else:
            self.fault("AKC0106", f"{mnemonic} needs the value {info.name}", mnemonic, help=f"{info.name}: {info.doc}")

    def _read(self, info: FieldInfo, raw: Any, place: Node | Token, values: dict[str, Any]) -> None:
        try:
            values[info.name] = info.kind.read(raw)
        except FieldError as fault:
            self.fault("AKC0107", f"{info.name} {fault}", place)

    # -- weights ----------------------------------------------------------------------------------

    def weights(self, node: Node) -> dict[str, Weight]:
        weights: dict[str, Weight] = {}
        places: dict[str, Span] = {}
        for entry in _all(node, "weight"):
            name, kind, payload = entry.children
            comments = self.comments.through_line(payload.meta.start_pos)
            if name[1:] in weights:
                note = Note(message="the first one", span=places[name[1:]])
                self.faults.append(
                    Diagnostic(code="AKC0104", message=f"{name} is defined twice", span=self.span(name), notes=(note,))
                )
            places[name[1:]] = self.span(name)
            weights[name[1:]] = self.weight(kind, payload, comments)
        return weights

    def weight(self, kind: Node, payload: Node, comments: tuple[str, ...]) -> Weight:
        token = payload.children[-1]
        span = self.span(token)
        if payload.data == "elided":
            return Weight(type=self.tensor_type(kind), codec="elided", payload=str(token), comments=comments, span=span)
        inside = Span(self.source, span.start + 1, span.end - 1)
        codec = str(payload.children[0])
        return Weight(
            type=self.tensor_type(kind), codec=codec, payload=str(token[1:-1]), comments=comments, span=inside
        )


_RAW: dict[str, Callable[[Token], Any]] = {
    "INT": int,
    "FLOAT": float,
    "STRING": lambda token: Quoted(_unquote(token)),
    "VALUE": lambda token: ValueName(token[1:]),
    "WEIGHT": lambda token: WeightName(token[1:]),
}


def _raw_call(builder: _Builder, node: Node) -> Call:
    positional, keyed = builder.arguments(node.children[1])
    return Call(str(node.children[0]), tuple(v for v, _ in positional), tuple((k, v) for k, (v, _) in keyed.items()))


_RAW_TREES: dict[str, Callable[[_Builder, Node], Any]] = {
    "word": lambda builder, node: Word(node.children[0]),
    "list": lambda builder, node: [builder.raw(c) for c in node.children if c is not None],
    "call": _raw_call,
    "span": lambda builder, node: Range(int(node.children[0]), int(node.children[1])),
}


def _child(node: Node, name: str) -> Node:
    return next(c for c in node.children if isinstance(c, Tree) and c.data == name)


def _all(node: Node, name: str) -> list[Node]:
    return [c for c in node.children if isinstance(c, Tree) and c.data == name]


def _unquote(token: Token) -> str:
    return str(ast.literal_eval(str(token)))


def _did_you_mean(name: str, known: Any) -> str | None:
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else None
