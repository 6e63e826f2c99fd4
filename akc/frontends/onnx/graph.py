# SPDX-License-Identifier: Apache-2.0
"""From an ONNX graph to the common form: shapes with batch 1, constants folded, one handler an operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.frontends.graph.graph import FLOATS, Graph, Input, Tensor
from akc.frontends.onnx.file import opset_of
from akc.frontends.onnx.operands import misfit
from akc.frontends.onnx.ops import named, unknown
from akc.frontends.onnx.quantised import KEEPS_LEVELS, QONNX, QONNX_HANDLERS, WHAT
from akc.frontends.onnx.reader import Handler, Reader
from akc.frontends.onnx.shapes import ONE_SAMPLE, folded, infer
from akc.frontends.onnx.table import HANDLERS

RECURRENT = ("LSTM", "GRU", "RNN")
ONE_RESULT = ("MaxPool", "Dropout", "BatchNormalization")
"""Operators whose further results (indices, masks, statistics) nothing in the language gives."""


def read_graph(model: Any, name: str, examples: Any = ()) -> Graph:
    """The common form of a model; raises DiagnosticError with every fault found.

    examples: shapes of the inputs with their batch axis, which close open axes: one for each input in order, or a
    mapping by name.
    """
    reader = Reader(model, Graph(name), opset=opset_of(model), examples=examples)
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
    if not inputs:
        r.fault("AKC0314", "the network has no input: its results are constants")
    if not r.faults:
        _check_batches(r, inputs)
    shapes = _examples(r, [v.name for v in inputs])
    for value in inputs:
        _read_input(r, value, shapes.get(value.name))


def _check_batches(r: Reader, inputs: list[Any]) -> None:
    """Several inputs must all begin with the batch: a lone vector among them would be taken for samples."""
    first = {v.name: v.type.tensor_type.shape.dim[:1] for v in inputs}
    lengths = {n: dims[0].dim_value if dims and dims[0].HasField("dim_value") else 1 for n, dims in first.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        message = f"the first axes of the inputs differ in length: {found}"
        r.fault("AKC0306", message, help="put the batch first in each of them, one sample or an open axis")


def _examples(r: Reader, names: list[str]) -> dict[str, tuple[int, ...]]:
    """The shapes that the user gives, by input."""
    given: Any = (r.examples,) if hasattr(r.examples, "shape") else r.examples
    if not isinstance(given, Mapping):
        given = () if given is None else given
        if len(given) > len(names):
            message = f"{len(given)} examples are given, the network has {len(names)} inputs: {', '.join(names)}"
            r.fault("AKC0312", message, help="give one shape for each input, in this order")
        given = dict(zip(names, given))
    for name in given:
        if name not in names:
            r.fault("AKC0312", f"an example is given for {name}; the inputs are {', '.join(names)}")
    return {name: tuple(int(n) for n in getattr(e, "shape", e)) for name, e in given.items()}


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


def _read_input(r: Reader, value: Any, example: tuple[int, ...] | None) -> None:
    kind = value.type.tensor_type
    element = r.onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "float32"
    dims = [d.dim_param or None if not d.HasField("dim_value") else d.dim_value for d in kind.shape.dim]
    if not kind.HasField("shape"):
        if example is None:
            help = f"give its shape with the batch axis: --example {EXAMPLE}, or example=({EXAMPLE}) in Python"
            r.fault("AKC0304", f"input {value.name} has no shape", help=help)
            return
        dims = list(example)
    axis = _batch_axis(r, dims)
    if example is not None:
        dims = _closed(r, value.name, dims, example, axis)
    open_axes = [(a, d) for a, d in enumerate(dims) if not isinstance(d, int) and a != axis]
    for at, label in open_axes:
        usual = ",".join("1" if a == axis else str(d) if isinstance(d, int) else "N" for a, d in enumerate(dims))
        r.fault(
            "AKC0304",
            f"axis {at} of input {value.name} has no fixed length ({label or 'no name'})",
            help=f"say how long it is: --example {usual} with a number for N, or example=({usual}) in Python",
        )
    if not _feeds_embedding(r, value.name) and element not in (*FLOATS, *BYTES):
        r.fault(
            "AKC0307",
            f"input {value.name} holds {element} numbers; a network for the chip reads floats or bytes",
            help="let the network take float32, uint8 or int8, and convert in front of it",
        )
    if axis == 0 and isinstance(dims[0], int) and dims[0] > 1:
        r.fixed_batch = dims[0]
    shape = tuple(1 if a == axis else d for a, d in enumerate(dims) if isinstance(d, int) or a == axis)
    r.graph.inputs.append(Input(value.name, axis))
    r.graph.types[value.name] = Tensor(element, shape)  # type: ignore[arg-type]
    if element in BYTES:
        limits = np.iinfo(element)
        r.graph.ranges[value.name] = float(limits.min), float(limits.max)


EXAMPLE = "1,3,224,224"
BYTES = ("uint8", "int8")
"""Integers that come in as they are."""


def _closed(r: Reader, name: str, dims: list[Any], example: tuple[int, ...], axis: int | None) -> list[Any]:
    """The lengths of an input's axes, open ones as in the example."""
    shown = "x".join(str(d or "?") for d in dims)
    fits = len(dims) == len(example)
    fits &= all(a == axis or not isinstance(d, int) or d == n for a, (d, n) in enumerate(zip(dims, example)))
    if not fits:
        message = f"the example {'x'.join(map(str, example))} does not fit input {name}, which is {shown}"
        r.fault("AKC0312", message, help="give a shape with the batch axis in front that agrees with the file's")
        return dims
    return [d if isinstance(d, int) or a == axis else n for a, (d, n) in enumerate(zip(dims, example))]


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
        wrong = misfit(r, node)
        if wrong:
            r.fault("AKC0311", f"{node.op_type} does not fit its operands: {wrong}", node, help=ONE_SAMPLE)
            return
        if node.op_type == "If" and (chosen := _chosen_branch(r, node)) is not None:
            _read_constants(r, chosen)
            _read_nodes(r, chosen)
            r.aliases.update(zip(node.output, (r.value(v.name) for v in chosen.output)))
        elif not folded(r, node):
            if not infer(r, node):
                return
            _handler(r, node)(r, node)
            _note_levels(r, node)


