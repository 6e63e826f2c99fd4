# SPDX-License-Identifier: Apache-2.0
"""Which axis of a network's input is time: the one whose entries a loop takes one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from akc.frontends.spiking.values import shape_of, short_name
from akc.frontends.torch.reader import states_of


def _source(program: Any) -> Any:
    """The node of the network's input."""
    states = states_of(program)
    return next(n for n in program.graph_module.graph.nodes if n.op == "placeholder" and n.name not in states)


def input_shape(program: Any) -> tuple[int, ...]:
    """The shape of the network's input in a trace."""
    return shape_of(_source(program))


def time_axes(program: Any, at_once: bool) -> list[int | None]:
    """Which axis of the input may be time, the likeliest first; None for none.

    A loop that takes every entry of an axis shows it; layers that take all steps at once leave it open.
    """
    source, nodes = _source(program), list(program.graph_module.graph.nodes)
    rank = len(shape_of(source))
    if at_once:
        return [None, *sorted(range(max(rank - 1, 0)), key=lambda axis: shape_of(source)[axis] == 1)]
    if rank < 3:
        return [None]
    taken: dict[int, set[int]] = {}
    axes: dict[Any, tuple[int, ...]] = {source: tuple(range(rank))}
    for node in nodes:
        if node.op == "call_function" and node.args and node.args[0] in axes:
            _follow(node, axes, taken)
    whole = [axis for axis, steps in taken.items() if len(steps) == shape_of(source)[axis] > 1]
    return [whole[0]] if whole else [None]


def _follow(node: Any, axes: dict[Any, tuple[int, ...]], taken: dict[int, set[int]]) -> None:
    """Note the entries of the input's axes that a node takes, or where it puts its axes."""
    name, before = short_name(node), axes[node.args[0]]
    rule: Callable[..., Any] | None = _MOVES.get(name)
    if name in ("select", "squeeze") and (gone := _gone(node)) is not None:
        axes[node] = tuple(a for d, a in enumerate(before) if d not in gone)
    elif name == "select":
        axis = before[node.args[1]]
        taken.setdefault(axis, set()).add(node.args[2] % shape_of(node.args[0])[node.args[1]])
    elif name == "unbind":
        dim = node.args[1] if len(node.args) > 1 else 0
        taken[before[dim]] = set(range(shape_of(node.args[0])[dim]))
    elif rule is not None:
        axes[node] = rule(before, *node.args[1:])
    elif hasattr(node.meta.get("val"), "shape") and shape_of(node)[:-1] == shape_of(node.args[0])[:-1]:
        axes[node] = before


def _gone(node: Any) -> set[int] | None:
    """The axes of length 1 that a node takes away; None where it takes entries of a longer one."""
    shape = shape_of(node.args[0])
    named = node.args[1] if len(node.args) > 1 else range(len(shape))
    gone = {d % len(shape) for d in (named if isinstance(named, list | tuple | range) else [named])}
    one = {d for d in gone if shape[d] == 1}
    return one if short_name(node) == "squeeze" or one == gone else None


def _swapped(axes: tuple[int, ...], first: int = 0, second: int = 1) -> tuple[int, ...]:
    moved = list(axes)
    moved[first], moved[second] = moved[second], moved[first]
    return tuple(moved)


_MOVES: dict[str, Callable[..., Any]] = {
    "permute": lambda axes, order: tuple(axes[a] for a in order),
    "transpose": _swapped,
    "swapaxes": _swapped,
}
