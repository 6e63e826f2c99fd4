# SPDX-License-Identifier: Apache-2.0
"""Every field of an ONNX model against what the standard and onnx's own table of operators say, before it is read.

A fault is named by its path: graph/node/3 (Conv)/strides. What must fit together in a node, once shapes are known,
stands in akc.frontends.onnx.operands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from attrs import define, field

from akc.base.budget import promise
from akc.base.checked import Faults, Real, Rule, Unfit, Whole

LONGEST_NAME = 4096
OLDEST = 7
"""The opset from which on operators have the operands that onnx's table says; older ones are converted first."""
OLDEST = 7
"""The opset from which on operators have the operands that onnx's table says; older ones are converted first."""
DEEPEST = 8
"""Graphs inside of nodes."""

FIELDS = {
    1: ("float_data", 4), 11: ("double_data", 8), 7: ("int64_data", 8), 13: ("uint64_data", 8), 12: ("uint64_data", 4),
    6: ("int32_data", 4), **dict.fromkeys((2, 3, 9), ("int32_data", 1)),
    **dict.fromkeys((4, 5, 10, 16), ("int32_data", 2)),
}  # fmt: skip
"""Element types that are read (onnx.TensorProto.DataType): where their numbers stand if not raw, and bytes of one."""

NARROW = {21: 2, 22: 2, 25: 4, 26: 4}
"""UINT4, INT4, UINT2 and INT2: numbers a byte."""


class _Each:
    """Several numbers, each by one rule."""

    def __init__(self, rule: Rule, most: int = 64) -> None:
        self.rule, self.most = rule, most

    def read(self, value: Any) -> Any:
        """The numbers."""
        if len(value) > self.most:
            raise Unfit(f"{len(value)} numbers")
        return [self.rule.read(item) for item in value]

    def __str__(self) -> str:
        return f"at most {self.most} of: {self.rule}"


SIZE = Whole(1, 1 << 20)
AXIS = Whole(-16, 16)
RANGES: dict[str, Rule] = {
    **dict.fromkeys(("kernel_shape", "strides", "dilations"), _Each(SIZE)),
    **dict.fromkeys(("group", "blocksize", "hidden_size"), Whole(1, 1 << 24)),
    "axis": AXIS,
    "axes": _Each(AXIS),
    "perm": _Each(Whole(0, 16)),
    "pads": _Each(Whole(-(1 << 20), 1 << 20)),
    "output_padding": _Each(Whole(0, 1 << 20)),
    **dict.fromkeys(("alpha", "beta", "epsilon", "gamma", "lambd", "bias", "scale", "momentum"), Real()),
}
"""Attributes by name, in whatever operator."""


def check_model(onnx: Any, model: Any, faults: Faults) -> None:
    """Note every field that does not fit."""
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            faults.add("opset_import", str(entry.version), f"1 to {newest}, what the installed onnx knows")
    if len(model.graph.sparse_initializer):
        faults.add("graph/sparse_initializer", "there", "dense weights (initializer)")
    check = _Graph(onnx, faults, {e.domain: e.version for e in model.opset_import})
    for number, function in enumerate(model.functions):
        check.function(function, f"functions/{number}")
    if not faults.found:
        _refuse_cycles(model, faults)
    check.graph(model.graph, "graph", {""})


def _refuse_cycles(model: Any, faults: Faults) -> None:
    """Functions that call themselves, straight or through others."""
    calls = {
        (f.domain, f.name): {(n.domain, n.op_type) for n in f.node} for f in model.functions
    }  # calls to operators of the standard are no keys
    done: set[Any] = set()
    for start in calls:
        trail = [(start, iter(calls[start] & calls.keys()))]
        above = {start}
        while trail:
            name, ahead = trail[-1]
            inner = next(ahead, None)
            if inner is None:
                trail.pop()
                above.discard(name)
                done.add(name)
            elif inner in above:
                faults.add(f"functions/{inner[1]}", "a function that calls itself", "functions of other nodes")
                return
            elif inner not in done:
                above.add(inner)
                trail.append((inner, iter(calls[inner] & calls.keys())))


