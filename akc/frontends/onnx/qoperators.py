# SPDX-License-Identifier: Apache-2.0
"""Operators on quantised numbers become their float operator between DequantizeLinear and QuantizeLinear.

QOperator files (QLinearConv, QLinearMatMul and the com.microsoft ones that onnxruntime writes) and dynamically
quantised ones (ConvInteger, MatMulInteger) are then read like QDQ files. Operands:
https://onnx.ai/onnx/operators/ and https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import define, field, frozen

Triple = tuple[int, int, int]
"""Places of a value, its scale and its zero point among a node's inputs."""


@frozen(kw_only=True)
class QOperator:
    """A row: the float operator, its operands, the bias (scale: the product of the operands'), the result's numbers."""

    operator: str
    operands: tuple[Triple, ...]
    result: tuple[int, int]
    bias: int | None = None


_ONE = ((0, 1, 2),)
_TWO = ((0, 1, 2), (3, 4, 5))

ROWS: dict[str, QOperator] = {
    "QLinearConv": QOperator(operator="Conv", operands=_TWO, result=(6, 7), bias=8),
    "QLinearMatMul": QOperator(operator="MatMul", operands=_TWO, result=(6, 7)),
    "QGemm": QOperator(operator="Gemm", operands=_TWO, result=(7, 8), bias=6),
    "QLinearAdd": QOperator(operator="Add", operands=_TWO, result=(6, 7)),
    "QLinearMul": QOperator(operator="Mul", operands=_TWO, result=(6, 7)),
    **{
        f"QLinear{name}": QOperator(operator=name, operands=_ONE, result=(3, 4))
        for name in ("AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu", "Softmax", "ReduceMean")
    },
}
"""Operators with one scale and zero point a value; QLinearConcat has a function of its own."""


@define
class _Rewriting:
    """A model while its nodes are rewritten."""

    onnx: Any
    constants: dict[str, np.ndarray[Any, Any]]
    producers: Mapping[str, Any]
    nodes: list[Any] = field(factory=list)
    stored: list[Any] = field(factory=list)

    def add(self, operator: str, inputs: list[str], output: str, like: Any, **attributes: Any) -> str:
        """Append a standard node; gives the name of its result."""
        node = self.onnx.helper.make_node(operator, inputs, [output], like.name, **attributes)
        node.metadata_props.extend(like.metadata_props)
        self.nodes.append(node)
        return output

    def store(self, name: str, array: Any) -> str:
        """Append an initialiser."""
        self.stored.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def dequantised(self, node: Any, places: Triple, axis: int | None) -> str:
        """A DequantizeLinear in front of an operand; what has no scale is float already."""
        value, scale, zero = (node.input[i] if i < len(node.input) else "" for i in places)
        name = f"{node.output[0]}:{value}"
        many = axis is not None and self.constants.get(scale, np.zeros(())).size > 1
        self.add(
            "DequantizeLinear", [n for n in (value, scale, zero) if n], name, node, **({"axis": axis} if many else {})
        )
        return name


def unfused(onnx: Any, model: Any) -> Any:
    """The model with float operators in place of those on quantised numbers; the same object where it has none."""
    rewrites: dict[str, Callable[[_Rewriting, Any], None]] = {
        **dict.fromkeys(ROWS, _row),
        "QLinearConcat": _concat,
        "ConvInteger": _integers,
        "MatMulInteger": _integers,
        "DynamicQuantizeMatMul": _dynamic_matmul,
    }
    if not any(node.op_type in rewrites for node in model.graph.node):
        return model
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    work = _Rewriting(onnx, constants, producers)
    replaced = _dynamic_products(work, model.graph)
    for node in model.graph.node:
        if id(node) in replaced:
            replaced[id(node)]()
        elif node.op_type in rewrites:
            rewrites[node.op_type](work, node)
        else:
            work.nodes.append(node)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    changed.graph.node.extend(work.nodes)
    changed.graph.initializer.extend(work.stored)
    return changed


def _attributes(onnx: Any, node: Any) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _row(work: _Rewriting, node: Any) -> None:
    """An operator of the table."""
    row, attributes = ROWS[node.op_type], _attributes(work.onnx, node)
    units = 0 if row.operator == "Conv" or attributes.get("transB", 0) else 1
    axes = (None, units)
    inputs = [work.dequantised(node, places, axis) for places, axis in zip(row.operands, axes)]
    if row.bias is not None and row.bias < len(node.input) and node.input[row.bias]:
        inputs.append(_bias(work, node, row))
    kept = {key: value for key, value in attributes.items() if key not in ("channels_last", "opset")}
    scale, zero = (node.input[i] if i < len(node.input) else "" for i in row.result)
    result = f"{node.output[0]}:float" if scale else node.output[0]
    work.add(row.operator, inputs, result, node, **kept)
    if scale:
        work.add("QuantizeLinear", [n for n in (result, scale, zero) if n], node.output[0], node)


