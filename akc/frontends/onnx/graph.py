# SPDX-License-Identifier: Apache-2.0
"""From an ONNX graph to the common form: shapes with batch 1, constants folded, one handler an operator."""

from __future__ import annotations

from typing import Any

from akc.base.diagnostics import DiagnosticError
from akc.frontends.graph.graph import FLOATS, Graph, Input, Tensor
from akc.frontends.onnx.file import opset_of
from akc.frontends.onnx.ops import named, unknown
from akc.frontends.onnx.reader import Reader
from akc.frontends.onnx.shapes import folded, infer
from akc.frontends.onnx.table import HANDLERS

RECURRENT = ("LSTM", "GRU", "RNN")
ONE_RESULT = ("MaxPool", "Dropout", "BatchNormalization")
"""Operators whose further results (indices, masks, statistics) nothing in the language gives."""


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
