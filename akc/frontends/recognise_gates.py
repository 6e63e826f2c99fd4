# SPDX-License-Identifier: Apache-2.0
"""Squeeze-excite: a map times a number for each channel that is computed from the map's own mean."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from akc.frontends.graph import Graph, Node

BRANCH = frozenset(
    {
        "dense",
        "conv",
        "relu",
        "clip",
        "reshape",
        "transpose",
        "batch_norm",
        "affine",
        "add",
        "mul",
        "div",
        "expand",
        "opaque",
        "sigmoid",
        "hard_sigmoid",
    }
)
"""What may stand between the mean and the product."""
POOLS = frozenset({"mean", "average_pool"})
LONGEST = 16
"""Nodes that a gate has at most."""


def recognise_squeeze_excite(graph: Graph) -> None:
    """Make each product of a map with a gate computed from its own mean one opaque node, in place."""
    producers = graph.producers()

    def change(node: Node) -> Node | None:
        if node.kind != "mul" or any(value in graph.constants for value in node.inputs):
            return None
        for value, gate in (node.inputs, node.inputs[::-1]):
            if graph.shape(value) == graph.shape(node.output) and _comes_from_mean(graph, producers, gate, value):
                return evolve(node, kind="opaque", inputs=(value,), attributes={"op": "squeeze-excite"})
        return None

    graph.rewrite(change)


def _comes_from_mean(graph: Graph, producers: Mapping[str, Node], gate: str, value: str) -> bool:
    """Whether a gate is computed, through a few layers, from the mean of `value` alone."""
    first = producers.get(gate)
    for _ in range(LONGEST):
        node = producers.get(gate)
        if node is None:
            return False
        if node.kind in POOLS:
            return node.inputs[0] == value and first is not node
        computed = [v for v in node.inputs if v and v not in graph.constants]
        if node.kind not in BRANCH or len(computed) != 1:
            return False
        gate = computed[0]
    return False
