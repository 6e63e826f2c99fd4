# SPDX-License-Identifier: Apache-2.0
"""Models with operators of QONNX written with standard ones, so that a runtime runs them.

The formulas: https://github.com/fastmachinelearning/qonnx/tree/main/docs/qonnx-custom-ops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from akc.frontends.onnx.quantised import QONNX

ROUND = {"ROUND": "Round", "HALF_EVEN": "Round", "FLOOR": "Floor", "CEIL": "Ceil"}
"""Standard operators by rounding mode; the other modes have none."""


def standard(onnx: Any, model: Any) -> Any:
    """The model with Div, Add, Clip, Round, Sub and Mul in place of Quant; the same object where it has none.

    A node that has no such form stays.
    """
    if not any(node.domain in QONNX for node in model.graph.node):
        return model
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = [new for node in model.graph.node for new in (_written_out(onnx, changed, node, constants) or [node])]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    return changed


def _written_out(onnx: Any, model: Any, node: Any, constants: dict[str, Any]) -> list[Any]:
    """The standard nodes of one; none where it is to stay."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.domain not in QONNX:
        return []
    base = node.output[0]
    made: list[Any] = []

    def add(operator: str, *inputs: str) -> str:
        last = f"{base}:{len(made)}"
        made.append(onnx.helper.make_node(operator, list(inputs), [last]))
        return last

    def number(value: float) -> str:
        name = f"{base}:number{len(model.graph.initializer)}"
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    if node.op_type == "BipolarQuant":
        positive = add("GreaterOrEqual", node.input[0], number(0.0))
        result = add("Mul", add("Where", positive, number(1.0), number(-1.0)), node.input[1])
    elif node.op_type in ("Quant", "IntQuant") and np.size(constants.get(node.input[3], ())) == 1:
        mode = attributes.get("rounding_mode", b"ROUND").decode().upper()
        if mode not in ROUND:
            return []
        low, high = _ends(float(constants[node.input[3]].reshape(())), attributes)
        moved = add("Add", add("Div", *node.input[:2]), node.input[2])
        level = add(ROUND[mode], add("Clip", moved, number(low), number(high)))
        result = add("Mul", add("Sub", level, node.input[2]), node.input[1])
    else:
        return []
    made.append(onnx.helper.make_node("Identity", [result], [base]))
    return made


def _ends(bits: float, attributes: dict[str, Any]) -> tuple[float, float]:
    signed, narrow = attributes.get("signed", 1), attributes.get("narrow", 0)
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0.0, 2**bits - 1 - narrow
