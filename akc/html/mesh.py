# SPDX-License-Identifier: Apache-2.0
"""The mesh as a drawing: which layer is on which NP, how full its memories are, and how much work it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import ascii_letters, digits
from typing import Any

from attrs import frozen
from markupsafe import Markup

from akc.html.rendering import number, percent
from akc.html.svg import drawing, hue, tag

MARKS = ascii_letters + digits
CELL, NODE, LEFT, TOP = 62, 140, 58, 30
"""Distance between NPs and between nodes, and room for the names of rows and columns, in pixels."""
SIZE = 58
BAR = SIZE - 10

Place = tuple[int, int, int]


@frozen
class Used:
    """An NP with a share of a layer. Shares of memories are None where a memory has no limit; work: products."""

    place: Place
    index: int
    layer: str
    filters: str
    memories: tuple[tuple[str, int, int | None], ...]
    work: float

    @property
    def mark(self) -> str:
        """The letter of the layer."""
        return mark(self.index)


def mark(index: int) -> str:
    """The letter of a layer; further layers share `?`."""
    return MARKS[index] if index < len(MARKS) else "?"


def used_nps(sequence: Mapping[str, Any], work: Mapping[str, tuple[float, ...]] | None) -> list[Used]:
    """The NPs of a sequence, or of one pass of it. work: as measured on each layer's places; else all products."""
    found = []
    for index, layer in enumerate(sequence["layers"]):
        for number_, place in enumerate(layer["places"]):
            if place["kind"] == "hrc":
                continue
            measured = (work or {}).get(layer["name"])
            memories = (
                ("input", place["input_bytes"], layer["input_limit"]),
                ("weights", place["weight_bytes"], layer["weight_limit"]),
            )
            found.append(Used(
                place=(place["column"], place["row"], place["id"]),
                index=layer.get("index", index),
                layer=layer["name"],
                filters="{}:{}".format(*place["filters"]),
                memories=memories,
                work=float(place["multiply_adds"]) if measured is None else measured[number_],
            ))  # fmt: skip
    return found


def slowest(nps: Iterable[Used]) -> Used | None:
    """The NP with the most work."""
    return max(nps, key=lambda one: one.work, default=None)


def draw_mesh(mesh: Mapping[str, Any], nps: list[Used], unit: str, label: str, ids: str) -> Markup:
    """The drawing of one pass. mesh: of the report's facts; unit: what work counts."""
    used = {one.place: one for one in nps}
    most = slowest(nps)
    dmas = {tuple(place): name for place, name in zip(mesh["dmas"], ("events DMA", "configuration DMA"))}
    places = [(p["column"], p["row"], p["id"]) for p in mesh["nps"]]
    columns, rows = (sorted({place[axis] for place in (*places, *dmas)}) for axis in (0, 1))
    parts = [tag("text", f"column {c}", x=LEFT + i * NODE + CELL, y=18, class_="axis") for i, c in enumerate(columns)]
    parts += [tag("text", f"row {r}", x=4, y=TOP + i * NODE + CELL, class_="row") for i, r in enumerate(rows)]
    for place in (*places, *dmas):
        x = LEFT + columns.index(place[0]) * NODE + place[2] % 2 * CELL
        y = TOP + rows.index(place[1]) * NODE + place[2] // 2 * CELL
        parts.append(_cell(place, x, y, used.get(place), most, unit, dmas.get(place)))
    return drawing(*parts, width=LEFT + len(columns) * NODE, height=TOP + len(rows) * NODE, label=label, ids=ids)


def _cell(place: Place, x: int, y: int, one: Used | None, most: Used | None, unit: str, dma: str | None) -> Markup:
    box = tag("rect", x=x, y=y, width=SIZE, height=SIZE, rx=4)
    if one is None:
        kind, text = ("dma", dma) if dma else ("free", "free")
        short = tag("text", "DMA", x=x + SIZE / 2, y=y + SIZE / 2 + 4, class_="axis") if dma else ""
        return tag("g", tag("title", f"({place[0]}, {place[1]}, {place[2]}): {text}"), box, short, class_=f"np {kind}")
    is_slowest = one is most
    label = _label(one, unit, is_slowest)
    bars = [_bar(x, y, row, name, share) for row, (name, share) in enumerate(_shares(one, most))]
    letter = tag("text", one.mark + (" ◆" if is_slowest else ""), x=x + 6, y=y + 17, class_="mark")
    return tag("g", tag("title", label), box, letter, *bars, class_="np used" + " slowest" * is_slowest,
               style=hue(one.index), tabindex=0, role="img", aria_label=label)  # fmt: skip


def _shares(one: Used, most: Used | None) -> list[tuple[str, float | None]]:
    """Input memory, weight memory, and work beside that of the slowest NP."""
    shares: list[tuple[str, float | None]] = [(n, bytes / limit if limit else None) for n, bytes, limit in one.memories]
    return [*shares, ("work", one.work / most.work if most is not None and most.work else 0.0)]


def _bar(x: int, y: int, row: int, name: str, share: float | None) -> Markup:
    top = y + 24 + row * 11
    room = tag("rect", x=x + 5, y=top, width=BAR, height=7, class_="room" + " none" * (share is None))
    if share is None:
        return room
    fill = tag("rect", x=x + 5, y=top, width=round(BAR * min(share, 1), 1), height=7, class_=f"fill {name}")
    return tag("g", room, fill)


def _label(one: Used, unit: str, is_slowest: bool) -> str:
    memories = [
        f"{name} {number(bytes)} bytes" + (f" of {number(limit)} ({percent(bytes / limit)})" if limit else "")
        for name, bytes, limit in one.memories
    ]
    words = [
        f"NP ({one.place[0]}, {one.place[1]}, {one.place[2]}): layer {one.mark} %{one.layer}, filters {one.filters}"
    ]
    words += [*memories, f"{number(one.work)} {unit}"]
    return ", ".join(words) + (", the slowest" if is_slowest else "")
