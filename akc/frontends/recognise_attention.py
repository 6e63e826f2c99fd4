# SPDX-License-Identifier: Apache-2.0
"""Attention: softmax of a product of two computed values, times a third; with the moving of heads around it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from akc.frontends.graph import Graph, Node, scalar

LAYOUT = frozenset({"reshape", "transpose", "select", "slice", "split", "expand"})
"""Kinds that only move numbers about."""
BETWEEN = frozenset({"mul", "div", "add", "where", "softmax", "cast", "clip"})
"""What stands between the two products: scale, mask, softmax."""


def recognise_attention(graph: Graph) -> None:
    """Make each attention core, with the splitting and joining of its heads, one opaque node, in place."""
    cores = [node for node in graph.nodes if _is_core(graph.producers(), node)]
    for core in cores:
        if core.outputs[0] in graph.producers():
            _replace(graph, core)


def _is_core(producers: Mapping[str, Node], node: Node) -> bool:
    if node.kind == "opaque" and node["op"] == "attention":
        return True
    return node.kind == "matmul" and any(_scores(producers, value) for value in node.inputs)


def _scores(producers: Mapping[str, Node], value: str) -> bool:
    """Whether a value is a softmax, perhaps of scaled and masked products of two computed values."""
    seen_softmax = False
    waiting, seen = [value], set()
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        seen_softmax |= node.kind == "softmax"
        if node.kind == "matmul" and seen_softmax:
            return True
        if node.kind in BETWEEN | LAYOUT:
            waiting += node.inputs
    return False


def _replace(graph: Graph, core: Node) -> None:
    producers, users = graph.producers(), graph.users()
    group = _behind(graph, producers, core)
    last = core
    while (
        last.output not in graph.outputs
        and len(readers := users.get(last.output, [])) == 1
        and readers[0].kind in LAYOUT
    ):
        last = readers[0]
    inputs = [
        v for node in group for v in node.inputs if v and v not in graph.constants and producers.get(v) not in group
    ]
    position = next(i for i, node in enumerate(graph.nodes) if node is last)
    graph.nodes[position] = evolve(
        core,
        kind="opaque",
        inputs=tuple(dict.fromkeys(inputs)),
        outputs=last.outputs,
        attributes={"op": "attention"},
    )
    graph.drop_dead()


def _behind(graph: Graph, producers: Mapping[str, Node], core: Node) -> list[Node]:
    """The core and everything in front of it that only scales, masks, moves or multiplies computed values."""
    group, waiting = [core], list(core.inputs)
    products = 0 if core.kind == "matmul" else 1
    while waiting:
        node = producers.get(waiting.pop(0))
        if node is None or node in group:
            continue
        inner = node.kind == "matmul" and products == 0
        products += inner
        if (
            inner
            or node.kind in LAYOUT
            or (
                node.kind in BETWEEN
                and (node.kind in ("softmax", "where", "cast") or _by_number(graph, node) or not products)
            )
        ):
            group.append(node)
            waiting += node.inputs
    return group


def _by_number(graph: Graph, node: Node) -> bool:
    """Whether a node only scales by one number."""
    return node.kind in ("mul", "div") and any(scalar(graph.constants.get(v)) is not None for v in node.inputs)
