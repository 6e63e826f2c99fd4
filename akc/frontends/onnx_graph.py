# SPDX-License-Identifier: Apache-2.0
"""From an ONNX graph to the common form: shapes with batch 1, constants folded, one handler an operator."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from akc.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.graph import FLOATS, Array, Graph, Input, Node, Tensor
from akc.frontends.names import parameter_owner, scope_path
from akc.frontends.onnx_file import import_onnx, opset_of

RECURRENT = ("LSTM", "GRU", "RNN")
ONE_RESULT = ("MaxPool", "Dropout", "BatchNormalization")
"""Operators whose further results (indices, masks, statistics) nothing in the language gives."""
LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")
"""Operators whose weights say which module they are."""


@define
class Reader:
    """State of reading one model; handlers (akc.frontends.onnx_layers, onnx_ops) see it as `r`."""

    model: Any
    graph: Graph
    onnx: Any = field(factory=import_onnx)
    faults: list[Diagnostic] = field(factory=list)
    aliases: dict[str, str] = field(factory=dict)
    opset: int = 0
    noted: dict[str, Any] = field(factory=dict)
    quantized: dict[str, tuple[str, float, int]] = field(factory=dict)
    """Value, scale and zero point behind each result of QuantizeLinear."""
    fixed_batch: int | None = None
    """The batch that the file fixes, where it is more than one."""
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

    def given(self, node: Any, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(node.input) and bool(node.input[index])

    def is_read(self, name: str) -> bool:
        """Whether a result is an operand of a node, or a result of the network."""
        graph = self.model.graph
        return any(name in node.input for node in graph.node) or any(name == value.name for value in graph.output)

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


def read_graph(model: Any, name: str) -> Graph:
    """The common form of a model; raises DiagnosticError with every fault found."""
    reader = Reader(model, Graph(name), opset=opset_of(model))
    _read_constants(reader, model.graph)
    _read_noted_shapes(reader, model.graph)
    _read_inputs(reader)
    if not reader.faults:
        _read_nodes(reader, model.graph)
    if not reader.faults:
        _read_outputs(reader)
    if reader.faults:
        raise DiagnosticError(reader.faults)
    return reader.graph


def _read_noted_shapes(r: Reader, graph: Any) -> None:
    """Shapes that the exporter noted, for operators that onnx does not know."""
    for value in graph.value_info:
        r.noted[value.name] = value.type


def _read_constants(r: Reader, graph: Any) -> None:
    for tensor in graph.initializer:
        r.graph.constants[tensor.name] = r.onnx.numpy_helper.to_array(tensor)


# -- inputs and outputs ---------------------------------------------------------------------------


def _read_inputs(r: Reader) -> None:
    graph = r.model.graph
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    inputs = [v for v in graph.input if v.name not in r.graph.constants and v.name in read]
    _check_weight_inputs(r, inputs)
    if len(inputs) > 1 and not r.faults:
        names = ", ".join(v.name for v in inputs)
        r.fault(
            "AKC0306",
            f"the network has {len(inputs)} inputs, {names}; the chip takes one",
            help="join them in front of the network, or export the part behind one input",
        )
    if not inputs:
        r.fault("AKC0314", "the network has no input: its results are constants")
    for value in inputs:
        _read_input(r, value)


def _check_weight_inputs(r: Reader, inputs: list[Any]) -> None:
    names = {v.name for v in inputs}
    for node in r.model.graph.node:
        for role, index in WEIGHT_INPUTS.get(node.op_type, {}).items():
            if index < len(node.input) and node.input[index] in names:
                r.fault(
                    "AKC0308",
                    f"{role} {node.input[index]} of {node.op_type} is an input of the network, not stored in it",
                    node,
                    help="export the trained model with its weights: torch.onnx.export(..., export_params=True)",
                )


WEIGHT_INPUTS = {
    "Conv": {"weight": 1, "bias": 2},
    "Gemm": {"weight": 1, "bias": 2},
    "BatchNormalization": {"scale": 1, "shift": 2, "mean": 3, "variance": 4},
    "LSTM": {"weight": 1, "recurrent weight": 2},
    "GRU": {"weight": 1, "recurrent weight": 2},
    "RNN": {"weight": 1, "recurrent weight": 2},
}


def _read_input(r: Reader, value: Any) -> None:
    kind = value.type.tensor_type
    element = r.onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "float32"
    dims = [d.dim_param or None if not d.HasField("dim_value") else d.dim_value for d in kind.shape.dim]
    if not kind.HasField("shape"):
        r.fault(
            "AKC0304",
            f"input {value.name} has no shape",
            help="export with an example input, so that the shape is stored",
        )
        return
    axis = _batch_axis(r, dims)
    open_axes = [(a, d) for a, d in enumerate(dims) if not isinstance(d, int) and a != axis]
    for at, label in open_axes:
        r.fault(
            "AKC0304",
            f"axis {at} of input {value.name} has no fixed length ({label or 'no name'})",
            help="fix it when exporting: leave it out of dynamic_axes or dynamic_shapes; only the batch may be open",
        )
    if not _feeds_embedding(r, value.name) and element not in FLOATS:
        r.fault(
            "AKC0307",
            f"input {value.name} holds {element} numbers; a network for the chip reads floats",
            help="convert inside Python, before the network, and export a model that takes float32",
        )
    if axis == 0 and isinstance(dims[0], int) and dims[0] > 1:
        r.fixed_batch = dims[0]
    shape = tuple(1 if a == axis else d for a, d in enumerate(dims) if isinstance(d, int) or a == axis)
    r.graph.inputs.append(Input(value.name, axis))
    r.graph.types[value.name] = Tensor(element, shape)  # type: ignore[arg-type]


def _batch_axis(r: Reader, dims: list[Any]) -> int | None:
    """The first axis; the second one where a recurrent layer reads time first."""
    if not dims:
        return None
    recurrent = any(node.op_type in RECURRENT for node in r.model.graph.node)
    second = len(dims) > 1 and (dims[1] == 1 or not isinstance(dims[1], int))
    return 1 if recurrent and second and isinstance(dims[0], int) and dims[0] != 1 else 0


def _feeds_embedding(r: Reader, name: str) -> bool:
    return any(
        n.op_type == "Gather" and len(n.input) > 1 and n.input[1] == name and n.input[0] in r.graph.constants
        for n in r.model.graph.node
    )


def _read_outputs(r: Reader) -> None:
    for value in r.model.graph.output:
        name = r.value(value.name)
        if name in r.graph.constants or name not in r.graph.types:
            r.fault("AKC0314", f"output {value.name} does not depend on the input")
        else:
            r.graph.outputs.append(name)


# -- nodes ----------------------------------------------------------------------------------------


def _read_nodes(r: Reader, graph: Any) -> None:
    from akc.frontends.onnx_ops import named, unknown
    from akc.frontends.onnx_shapes import folded, infer
    from akc.frontends.onnx_table import HANDLERS

    for node in graph.node:
        if node.op_type == "If" and (chosen := _chosen_branch(r, node)) is not None:
            _read_constants(r, chosen)
            _read_nodes(r, chosen)
            r.aliases.update(zip(node.output, (r.value(v.name) for v in chosen.output)))
        elif not folded(r, node):
            if not infer(r, node):
                return
            handler = HANDLERS.get(node.op_type, unknown) if node.domain in ("", "ai.onnx") else unknown
            if node.op_type in ONE_RESULT and any(r.is_read(name) for name in node.output[1:]):
                handler = named("indices or masks")
            handler(r, node)


def _chosen_branch(r: Reader, node: Any) -> Any:
    """The branch of an If whose condition is a constant."""
    condition = r.constant(node, 0)
    if condition is None:
        return None
    return r.attributes(node)["then_branch" if condition.reshape(-1)[0] else "else_branch"]
