# SPDX-License-Identifier: Apache-2.0
"""The network as a drawing: a box an operation, a frame a sequence, and what crosses between host and chip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from markupsafe import Markup

from akc.html.rendering import number, shape, short
from akc.html.svg import drawing, hue, tag
from akc.ir.module import Module, Op
from akc.ir.module import Sequence as Block
from akc.ir.ops.akida import Layer, on_host

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 236, 62, 290, 116, 34
"""Size of a box, distance between boxes, and the border of the picture, in pixels."""


@frozen
class Node:
    """A box: an input, an operation or a result, and where it stands."""

    name: str
    rank: int
    column: int
    reads: tuple[str, ...]
    op: Op | None = None
    result: bool = False

    @property
    def x(self) -> int:
        """The left edge."""
        return EDGE + self.column * ACROSS

    @property
    def y(self) -> int:
        """The upper edge."""
        return EDGE + self.rank * DOWN


def nodes_of(module: Module) -> dict[str, Node]:
    """All boxes by name; each stands below what it reads, in the column of that where there is room."""
    found: dict[str, Node] = {}
    taken: set[tuple[int, int]] = set()

    def add(name: str, reads: tuple[str, ...], op: Op | None = None, result: bool = False) -> None:
        above = [found[r] for r in reads if r in found]
        rank = 1 + max((node.rank for node in above), default=-1)
        column = above[0].column if above else 0
        while (rank, column) in taken:
            column += 1
        taken.add((rank, column))
        found[name] = Node(name, rank, column, reads, op, result)

    for value in module.net.inputs:
        add(value.name, ())
    for op in module.net.ops:
        add(op.name, op.operands, op)
    for name in module.net.outputs:
        add(f"return {name}", (name,), result=True)
    return found


def draw_graph(
    module: Module, facts: Mapping[str, Any], prefix: str = "", heat: Mapping[str, float] | None = None
) -> Markup:
    """The drawing of a network with its report's facts. heat: a share from 0 to 1 for each layer that is marked so."""
    nodes = nodes_of(module)
    layers = {layer["name"]: layer for sequence in facts["sequences"] for layer in sequence["layers"]}
    order = {layer["name"]: index for s in facts["sequences"] for index, layer in enumerate(s["layers"])}
    crossing = {b["value"]: b for b in facts["borders"]}
    parts = [*_frames(module, nodes, facts), *_edges(module, nodes, crossing)]
    parts += [_box(node, module, layers.get(node.name), order.get(node.name), prefix, (heat or {}).get(node.name))
              for node in nodes.values()]  # fmt: skip
    width = EDGE * 3 + WIDTH + ACROSS * max(node.column for node in nodes.values())
    height = EDGE * 2 + HEIGHT + DOWN * max(node.rank for node in nodes.values())
    label = f"Network {module.net.name} from its inputs at the top to its results at the bottom"
    return drawing(*parts, width=width, height=height, label=label, ids=f"{prefix}graph-title")


def _frames(module: Module, nodes: Mapping[str, Node], facts: Mapping[str, Any]) -> Iterable[Markup]:
    """A frame around the boxes of each sequence."""
    told = {sequence["name"]: sequence for sequence in facts["sequences"]}
    for block in module.net.sequences:
        inside = [nodes[op.name] for op in block.ops]
        if not inside:
            continue
        left, top = min(n.x for n in inside) - 14, min(n.y for n in inside) - 26
        right, bottom = max(n.x for n in inside) + WIDTH + 14, max(n.y for n in inside) + HEIGHT + 12
        where = "host" if on_host(block) else "chip"
        text = f"sequence @{block.name} on the {where}{_size(told.get(block.name))}"
        frame = tag("rect", x=left, y=top, width=right - left, height=bottom - top, rx=10)
        yield tag("g", frame, tag("text", text, x=left + 10, y=top + 16), class_=f"frame {where}")


