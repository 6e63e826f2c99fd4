# SPDX-License-Identifier: Apache-2.0
"""Quantisers of the source: those of few bits become nn.levels next to the layer in front, others only tell a range.

Nodes of kind `levels` round a value to low, low + scale ... high (akc.ir.ops.nn.Levels). Exporters put them behind a
pool or a flattening, in pairs, and behind a ReLU that says the same as their lower end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import evolve

from akc.frontends.graph.graph import Array, Graph, Node, merged_source

FEW = 16
"""Levels that a layer of the chip gives at most; quantisers with more than these are left out between layers."""

MOST = 256
"""Levels that an input can have."""

PASSED = ("max_pool", "reshape", "transpose")
"""What does the same to levels as to numbers, so that a quantiser may stand in front as well as behind."""

SWAPPED = {"even": "odd", "odd": "even"}

Rule = Callable[[Graph, Node, Node], tuple[Node, ...] | None]
"""What takes the place of a node and of the quantiser that alone reads it; None for nothing new."""


def levels_attributes(
    scale: float, zero_point: float, ends: tuple[int, int], rounding: str, stored_parity: bool
) -> dict[str, Any]:
    """The attributes of a `levels` node for stored numbers q between `ends`, with x = (q - zero_point) * scale.

    rounding: a word of nn.levels, "even" and "odd" speaking of q where stored_parity is set, else of q - zero_point.
    """
    low, high = ends
    odd = (low if stored_parity else low - int(zero_point)) % 2
    word = SWAPPED.get(rounding, rounding) if odd else rounding
    return {"low": (low - zero_point) * scale, "high": (high - zero_point) * scale, "scale": scale, "rounding": word}


def count(node: Node) -> int:
    """How many levels a quantiser has."""
    levels: float = (node["high"] - node["low"]) / node["scale"]
    return round(levels) + 1


def settle_quantisers(graph: Graph) -> None:
    """Bring the quantisers of a graph into one form, in place, and leave out those that the chip has no levels for."""
    if not any(node.kind == "levels" for node in graph.nodes):
        return
    while any(_apply(graph, rule) for rule in RULES):
        pass
    few = any(node.kind == "levels" and count(node) <= FEW for node in graph.nodes)
    for output in [n.output for n in graph.nodes if n.kind == "levels"]:
        node = graph.producers()[output]  # leaving one out changes those that read it
        at_border = few and count(node) <= MOST and (_reads_input(graph, node) or node.output in graph.outputs)
        if count(node) > FEW and not at_border:
            _leave_out(graph, node)
    graph.drop_dead()


def _apply(graph: Graph, rule: Rule) -> bool:
    """Apply a rule to the first pair that it fits."""
    producers, users = graph.producers(), graph.users()
    for node in graph.nodes:
        before = producers.get(node.inputs[0]) if node.kind == "levels" else None
        if before is None or len(before.outputs) > 1:
            continue
        if before.output in graph.outputs or len(users[before.output]) != 1:
            continue
        new = rule(graph, before, node)
        if new is not None:
            place = next(i for i, one in enumerate(graph.nodes) if one is node)
            graph.nodes[place : place + 1] = new
            graph.nodes = [one for one in graph.nodes if one is not before]
            return True
    return False


def _merge(graph: Graph, first: Node, second: Node) -> tuple[Node, ...] | None:
    """Two quantisers of one scale: the second one only narrows the ends."""
    if first.kind != "levels" or first["scale"] != second["scale"]:
        return None
    apart = (second["low"] - first["low"]) / first["scale"]
    if abs(apart - round(apart)) > 1e-3:
        return None
    low, high = max(first["low"], second["low"]), min(first["high"], second["high"])
    word = first["rounding"]
    if apart > 0 and round(apart) % 2:
        word = SWAPPED.get(word, word)
    attributes = {**first.attributes, "low": low, "high": high, "rounding": word}
    return (evolve(first, outputs=second.outputs, attributes=attributes, source=merged_source(first, second)),)


def _absorb_clamp(graph: Graph, clamp: Node, node: Node) -> tuple[Node, ...] | None:
    """A ReLU or clamp whose ends lie outside of the levels' changes nothing."""
    if clamp.kind not in ("relu", "clip"):
        return None
    low, high = (0.0, None) if clamp.kind == "relu" else (clamp["low"], clamp["high"])
    slack = node["scale"] * 1e-3
    if (low is not None and low > node["low"] + slack) or (high is not None and high < node["high"] - slack):
        return None
    return (evolve(node, inputs=clamp.inputs, source=merged_source(clamp, node), name=clamp.name or node.name),)


def _move_forward(graph: Graph, moved: Node, node: Node) -> tuple[Node, ...] | None:
    """Layout, quantiser -> quantiser, layout."""
    if moved.kind not in PASSED or len(moved.outputs) != 1:
        return None
    middle = f"{moved.inputs[0]}:levels"
    while middle in graph.types:
        middle += "'"
    graph.types[middle] = graph.types[moved.inputs[0]]
    first = evolve(node, inputs=moved.inputs, outputs=(middle,))
    return first, evolve(moved, inputs=(middle,), outputs=node.outputs)


RULES: tuple[Rule, ...] = (_merge, _absorb_clamp, _move_forward)


def _reads_input(graph: Graph, node: Node) -> bool:
    """Whether a quantiser rounds an input of the network, normalised or not."""
    producers, value = graph.producers(), node.inputs[0]
    while (made := producers.get(value)) is not None:
        if made.kind not in ("affine", "add", "sub", "mul", "div", "cast", *PASSED[1:]):
            return False
        value = next((v for v in made.inputs if v not in graph.constants), "")
    return any(value == one.name for one in graph.inputs)


def _leave_out(graph: Graph, node: Node) -> None:
    """The value itself, with the range of the levels, clamped where their lower end is its ReLU."""
    value, low, high = node.inputs[0], *(float(f"{node[end]:.6g}") for end in ("low", "high"))
    if low == 0 and not _never_negative(graph, value):
        clamp = evolve(node, kind="clip", attributes={"low": 0.0, "high": high})
        graph.ranges[node.output] = low, high
        graph.nodes = [clamp if one is node else one for one in graph.nodes]
        return
    graph.ranges[value] = low, high
    graph.nodes = [one for one in graph.nodes if one is not node]
    graph.rename_inputs({node.output: value})


def _never_negative(graph: Graph, value: str) -> bool:
    """Whether a value is an input or was clamped at zero; other tools leave ReLU to the integers' lower end."""
    producers = graph.producers()
    while (node := producers.get(value)) is not None:
        if node.kind == "relu" or (node.kind in ("clip", "levels") and node["low"] == 0):
            return True
        if node.kind not in ("max_pool", "average_pool", "mean", "reshape", "transpose"):
            return False
        value = node.inputs[0]
    return True


def unit_steps(steps: Array | None, weight: Array) -> Array | None:
    """The scale of each unit [units] where all weights of a unit have one; `steps` has the shape of `weight`."""
    if steps is None or steps.shape != weight.shape:
        return None
    rows = np.asarray(steps).reshape(len(steps), -1)
    return np.array(rows[:, 0], np.float32) if (rows == rows[:, :1]).all() and np.isfinite(rows).all() else None
