# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN layers: one operation a layer, with the last step alone where the source reads only that."""

from __future__ import annotations

from typing import Any

from akc.frontends.graph.building import Builder
from akc.frontends.graph.graph import Node
from akc.ir.module import Op
from akc.ir.ops import nn_recurrent

LAYERS: dict[str, type[Op]] = {"lstm": nn_recurrent.Lstm, "gru": nn_recurrent.Gru, "rnn": nn_recurrent.Rnn}
ROLES = ("w_ih", "w_hh", "b_ih", "b_hh")


def emit_recurrent(b: Builder, node: Node) -> None:
    """x is [time, batch, features]; outputs are all hidden states [time, batch, hidden] and the last, [batch, hidden].

    Weights come in PyTorch's gate order. The last step is an operation of its own only where all steps are read too.
    """
    x = node.inputs[0]
    if b.batch[x] not in (1, None) or b.shape(x)[1] != 1:
        b.opaque(node, f"{node.kind.upper()} over the batch axis")
        return
    fields: dict[str, Any] = {
        role: b.weight(node.name, role, node.constants[role]) for role in ROLES if role in node.constants
    }
    if node.kind == "rnn":
        fields["nonlinearity"] = node["nonlinearity"]
    fields["x"] = b.arranged(x, (0, 2), node.source)
    for output, which, axes, batch in zip(node.outputs, ("all", "last"), ((0, 2), (1,)), (1, 0)):
        if output and (output in b.users or output in b.graph.outputs):
            name = b.op(LAYERS[node.kind], node.name, node.source, output=which, **fields)
            b.hold(output, name, axes, batch)