def _bias(work: _Rewriting, node: Any, row: QOperator) -> str:
    """A bias in units of the product of both scales, as floats."""
    bias = work.constants.get(node.input[row.bias or 0])
    scales = [work.constants.get(node.input[scale]) for _, scale, _ in row.operands]
    name = f"{node.output[0]}:bias"
    if bias is None or any(scale is None for scale in scales):
        return str(node.input[row.bias or 0])
    product = np.asarray(scales[0], np.float64) * np.asarray(scales[1], np.float64)
    return work.store(name, (bias.astype(np.float64) * product.reshape(-1)).astype(np.float32))


def _concat(work: _Rewriting, node: Any) -> None:
    """Scale and zero point of the result come first, then three inputs a value."""
    parts = [work.dequantised(node, (i, i + 1, i + 2), None) for i in range(2, len(node.input), 3)]
    result = work.add("Concat", parts, f"{node.output[0]}:float", node, **_attributes(work.onnx, node))
    work.add("QuantizeLinear", [result, *node.input[:2]], node.output[0], node)


def _integers(work: _Rewriting, node: Any) -> None:
    """Sums of integers: the float operator on the numbers less their zero points."""
    operator, operands = node.op_type.removesuffix("Integer"), []
    for i in (0, 1):
        zero = node.input[2 + i] if 2 + i < len(node.input) else ""
        value = work.add("Cast", [node.input[i]], f"{node.output[0]}:{i}", node, to=1)
        if zero and (work.constants.get(zero) is None or work.constants[zero].any()):
            offset = work.add("Cast", [zero], f"{node.output[0]}:zero{i}", node, to=1)
            value = work.add("Sub", [value, offset], f"{node.output[0]}:centred{i}", node)
        operands.append(value)
    work.add(operator, operands, node.output[0], node, **_attributes(work.onnx, node))


def _dynamic_matmul(work: _Rewriting, node: Any) -> None:
    """x times a quantised matrix, x rounded on the way, which is left out."""
    weight = work.dequantised(node, (1, 2, 3), 1)
    bias = node.input[4] if len(node.input) > 4 else ""
    product = work.add("MatMul", [node.input[0], weight], f"{node.output[0]}:product" if bias else node.output[0], node)
    if bias:
        work.add("Add", [product, bias], node.output[0], node)


# -- DynamicQuantizeLinear -----------------------------------------------------------------------------


def _dynamic_products(work: _Rewriting, graph: Any) -> dict[int, Callable[[], None]]:
    """What takes the place of each node of DynamicQuantizeLinear, ConvInteger or MatMulInteger, Cast, Mul, Mul.

    The scale that is found at run time cancels: (x / s) @ W * (s * w) is x @ (W * w).
    """
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found: dict[int, Callable[[], None]] = {}
    for node in graph.node:
        ends = _dynamic_product(work, readers, node)
        if ends is not None:
            quantiser, cast, last, scale = ends
            found[id(node)] = found[id(cast)] = lambda: None
            found[id(last)] = _float_product(work, node, quantiser.input[0], scale, last.output[0])
    return found


def _dynamic_product(work: _Rewriting, readers: dict[str, list[Any]], node: Any) -> tuple[Any, Any, Any, str] | None:
    """The DynamicQuantizeLinear, the Cast, the last Mul and the name of the weight's scale around a product."""
    quantiser = work.producers.get(node.input[0]) if node.op_type in ("ConvInteger", "MatMulInteger") else None
    if quantiser is None or quantiser.op_type != "DynamicQuantizeLinear" or node.input[1] not in work.constants:
        return None
    casts = readers.get(node.output[0], [])
    lasts = readers.get(casts[0].output[0], []) if len(casts) == 1 and casts[0].op_type == "Cast" else []
    if len(lasts) != 1 or lasts[0].op_type != "Mul":
        return None
    factor = next((name for name in lasts[0].input if name != casts[0].output[0]), "")
    both = work.producers.get(factor)
    if both is None or both.op_type != "Mul" or quantiser.output[1] not in both.input:
        return None
    scale = next((name for name in both.input if name != quantiser.output[1]), "")
    return (quantiser, casts[0], lasts[0], scale) if scale in work.constants else None


def _float_product(work: _Rewriting, node: Any, x: str, scale: str, output: str) -> Callable[[], None]:
    """Append the float operator with the weight that the integers stand for."""

    def append() -> None:
        weight = work.constants[node.input[1]].astype(np.float64)
        zero = work.constants.get(node.input[3]) if len(node.input) > 3 else None
        spread = (-1, *(1,) * (weight.ndim - 1)) if node.op_type == "ConvInteger" else (-1,)
        if zero is not None:
            weight = weight - zero.astype(np.float64).reshape(spread)
        weight = weight * work.constants[scale].astype(np.float64).reshape(spread)
        name = work.store(f"{node.input[1]}:{output}", weight.astype(np.float32))
        kept = _attributes(work.onnx, node)
        work.add(node.op_type.removesuffix("Integer"), [x, name], output, node, **kept)

    return append