def _size(sequence: Mapping[str, Any] | None) -> str:
    if sequence is None or sequence["on"] == "host":
        return ""
    passes = f", {sequence['passes']} passes" if sequence["passes"] > 1 else ""
    return f", {sequence['nps']} NP{'s' * (sequence['nps'] != 1)}{passes}"


def _edges(module: Module, nodes: Mapping[str, Node], crossing: Mapping[str, Any]) -> Iterable[Markup]:
    """Lines from what is read to what reads it; thick ones with their bytes cross between host and chip."""
    places = _blocks(module)
    for node in nodes.values():
        for name in dict.fromkeys(node.reads):
            if name not in nodes:
                continue
            border = crossing.get(name) if places.get(name) != places.get(node.name) else None
            yield _edge(nodes[name], node, border)


def _blocks(module: Module) -> dict[str, str]:
    """The sequence on the chip that each value is made in."""
    blocks = [s for s in module.net.statements if isinstance(s, Block) and not on_host(s)]
    return {op.name: block.name for block in blocks for op in block.ops}


def _edge(above: Node, below: Node, border: Mapping[str, Any] | None) -> Markup:
    x1, y1, x2, y2 = above.x + WIDTH // 2, above.y + HEIGHT, below.x + WIDTH // 2, below.y
    middle = (y1 + y2) // 2
    if below.rank - above.rank > 1 and above.column == below.column:
        side = above.x + WIDTH + 26
        path = f"M{x1} {y1} C{side} {y1 + 20} {side} {y1 + 20} {side} {middle} S{side} {y2 - 20} {x2} {y2}"
    else:
        path = f"M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}"
    line = tag("path", d=path, class_="edge border" if border else "edge")
    if border is None:
        return line
    text = f"{number(border['bytes'])} bytes {border['way']}"
    y = y1 + 19 if border["way"] == "to the chip" else y2 - 12
    return tag("g", line, tag("text", text, x=(x1 + x2) // 2 + 8, y=y, class_="bytes"))


def _box(
    node: Node, module: Module, layer: Mapping[str, Any] | None, index: int | None, prefix: str, heat: float | None
) -> Markup:
    lines = _words(node, module, layer)
    kind = "layer" if isinstance(node.op, Layer) else "host" if node.op is not None else "end"
    rect = tag("rect", x=node.x, y=node.y, width=WIDTH, height=HEIGHT, rx=6)
    texts = [
        tag("text", short(line, 34), x=node.x + 10, y=node.y + 18 + 16 * row, class_="name" if row == 0 else None)
        for row, line in enumerate(lines)
    ]
    bar = (
        []
        if heat is None
        else [
            tag("rect", x=node.x, y=node.y + HEIGHT - 5, height=5, width=max(1.0, WIDTH * min(heat, 1)), class_="heat")
        ]
    )
    origin = ", ".join(node.op.origin) if node.op is not None else ""
    title = tag("title", ", ".join(filter(None, [*lines, f"from {origin}" if origin else ""])))
    style = None if index is None else hue(index)
    box = tag("g", title, rect, *bar, *texts, class_=f"box {kind}", style=style)
    return box if layer is None else tag("a", box, href=f"#{prefix}layer-{layer['name']}")


def _words(node: Node, module: Module, layer: Mapping[str, Any] | None) -> list[str]:
    if node.op is None:
        name = node.reads[0] if node.result else node.name
        kind = module.net.values[name].type if name in module.net.values else ""
        return [f"%{name}", "result" if node.result else "input", str(kind)]
    kind = node.op.mnemonic if layer is None else layer["kind"]
    kernel = f" {shape(layer['kernel'])}" if layer is not None and layer["kernel"] else ""
    kinds = [place["kind"] for place in layer["places"]] if layer is not None else []
    nps = sum(kind != "hrc" for kind in kinds)
    where = f" on {nps} NP{'s' * (nps != 1)}" if nps else " on the HRC" if kinds else ""
    return [f"%{node.name}", f"{kind}{kernel}", f"{node.op.type}{where}"]