@define
class _Graph:
    """The checks of one model."""

    onnx: Any
    faults: Faults
    versions: dict[str, int]
    signatures: dict[Any, tuple[int, int]] = field(factory=dict)

    def graph(self, graph: Any, path: str, known: set[str], depth: int = 0) -> None:
        """A graph; known: names that can be read inside."""
        if depth > DEEPEST:
            self.faults.add(path, f"{depth} levels deep", f"at most {DEEPEST}")
            return
        known = set(known)
        for number, tensor in enumerate(graph.initializer):
            self.name(tensor.name, f"{path}/initializer/{number}")
            self.tensor(tensor, f"{path}/initializer/{number} ({tensor.name[:60]})")
            known.add(tensor.name)
        for group in ("input", "output", "value_info"):
            for number, value in enumerate(getattr(graph, group)):
                self.value(value, f"{path}/{group}/{number} ({value.name[:60]})", group)
        known |= {value.name for value in graph.input}
        made = {value.name for value in (*graph.input, *graph.initializer)} if depth == 0 else set()
        for number, node in enumerate(graph.node):
            place = f"{path}/node/{number} ({node.op_type[:60]})"
            self.node(node, place, known, depth)
            for output in node.output:
                if output and output in made:
                    self.faults.add(place, f"the second that makes {output[:60]!r}", "a name of its own")
                made.add(output)
                known.add(output)
        for number, value in enumerate(graph.output):
            if value.name not in known:
                self.faults.add(f"{path}/output/{number}", repr(value.name[:60]), "what a node makes")

    def function(self, function: Any, path: str) -> None:
        """A function of the model: its body, and how many operands its calls may have."""
        self.name(function.name, path)
        self.signatures[function.domain, function.name] = len(function.input), len(function.output)
        known = {"", *function.input}
        for number, node in enumerate(function.node):
            self.node(node, f"{path}/node/{number} ({node.op_type[:60]})", known, 1, inside=True)
            known |= set(node.output)
        for output in function.output:
            if output not in known:
                self.faults.add(f"{path}/output", repr(output[:60]), "what a node of the function makes")

    def name(self, name: str, path: str) -> None:
        """A name that must be there."""
        if not name or "\0" in name or len(name) > LONGEST_NAME:
            self.faults.add(path, f"named {name[:40]!r}", "a name without NUL")

    # -- values and tensors ------------------------------------------------------------------------

    def value(self, value: Any, path: str, group: str) -> None:
        """An input, an output, or a noted shape."""
        self.name(value.name, path)
        if not value.type.HasField("tensor_type"):
            if group == "input":
                self.faults.add(path, value.type.WhichOneof("value") or "of no type", "a tensor")
            return
        kind = value.type.tensor_type
        if kind.elem_type not in (0, 8) and kind.elem_type not in self.onnx.TensorProto.DataType.values():
            self.faults.add(f"{path}/elem_type", str(kind.elem_type), "a type of onnx.TensorProto.DataType")
        for axis, dim in enumerate(kind.shape.dim):
            if dim.HasField("dim_value") and not 0 <= dim.dim_value < 1 << 40:
                self.faults.add(f"{path}/dim/{axis}", str(dim.dim_value), "a length from 0")
        if len(kind.shape.dim) > 16:
            self.faults.add(path, f"of {len(kind.shape.dim)} axes", "at most 16")

    def tensor(self, tensor: Any, path: str) -> None:
        """A stored tensor: its type is known, its numbers are as many as its shape says."""
        if tensor.data_type == 8:  # texts, which nothing computes with
            return
        if tensor.data_type not in FIELDS and tensor.data_type not in NARROW and tensor.data_type not in range(17, 24):
            known = self.onnx.TensorProto.DataType
            name = known.Name(tensor.data_type) if tensor.data_type in known.values() else str(tensor.data_type)
            self.faults.add(f"{path}/data_type", name, "floats, whole numbers or bool")
            return
        if len(tensor.dims) > 16 or any(n < 0 for n in tensor.dims):
            self.faults.add(f"{path}/dims", str(list(tensor.dims)[:20]), "at most 16 lengths from 0")
            return
        count = prod(tensor.dims)
        where, size = FIELDS.get(tensor.data_type, ("int32_data", 1))
        packed = NARROW.get(tensor.data_type, 1)
        need, typed = (count * size + packed - 1) // packed, (count + packed - 1) // packed
        if tensor.HasField("raw_data") or not typed:
            if len(tensor.raw_data) != need:
                sizes = "x".join(map(str, tensor.dims)) or "one number"
                self.faults.add(f"{path}/raw_data", f"{len(tensor.raw_data)} bytes", f"{need} bytes, for {sizes}")
        elif len(getattr(tensor, where)) != typed:
            self.faults.add(f"{path}/{where}", f"{len(getattr(tensor, where))} numbers", f"{typed}, as dims say")
        if not self.faults.found:
            promise(count * max(size, 4), f"{self.faults.file}: {path}")

    # -- nodes -------------------------------------------------------------------------------------

    def node(self, node: Any, path: str, known: set[str], depth: int, inside: bool = False) -> None:
        """A node: its operands are there already, its attributes have the types and ranges of its operator."""
        if not node.op_type or not any(node.output):
            self.faults.add(path, "without an operator or a result", "both")
            return
        for name in (*node.input, *node.output):
            if "\0" in name or len(name) > LONGEST_NAME:
                self.faults.add(path, f"a name {name[:40]!r}", "a name without NUL")
        for name in node.input:
            if name not in known:
                self.faults.add(path, f"reading {name[:60]!r}", "inputs, weights, and what nodes above it make")
        schema = self._schema(node)
        if schema is not None and self.versions.get("", 0) >= OLDEST:
            self._arity(node, path, schema)
        names = [a.name for a in node.attribute]
        if len(set(names)) != len(names):
            self.faults.add(path, "giving an attribute twice", "each once")
        for attribute in node.attribute:
            self._attribute(attribute, f"{path}/{attribute.name[:60]}", schema, known, depth, inside)
        for name, row in () if schema is None else schema.attributes.items():
            if row.required and name not in names:
                self.faults.add(f"{path}/{name}", "missing", "an attribute that the operator needs")

    def _schema(self, node: Any) -> Any:
        """The row of an operator in onnx's table; None for others, and for functions of the model."""
        if (node.domain, node.op_type) in self.signatures:
            return None
        version = self.versions.get(node.domain, self.versions.get("" if node.domain == "ai.onnx" else "ai.onnx", 1))
        try:
            return self.onnx.defs.get_schema(
                node.op_type, max_inclusive_version=max(1, min(version, 1 << 20)), domain=node.domain
            )
        except self.onnx.defs.SchemaError:
            return None

    def _arity(self, node: Any, path: str, schema: Any) -> None:
        """As many operands and results as the operator has; those that it needs are given."""
        for what, given, least, most, rows in (
            ("operands", node.input, schema.min_input, schema.max_input, schema.inputs),
            ("results", node.output, schema.min_output, schema.max_output, schema.outputs),
        ):
            if not least <= len(given) <= most:
                self.faults.add(path, f"with {len(given)} {what}", f"{least} to {min(most, 1 << 20)}")
            for name, row in zip(given, rows):
                single = row.option == self.onnx.defs.OpSchema.FormalParameterOption.Single
                if single and not name:
                    self.faults.add(path, f"without {row.name}", f"its {what} {', '.join(r.name for r in rows)}")

    def _attribute(self, a: Any, path: str, schema: Any, known: set[str], depth: int, inside: bool) -> None:
        if a.ref_attr_name:
            if not inside:
                self.faults.add(path, "a reference to an attribute of a function", "a value")
            return
        row = schema.attributes.get(a.name) if schema is not None else None
        kinds = self.onnx.AttributeProto.AttributeType
        if a.type not in kinds.values() or a.type == 0 or (row is not None and int(row.type) != a.type):
            wanted = "a type of onnx" if row is None else str(row.type).rpartition(".")[2]
            self.faults.add(path, f"of type {a.type}", wanted)
            return
        if a.HasField("t"):
            self.tensor(a.t, path)
        for graph in (*([a.g] if a.HasField("g") else []), *a.graphs):
            self.graph(graph, path, known, depth + 1)
        for tensor in a.tensors:
            self.tensor(tensor, path)
        for text in _texts(a):
            self._text(text, path)
        rule = RANGES.get(a.name) if schema is not None else None
        if rule is not None and a.type in (1, 2, 6, 7):
            self._range(rule, a, path)

    def _text(self, text: bytes, path: str) -> None:
        try:
            text.decode()
        except UnicodeDecodeError:
            self.faults.add(path, "no UTF-8 text", "a text")

    def _range(self, rule: Rule, a: Any, path: str) -> None:
        value = a.f if a.type == 1 else a.i if a.type == 2 else list(a.floats if a.type == 6 else a.ints)
        if isinstance(rule, _Each) != isinstance(value, list):
            return
        try:
            rule.read(value)
        except Unfit:
            self.faults.add(path, str(value)[:80], str(rule))


def _texts(a: Any) -> Iterator[bytes]:
    if a.HasField("s"):
        yield a.s
    yield from a.strings


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The shape that shapes make together; None where they do not fit."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None
