# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN of ONNX: gates into PyTorch's order, directions and start states looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from akc.frontends.graph.graph import Array
from akc.frontends.graph.recurrent import directions, stacked
from akc.frontends.onnx.reader import Reader

GATE_ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where PyTorch's gates (LSTM i f g o, GRU r z n) stand in ONNX's order (i o f c, and z r h)."""

USUAL_ACTIVATIONS = {"LSTM": (["Sigmoid", "Tanh", "Tanh"],), "GRU": (["Sigmoid", "Tanh"],), "RNN": (["Tanh"], ["Relu"])}


def recurrent(r: Reader, node: Any) -> None:
    """One layer in one or both directions, from a state of zeros; anything else is opaque."""
    kind, a = node.op_type, r.attributes(node)
    strange = _strange(r, node, a)
    if strange:
        r.opaque(node, strange)
        return

    def emit(word: str, inputs: Any, constants: Any, outputs: Any, **attributes: Any) -> None:
        r.emit(node, word, inputs, constants, outputs, **attributes)

    backward = DIRECTIONS[a.get("direction", "forward")]
    weights = [(turn, _weights(r, node, len(GATE_ORDERS[kind]), number)) for number, turn in enumerate(backward)]
    activation = {"nonlinearity": _activations(kind, a)[0].lower()} if kind == "RNN" else {}
    name = node.output[0] or node.name or node.output[1]
    states, last = directions(r.graph, emit, kind.lower(), r.value(node.input[0]), name, weights, **activation)
    for output, values, axis in zip(node.output, (states, last), (1, 0)):
        if output and r.is_read(output):
            r.aliases[output] = stacked(r.graph, emit, values, axis, f"{output}:stacked")


DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""Whether time runs backwards, for each set of weights."""


def _activations(kind: str, a: dict[str, Any]) -> list[str]:
    given = [w.decode() if isinstance(w, bytes) else w for w in a.get("activations", [])]
    return given or USUAL_ACTIVATIONS[kind][0] * len(DIRECTIONS[a.get("direction", "forward")])


def _strange(r: Reader, node: Any, a: dict[str, Any]) -> str:
    """What makes a recurrent node one that nn.lstm and its kin cannot say; "" for nothing."""
    kind = node.op_type
    if r.constant(node, 1) is None or r.constant(node, 2) is None or (r.given(node, 3) and r.constant(node, 3) is None):
        return f"{kind} with computed weights"
    starts = [i for i in (5, 6) if r.given(node, i)]
    if any((array := r.constant(node, i)) is None or array.any() for i in starts):
        return f"{kind} with a start state"
    if kind == "GRU" and not a.get("linear_before_reset", 0):
        return "GRU with the reset gate before the product"
    count = len(DIRECTIONS[a.get("direction", "forward")])
    unusual = _activations(kind, a) not in [usual * count for usual in USUAL_ACTIVATIONS[kind]]
    cell = len(node.output) > 2 and node.output[2] and kind == "LSTM" and r.is_read(node.output[2])
    peephole = kind == "LSTM" and r.given(node, 7)
    extras = r.given(node, 4) or a.get("layout", 0) or a.get("clip") or a.get("input_forget", 0)
    return f"{kind} of an unusual kind" if unusual or peephole or extras or cell else ""


def _weights(r: Reader, node: Any, gates: int, number: int) -> dict[str, Array | None]:
    """Input, hidden and bias weights by role, gates in PyTorch's order."""
    order = GATE_ORDERS[node.op_type]

    def regated(array: Array) -> Array:
        parts = array.reshape(gates, -1, *array.shape[1:])
        return parts[list(order)].reshape(array.shape)

    stored = {role: r.constant(node, i) for role, i in (("w_ih", 1), ("w_hh", 2))}
    found: dict[str, Array | None] = {role: regated(a[number]) for role, a in stored.items() if a is not None}
    bias = r.constant(node, 3)
    if bias is not None:
        found |= {role: regated(half) for role, half in zip(("b_ih", "b_hh"), np.split(bias[number], 2))}
    return found
