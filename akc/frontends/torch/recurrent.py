# SPDX-License-Identifier: Apache-2.0
"""aten.lstm, gru, rnn_tanh and rnn_relu: stacked layers one by one, batch first or time first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from akc.frontends.graph.graph import Tensor
from akc.frontends.torch.reader import Handler, TorchReader

ROLES = ("w_ih", "w_hh", "b_ih", "b_hh")


def recurrent(kind: str, nonlinearity: str | None = None) -> Handler:
    """The handler of one kind of recurrent layer."""

    def handle(
        r: TorchReader,
        node: Any,
        x: Any,
        state: Any,
        weights: Sequence[Any],
        has_biases: bool,
        layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool = False,
    ) -> None:
        strange = _strange(r, node, kind, state, weights, has_biases, layers, bidirectional)
        if strange:
            r.opaque(node, strange)
            return
        value = r.name(x)
        steps, batch = (r.shape(x)[1], r.shape(x)[0]) if batch_first else r.shape(x)[:2]
        if batch_first:
            value = _swapped(r, node, value, f"{node.name}:time_first")
        count = len(weights) // layers
        last = ""
        for layer in range(layers):
            arrays = [r.array(w) for w in weights[layer * count : (layer + 1) * count]]
            hidden = arrays[1].shape[1]  # type: ignore[union-attr]
            every, last = f"{node.name}:steps{layer}", f"{node.name}:last{layer}"
            r.graph.types[every], r.graph.types[last] = (
                Tensor("float32", (steps, batch, hidden)),
                Tensor("float32", (batch, hidden)),
            )
            attributes = {"nonlinearity": nonlinearity} if nonlinearity else {}
            r.emit(node, kind, [value], dict(zip(ROLES, arrays)), (every, last), **attributes)
            value = every
        outputs = r.parts[node.name]
        if batch_first:
            _swapped(r, node, value, outputs[0])
        else:
            r.aliases[outputs[0]] = value
        if layers == 1:
            r.emit(node, "reshape", [last], outputs=(outputs[1],))

    return handle


def _swapped(r: TorchReader, node: Any, value: str, output: str) -> str:
    """The value with its first two axes exchanged."""
    a, b, *rest = r.graph.shape(value)
    r.graph.types.setdefault(output, Tensor("float32", (b, a, *rest)))
    r.emit(node, "transpose", [value], outputs=(output,), order=(1, 0, *range(2, 2 + len(rest))))
    return output


def _strange(
    r: TorchReader,
    node: Any,
    kind: str,
    state: Any,
    weights: Sequence[Any],
    has_biases: bool,
    layers: int,
    bidirectional: bool,
) -> str:
    """What makes a recurrent layer one that nn.lstm and its kin cannot say; "" for nothing."""
    name = kind.upper()
    if bidirectional:
        return f"bidirectional {name}"
    if any(r.array(w) is None for w in weights):
        return f"{name} with computed weights"
    states = state if isinstance(state, list | tuple) else [state]
    if any((array := r.array(s)) is None or array.any() for s in states):
        return f"{name} with a start state"
    if len(weights) != layers * (4 if has_biases else 2) or len(r.shape(node.args[0])) != 3:
        return f"{name} of an unusual kind"
    unsupported = [user for user in node.users if user.args[1] == 2 or (user.args[1] == 1 and layers > 1)]
    return f"{name} whose state is read" if any(user.users for user in unsupported) else ""