def _handler(r: Reader, node: Any) -> Handler:
    """Who reads a node: its operator's row, unless it reads levels or results that have no meaning there."""
    levels = any(name in r.levels for name in node.input)
    if levels and node.op_type not in (*KEEPS_LEVELS, "DequantizeLinear", "Cast"):
        return named(WHAT)
    if node.op_type in ONE_RESULT and any(r.is_read(name) for name in node.output[1:]):
        return named("indices or masks")
    if node.domain in QONNX:
        return QONNX_HANDLERS.get(node.op_type, unknown)
    return HANDLERS.get(node.op_type, unknown) if node.domain in ("", "ai.onnx") else unknown


def _note_levels(r: Reader, node: Any) -> None:
    """What moves levels gives levels of the same size; different ones do not go together."""
    found = {r.levels[name] for name in node.input if name in r.levels}
    if found and node.op_type in KEEPS_LEVELS:
        mixed = len(found) > 1 or any(name and name not in r.levels for name in node.input if node.op_type == "Concat")
        if mixed:
            message = f"{node.op_type} joins levels of different sizes"
            r.fault("AKC0311", message, node, help="quantise its operands with one scale and zero point")
        r.levels.update(dict.fromkeys(node.output, found.pop()))
        r.graph.types.update({v: evolve(r.graph.types[v], dtype="float32") for v in node.output if v in r.graph.types})


def _chosen_branch(r: Reader, node: Any) -> Any:
    """The branch of an If whose condition is a constant."""
    condition = r.constant(node, 0)
    if condition is None:
        return None
    return r.attributes(node)["then_branch" if condition.reshape(-1)[0] else "else_branch"]
