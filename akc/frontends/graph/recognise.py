# SPDX-License-Identifier: Apache-2.0
"""Groups of nodes that users know by one name: each becomes one node of that name.

Exporters write GELU as Erf and three products, GroupNorm as an instance normalisation between two
reshapes. A refusal should say GELU and GroupNorm, and the host runs one operation in place of many. A
group that computes something else than its name says is left in its parts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import evolve, frozen

from akc.frontends.graph.graph import Array, Graph, Node, scalar
from akc.frontends.graph.interpret import computed
from akc.frontends.graph.patterns import Matcher, Pattern
from akc.frontends.graph.recognise_spiking import recognise_spiking
from akc.frontends.graph.recognise_unrolled import recognise_unrolled
from akc.ir.functions import FUNCTIONS

Make = Callable[[Graph, Node, str], Node | None]
"""The node in place of a group: the graph, the group's last node, the value that it reads."""


@frozen
class Group:
    """A row: what a group looks like, `x` being what it reads, and what takes its place."""

    pattern: Pattern
    make: Make


def _over_root(value: Pattern, spread: Pattern) -> tuple[Pattern, ...]:
    """The spellings of value / sqrt(spread + epsilon)."""
    inside = ("add", spread, "#")
    return (
        ("div", value, ("sqrt", inside)),
        ("mul", value, ("rsqrt", inside)),
        ("mul", value, ("reciprocal", ("sqrt", inside))),
        ("mul", value, ("div", 1, ("sqrt", inside))),
        ("div", value, ("pow", inside, 0.5)),
        ("mul", value, ("pow", inside, -0.5)),
    )


_CENTRED = ("sub", "x", ("mean", "x"))
_SQUARES = (("pow", _CENTRED, 2), ("mul", _CENTRED, _CENTRED))
_NEIGHBOURS = (("reshape", ("reshape", ("average_pool", "?"))), ("reshape", ("average_pool", "?")))

CLOSE = 5e-5
"""GELU and its tanh form differ by ten times as much."""


def _function(*names: str) -> Make:
    """The function of this name that a group computes."""

    def make(graph: Graph, node: Node, x: str) -> Node | None:
        places = np.linspace(-8, 8, 161).reshape(-1, *(1,) * (len(graph.shape(x)) - 1))
        for end in (node, *_factors_behind(graph, node)):
            found = computed(graph, end.output, {x: places})
            for name in names:
                wanted = FUNCTIONS[name].kernel(places, 1.0)
                if found is not None and found.shape == wanted.shape and np.allclose(found, wanted, CLOSE, CLOSE):
                    return evolve(end, kind=name, inputs=(x,), attributes={}, constants={})
        return None

    return make


def _factors_behind(graph: Graph, node: Node) -> list[Node]:
    """The products and quotients with single numbers that alone read a node, one behind the other."""
    users, found = graph.users(), [node]
    while found[-1].output not in graph.outputs and len(readers := users.get(found[-1].output, [])) == 1:
        if readers[0].kind not in ("mul", "div") or _number(graph, readers[0]) is None:
            break
        found.append(readers[0])
    return found[1:]


def _norm(kind: str) -> Make:
    """A layer norm, or the one without a mean, over the axes that its mean goes over."""

    def make(graph: Graph, node: Node, x: str) -> Node | None:
        inner = _between(graph, node, x)
        means = [n for n in inner if n.kind == "mean"]
        added = [number for n in inner if n.kind == "add" and (number := _number(graph, n)) is not None]
        if not means or len(added) != 1:
            return None
        axes = tuple(sorted(a % len(graph.shape(x)) for a in means[0]["axes"]))
        sample = np.random.default_rng(0).normal(1, 1, graph.shape(x))
        middle = sample.mean(axis=axes, keepdims=True) if kind == "layer_norm" else 0.0
        wanted = (sample - middle) / np.sqrt(((sample - middle) ** 2).mean(axis=axes, keepdims=True) + added[0])
        found = computed(graph, node.output, {x: sample})
        if found is None or found.shape != wanted.shape or not np.allclose(found, wanted, CLOSE, CLOSE):
            return None
        return evolve(node, kind=kind, inputs=(x,), attributes={"axes": axes, "epsilon": added[0]}, constants={})

    return make


def _number(graph: Graph, node: Node) -> float | None:
    """The single number among a node's operands."""
    return next((n for v in node.inputs if (n := scalar(graph.constants.get(v))) is not None), None)


def _between(graph: Graph, node: Node, x: str) -> list[Node]:
    """The nodes from a value to a node."""
    producers, found, waiting = graph.producers(), [node], list(node.inputs)
    while waiting:
        value = waiting.pop()
        made = producers.get(value)
        if value != x and made is not None and made not in found:
            found.append(made)
            waiting += made.inputs
    return found


