# SPDX-License-Identifier: Apache-2.0
"""Unrolled spiking networks: comparisons with a threshold that are turned into numbers and fed on.

Exporters write a spiking neuron as Mul, Add, Sub, Greater and Cast, once for each time step. What is
left of such a network in this form is one opaque node, so that there is one refusal, with its way out.
"""

from __future__ import annotations

from collections.abc import Mapping

from akc.frontends.graph.graph import Graph, Node, merged_source, only_activations

NAME = "unrolled spiking neuron"
COMPARISONS = frozenset({"greater", "less", "greater_equal", "less_equal"})
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "neg", "clip", "cast", "where"}) | COMPARISONS
"""What a membrane is computed with."""


def recognise_spiking(graph: Graph) -> None:
    """Make the neurons of an unrolled spiking network, and all behind them, one opaque node, in place."""
    producers = graph.producers()
    spikes = [node for node in graph.nodes if _is_spike(graph, producers, node)]
    if not spikes:
        return
    inside = _arithmetic_of(producers, spikes)
    for node in graph.nodes:
        if any(id(producers.get(value)) in inside for value in node.inputs):
            inside.add(id(node))
    swallowed = [node for node in graph.nodes if id(node) in inside]
    made = {value for node in swallowed for value in node.outputs}
    read = dict.fromkeys(v for node in swallowed for v in only_activations(graph, node.inputs) if v not in made)
    graph.nodes = [node for node in graph.nodes if id(node) not in inside]
    outputs = tuple(value for value in graph.outputs if value in made)
    first = spikes[0]
    graph.nodes.append(
        Node(
            kind="opaque",
            inputs=tuple(read),
            outputs=outputs,
            attributes={"op": NAME},
            name=first.name,
            source=merged_source(*spikes)[:4],
        )
    )
    graph.drop_dead()


def _is_spike(graph: Graph, producers: Mapping[str, Node], node: Node) -> bool:
    """A comparison of computed numbers, cast to a number."""
    compared = producers.get(node.inputs[0]) if node.kind == "cast" else None
    return compared is not None and compared.kind in COMPARISONS and "float" in graph.types[node.output].dtype


def _arithmetic_of(producers: Mapping[str, Node], spikes: list[Node]) -> set[int]:
    """The spikes and the arithmetic that they are computed with, back to the layers."""
    inside: set[int] = set()
    waiting = list(spikes)
    while waiting:
        node = waiting.pop()
        if id(node) not in inside and node.kind in ARITHMETIC:
            inside.add(id(node))
            waiting += [producers[value] for value in node.inputs if value in producers]
    return inside
