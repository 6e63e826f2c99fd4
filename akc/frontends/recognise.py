# SPDX-License-Identifier: Apache-2.0
"""Groups of nodes that users know by one name: each becomes one opaque node of that name.

Exporters write GELU as Erf and three products, GroupNorm as an instance normalisation between two
reshapes. A refusal should say GELU and GroupNorm. Only what no layer of the language covers is looked
for here, so a group that is missed is refused all the same, under the name of one of its parts.
"""

from __future__ import annotations

from attrs import evolve, frozen

from akc.frontends.graph import Graph, Node
from akc.frontends.patterns import Matcher, Pattern
from akc.frontends.recognise_attention import recognise_attention
from akc.frontends.recognise_gates import recognise_squeeze_excite
from akc.frontends.recognise_spiking import recognise_spiking
from akc.frontends.recognise_unrolled import recognise_unrolled


@frozen
class Group:
    """A row: the name of a group and what it looks like. `x` is what it reads.

    affine: factors and summands for each channel behind it belong to it.
    """

    name: str
    pattern: Pattern
    affine: bool = False


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

GROUPS: tuple[Group, ...] = (
    Group("GELU", ("mul", "x", ("add", ("erf", "x"), 1))),
    Group("GELU", ("mul", "x", ("add", ("tanh", ("add", "x", ("pow", "x", 3))), 1))),
    Group("GELU", ("mul", "x", ("add", ("tanh", ("mul", "x", ("add", "?", 1))), 1))),
    Group("GELU", ("mul", "x", ("add", ("tanh", ("add", "x", ("mul", "?", "?"))), 1))),
    Group("SiLU", ("mul", "x", ("sigmoid", "x"))),
    Group("HardSwish", ("mul", "x", ("hard_sigmoid", "x"))),
    Group("HardSwish", ("mul", "x", ("clip", ("add", "x", 3)))),
    Group("Mish", ("mul", "x", ("tanh", ("softplus", "x")))),
    Group("Softsign", ("div", "x", ("add", ("abs", "x"), 1))),
    *(
        Group("LayerNorm", pattern, affine=True)
        for square in _SQUARES
        for pattern in _over_root(_CENTRED, ("mean", square))
    ),
    *(Group("LayerNorm", pattern, affine=True) for pattern in _over_root(_CENTRED, ("var", "x"))),
    *(
        Group("RMSNorm", pattern, affine=True)
        for square in (("pow", "x", 2), ("mul", "x", "x"))
        for pattern in _over_root("x", ("mean", square))
    ),
    *(Group("local response normalization", ("div", "x", ("pow", ("add", sums, "#"), "#"))) for sums in _NEIGHBOURS),
    Group("GroupNorm", ("reshape", ("instance_norm", ("reshape", "x"), "#", "#")), affine=True),
    Group("InstanceNorm", ("instance_norm", "x", "#", "#")),
)


def recognise(graph: Graph) -> None:
    """Replace each known group by one opaque node, in place; larger groups first."""
    graph.drop_dead()
    recognise_unrolled(graph)
    recognise_spiking(graph)
    recognise_attention(graph)
    for group in GROUPS:
        _replace(graph, group)
    _name_gated_halves(graph)
    recognise_squeeze_excite(graph)


def _replace(graph: Graph, group: Group) -> None:
    matcher = Matcher(graph)
    ends: dict[str, Node] = {}
    for node in graph.nodes:
        if node.kind != group.pattern[0]:
            continue
        found = matcher.match(group.pattern, node.output)
        if found is not None and "x" in found:
            value = matcher.unscaled(found["x"]) if found["x"] not in graph.types else found["x"]
            end = _behind_affine(graph, node) if group.affine else node
            ends[end.output] = evolve(
                node, kind="opaque", inputs=(value,), outputs=end.outputs, attributes={"op": group.name}
            )
    if ends:
        graph.rewrite(lambda node: ends.get(node.output) if node.outputs else None)


def _behind_affine(graph: Graph, node: Node) -> Node:
    """The last of the products and sums with constants that alone read a node."""
    users = graph.users()
    while node.output not in graph.outputs and len(readers := users.get(node.output, [])) == 1:
        reader = readers[0]
        constants = [name for name in reader.inputs if name in graph.constants]
        if reader.kind not in ("add", "mul") or len(constants) != 1 or graph.constants[constants[0]].size == 1:
            break
        node = reader
    return node


def _name_gated_halves(graph: Graph) -> None:
    """GLU: one half of a value, times the sigmoid of the other half."""
    producers = graph.producers()

    def change(node: Node) -> Node | None:
        if node.kind != "mul":
            return None
        for half, gate in (node.inputs, node.inputs[::-1]):
            sigmoid, split = producers.get(gate), producers.get(half)
            if sigmoid is None or split is None or sigmoid.kind != "sigmoid" or split.kind not in ("split", "slice"):
                continue
            other = producers.get(sigmoid.inputs[0])
            if other is not None and other.kind == split.kind and other.inputs[0] == split.inputs[0]:
                return evolve(node, kind="opaque", inputs=split.inputs[:1], attributes={"op": "GLU"})
        return None

    graph.rewrite(change)
