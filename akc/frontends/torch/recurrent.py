# SPDX-License-Identifier: Apache-2.0
"""aten.lstm, gru, rnn_tanh and rnn_relu: stacked layers one by one, batch first or time first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from akc.frontends.graph.graph import Tensor
from akc.frontends.graph.recurrent import directions, joined, stacked
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
        strange = _strange(r, node, kind, state, weights, has_biases, layers * (1 + bidirectional))
        if strange:
            r.opaque(node, strange)
            return

        def emit(word: str, inputs: Any, constants: Any, outputs: Any, **attributes: Any) -> None:
            r.emit(node, word, inputs, constants, outputs, **attributes)

        value = _swapped(r, node, r.name(x), f"{node.name}:time_first") if batch_first else r.name(x)
        count, ways = len(weights) // (layers * (1 + bidirectional)), (False, True)[: 1 + bidirectional]
        attributes = {"nonlinearity": nonlinearity} if nonlinearity else {}
        last: list[str] = []
        for layer in range(layers):
            sets = [weights[i * count : (i + 1) * count] for i in range(layer * len(ways), (layer + 1) * len(ways))]
            named = [(turn, dict(zip(ROLES, map(r.array, arrays)))) for turn, arrays in zip(ways, sets)]
            mark = f"{node.name}:layer{layer}"
            states, ends = directions(r.graph, emit, kind, value, mark, named, **attributes)
            value = joined(r.graph, emit, states, 2, f"{mark}:states")
            last += ends
        outputs = r.parts[node.name]
        if batch_first:
            _swapped(r, node, value, outputs[0])
        else:
            r.aliases[outputs[0]] = value
        if any(user.args[1] == 1 and user.users for user in node.users):
            r.aliases[outputs[1]] = stacked(r.graph, emit, last, 0, f"{node.name}:last")

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
    sets: int,
) -> str:
    """What makes a recurrent layer one that nn.lstm and its kin cannot say; "" for nothing."""
    name = kind.upper()
    if any(r.array(w) is None for w in weights):
        return f"{name} with computed weights"
    states = state if isinstance(state, list | tuple) else [state]
    if any((array := r.array(s)) is None or array.any() for s in states):
        return f"{name} with a start state"
    if len(weights) != sets * (4 if has_biases else 2) or len(r.shape(node.args[0])) != 3:
        return f"{name} of an unusual kind"
    cells = [user for user in node.users if user.args[1] == 2]
    return f"{name} whose state is read" if any(user.users for user in cells) else ""
