# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers of one or two directions, for every reader: what they become in the common form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from akc.frontends.graph.graph import Array, Graph, Tensor

Emit = Callable[..., None]
"""emit(kind, inputs, constants, outputs, **attributes): a reader's way to add a node for what it is reading."""


def directions(
    graph: Graph,
    emit: Emit,
    kind: str,
    value: str,
    name: str,
    weights: Sequence[tuple[bool, Mapping[str, Array | None]]],
    **attributes: Any,
) -> tuple[list[str], list[str]]:
    """Read one layer: a node for each direction (backward: whether time runs the other way), with its weights by role.

    value: [time, batch, features]. Gives the names of all hidden states and of the last ones, by direction.
    """
    steps, batch, _ = graph.shape(value)
    dtype = graph.types[value].dtype
    all_states, last_states = [], []
    for number, (backward, arrays) in enumerate(weights):
        hidden = arrays["w_hh"].shape[1]  # type: ignore[union-attr]
        mark = f"{name}:{number}"
        every, last = f"{mark}:steps", f"{mark}:last"
        graph.types[every], graph.types[last] = (
            Tensor(dtype, (steps, batch, hidden)),
            Tensor(dtype, (batch, hidden)),
        )
        source = turned(graph, emit, value, f"{mark}:backward") if backward else value
        emit(kind, (source,), arrays, (every, last), **attributes)
        all_states.append(turned(graph, emit, every, f"{mark}:forward") if backward else every)
        last_states.append(last)
    return all_states, last_states


def turned(graph: Graph, emit: Emit, value: str, name: str) -> str:
    """The value with its first axis in reverse order."""
    graph.types[name] = graph.types[value]
    emit("take", (value,), {}, (name,), axis=0, index=tuple(range(graph.shape(value)[0]))[::-1])
    return name


def joined(graph: Graph, emit: Emit, values: Sequence[str], axis: int, name: str) -> str:
    """The values side by side along an axis; a lone one is itself."""
    if len(values) == 1:
        return values[0]
    shape = list(graph.shape(values[0]))
    shape[axis] = sum(graph.shape(v)[axis] for v in values)
    graph.types[name] = Tensor(graph.types[values[0]].dtype, tuple(shape))
    emit("concat", tuple(values), {}, (name,), axis=axis)
    return name


def stacked(graph: Graph, emit: Emit, values: Sequence[str], axis: int, name: str) -> str:
    """The values along a new axis."""
    parts = []
    for number, value in enumerate(values):
        shape = graph.shape(value)
        part = f"{name}:{number}"
        graph.types[part] = Tensor(graph.types[value].dtype, (*shape[:axis], 1, *shape[axis:]))
        emit("reshape", (value,), {}, (part,), added=(axis,))
        parts.append(part)
    return joined(graph, emit, parts, axis, name)