def _group_norm(graph: Graph, node: Node, x: str) -> Node | None:
    """An instance norm of groups of channels, between two reshapes."""
    inner = next(n for n in _between(graph, node, x) if n.kind == "instance_norm")
    shape, groups = graph.shape(x), graph.shape(inner.output)[1]
    plain = all((inner.constants[role] == value).all() for role, value in (("scale", 1), ("shift", 0)))
    whole = graph.shape(inner.output)[0] == shape[0] and shape[1] % groups == 0 and graph.shape(node.output) == shape
    if not plain or not whole:
        return None
    attributes = {"groups": groups, "epsilon": inner["epsilon"]}
    return evolve(node, kind="group_norm", inputs=(x,), attributes=attributes, constants={})


def _as_opaque(name: str) -> Make:
    return lambda graph, node, x: evolve(node, kind="opaque", inputs=(x,), attributes={"op": name}, constants={})


GROUPS: tuple[Group, ...] = (
    Group(("mul", "x", ("add", ("erf", "x"), 1)), _function("gelu")),
    Group(("mul", "x", ("add", ("tanh", ("add", "x", ("pow", "x", 3))), 1)), _function("gelu_tanh")),
    Group(("mul", "x", ("add", ("tanh", ("mul", "x", ("add", "?", 1))), 1)), _function("gelu_tanh")),
    Group(("mul", "x", ("add", ("tanh", ("add", "x", ("mul", "?", "?"))), 1)), _function("gelu_tanh")),
    Group(("mul", "x", ("sigmoid", "x")), _function("silu")),
    Group(("mul", "x", ("hard_sigmoid", "x")), _function("hard_swish")),
    Group(("mul", "x", ("clip", ("add", "x", 3))), _function("hard_swish")),
    Group(("mul", "x", ("tanh", ("softplus", "x"))), _function("mish")),
    Group(("div", "x", ("add", ("abs", "x"), 1)), _function("softsign")),
    *(Group(pattern, _norm("layer_norm")) for square in _SQUARES for pattern in _over_root(_CENTRED, ("mean", square))),
    *(
        Group(pattern, _norm("rms_norm"))
        for square in (("pow", "x", 2), ("mul", "x", "x"))
        for pattern in _over_root("x", ("mean", square))
    ),
    *(
        Group(("div", "x", ("pow", ("add", sums, "#"), "#")), _as_opaque("local response normalization"))
        for sums in _NEIGHBOURS
    ),
    Group(("reshape", ("instance_norm", ("reshape", "x"))), _group_norm),
)


def recognise(graph: Graph) -> None:
    """Replace each known group by one node, in place; larger groups first."""
    graph.drop_dead()
    recognise_unrolled(graph)
    recognise_spiking(graph)
    for group in GROUPS:
        _replace(graph, group)
    ends = dict(end for node in graph.nodes if (end := _with_affine(graph, node)) is not None)
    graph.rewrite(lambda node: ends.get(node.output) if node.outputs else None)


def _replace(graph: Graph, group: Group) -> None:
    matcher = Matcher(graph)
    made: dict[str, Node] = {}
    for node in graph.nodes:
        if node.kind != group.pattern[0]:
            continue
        found = matcher.match(group.pattern, node.output)
        if found is None or "x" not in found:
            continue
        values = dict.fromkeys((found["x"], matcher.unscaled(found["x"])))
        for value in values:
            new = group.make(graph, node, value) if value in graph.types else None
            if new is not None:
                made[new.output] = new
    if made:
        graph.rewrite(lambda node: made.get(node.output) if node.outputs else None)


# -- scale and shift behind a norm -------------------------------------------------------------------

NORMS = ("layer_norm", "rms_norm", "group_norm")


def _with_affine(graph: Graph, node: Node) -> tuple[str, Node] | None:
    """A norm that has no scale and shift, with the products and sums that alone read it, and their last result."""
    if node.kind not in NORMS or node.constants:
        return None
    shape, users, end = graph.shape(node.output), graph.users(), node
    axes = node["axes"] if "axes" in node.attributes else (1,)
    scale, shift = np.ones(1), np.zeros(1)
    while end.output not in graph.outputs and len(readers := users.get(end.output, [])) == 1:
        constant = _along(graph, readers[0], shape, axes)
        if constant is None:
            break
        end = readers[0]
        if end.kind == "mul":
            scale, shift = scale * constant, shift * constant
        else:
            shift = shift + constant
    if end is node:
        return None
    sizes = tuple(shape[a] for a in axes)
    constants = {"scale": np.broadcast_to(scale, sizes), "shift": np.broadcast_to(shift, sizes)}
    return end.output, evolve(node, outputs=end.outputs, constants=constants)


def _along(graph: Graph, node: Node, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array | None:
    """The constant of a product or sum, as far as it differs along the axes of a norm only; else None."""
    found = [graph.constants[name] for name in node.inputs if name in graph.constants]
    if node.kind not in ("add", "mul") or len(found) != 1 or found[0].ndim > len(shape):
        return None
    full = found[0].astype(np.float64).reshape((1,) * (len(shape) - found[0].ndim) + found[0].shape)
    if any(n != 1 for a, n in enumerate(full.shape) if a not in axes):
        return None
    return np.asarray(full.reshape(tuple(full.shape[a] for a in axes)))
