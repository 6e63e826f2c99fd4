# SPDX-License-Identifier: Apache-2.0
"""The state of reading one ONNX model: what its operators' handlers ask, and what they build."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field

from akc.base.diagnostics import Diagnostic
from akc.frontends.graph.graph import Array, Graph, Node
from akc.frontends.onnx.file import import_onnx
from akc.ir.names import parameter_owner, scope_path

LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")
"""Operators whose weights say which module they are."""


@define
class Reader:
    """State of reading one model; the handlers of akc.frontends.onnx.table see it as `r`."""

    model: Any
    graph: Graph
    onnx: Any = field(factory=import_onnx)
    faults: list[Diagnostic] = field(factory=list)
    aliases: dict[str, str] = field(factory=dict)
    opset: int = 0
    noted: dict[str, Any] = field(factory=dict)
    levels: dict[str, tuple[float, int, str]] = field(factory=dict)
    """Scale, zero point and element type of names that stand for levels of a value: what QuantizeLinear gives."""
    examples: Any = ()
    """Shapes of the inputs that the user gives, in order or by name."""
    fixed_batch: int | None = None
    """The batch that the file fixes, where it is more than one."""
    _read: set[str] = field(factory=set)
    _views: dict[tuple[int, str], tuple[Array, Array]] = field(factory=dict)

    def fault(self, code: str, message: str, node: Any = None, **fields: Any) -> None:
        """Note a fault; reading goes on where it can."""
        origin = self.source(node) if node is not None else ()
        self.faults.append(Diagnostic(code=code, message=message, origin=origin, **fields))

    def value(self, name: str) -> str:
        """The value that a name stands for, behind operations that change nothing."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def constant(self, node: Any, index: int) -> Array | None:
        """An input of a node that is a constant; None if it is absent or computed."""
        if index >= len(node.input) or not node.input[index]:
            return None
        return self.graph.constants.get(self.value(node.input[index]))

    def steps(self, node: Any, index: int) -> Array | None:
        """The scales of an input's numbers, where it is a constant of whole numbers times scales."""
        return self.graph.steps.get(self.value(node.input[index]))

    def numbers(self, node: Any, index: int, key: str) -> Array | None:
        """Numbers that newer opsets give as an input and older ones as an attribute."""
        given = self.attributes(node).get(key)
        return self.constant(node, index) if given is None else np.asarray(given)

    def given(self, node: Any, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(node.input) and bool(node.input[index])

    def is_read(self, name: str) -> bool:
        """Whether a result is an operand of a node, or a result of the network."""
        if not self._read:
            graph = self.model.graph
            self._read.update(value.name for value in graph.output)
            self._read.update(name for node in graph.node for name in node.input)
        return name in self._read

    def attributes(self, node: Any) -> dict[str, Any]:
        """Attributes by name, strings decoded."""
        values = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value or constant."""
        return self.graph.shape(self.value(name))

    def view(self, array: Array, what: str, make: Any) -> Array:
        """A view or copy of a constant, the same object each time, so that shared weights stay shared."""
        return self._views.setdefault((id(array), what), (array, make(array)))[1]

    # -- names ------------------------------------------------------------------------------------

    def source(self, node: Any) -> tuple[str, ...]:
        """What the user calls a node: its module in PyTorch's newer files, else its own name."""
        path = _module_path(node)
        owner = self.owner(node) if path else ""
        return tuple(dict.fromkeys(filter(None, (owner, path or node.name or f"{node.op_type} -> {node.output[0]}"))))

    def owner(self, node: Any) -> str:
        """The module that owns a layer's weights; with batch normalisation folded in, the path is the other's."""
        owners = (parameter_owner(name) for name in node.input[1:] if node.op_type in LAYERS)
        return next(filter(None, owners), "")

    def wanted(self, node: Any) -> str:
        """The name for a node's result: the module that owns its weights, its module, its own, or its operator."""
        path = _module_path(node) or scope_path(part for part in node.name.split("/")[:-1] if part)
        return self.owner(node) or path or _given_name(node) or node.op_type.lower()

    # -- building ---------------------------------------------------------------------------------

    def emit(
        self,
        node: Any,
        kind: str,
        inputs: Sequence[str] | None = None,
        constants: Mapping[str, Array | None] | None = None,
        outputs: Sequence[str] | None = None,
        **attributes: Any,
    ) -> None:
        """Add a graph node that makes the ONNX node's results."""
        self.graph.nodes.append(
            Node(
                kind=kind,
                inputs=tuple(self.value(v) for v in (node.input if inputs is None else inputs)),
                outputs=tuple(node.output if outputs is None else outputs),
                attributes=attributes,
                constants={k: v for k, v in (constants or {}).items() if v is not None},
                name=self.wanted(node),
                source=self.source(node),
            )
        )

    def alias(self, node: Any) -> None:
        """The node changes nothing: its result is its first input."""
        self.aliases[node.output[0]] = self.value(node.input[0])

    def opaque(self, node: Any, what: str) -> None:
        """The node has no operation in the language."""
        self.emit(node, "opaque", [v for v in node.input if v], op=what)


def _module_path(node: Any) -> str:
    """The module path that PyTorch's newer exporter notes for a node, "" for the root or other files."""
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes = notes.get("pkg.torch.onnx.name_scopes")
    if not scopes:
        return ""
    try:
        return scope_path(part for part in literal_eval(scopes)[:-1] if part)
    except (ValueError, SyntaxError):
        return ""


def _given_name(node: Any) -> str:
    """A node's own name, unless an exporter made it up from the operator (Gemm_12, node_linear_3)."""
    made_up = rf"(node_\w+|{re.escape(node.op_type)}(_\d+)?)?"
    return "" if re.fullmatch(made_up, node.name, re.IGNORECASE) or "/" in node.name else str(node.name)


Handler = Callable[[Reader, Any], None]
"""handler(reader, node): reads one node of the file."""
