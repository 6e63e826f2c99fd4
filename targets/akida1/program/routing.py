# SPDX-License-Identifier: Apache-2.0
"""How the layers of a sequence find each other: layer numbers and columns in the registers of every NP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from akc.ir.ops.akida import Location
from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.program.registers import LAST_ROUTE, LOOP_ROUTE, NO_LAYER, TO_DMA

IMAGE_COLUMN = 1
"""Column that events of the image layer come from."""

Layers = Sequence[LayerFacts]
Span = tuple[int, int]


def columns(places: Iterable[Location]) -> Span:
    """(lowest, highest) column of some NPs."""
    found = [place.column for place in places]
    return min(found), max(found)


def routes(passes: Sequence[Layers], image: bool) -> list[list[dict[str, int]]]:
    """The routing registers of each mesh layer of each pass. image: whether the image layer feeds the first."""
    followers = [*passes[1:], None]
    fronts = [None, *passes]
    return [
        [_route(mesh, index, image, front, follower) for index in range(len(mesh))]
        for mesh, front, follower in zip(passes, fronts, followers, strict=False)
    ]


def _route(mesh: Layers, index: int, image: bool, front: Layers | None, follower: Layers | None) -> dict[str, int]:
    own = columns(mesh[index].op.at)
    source = columns(mesh[index - 1].op.at) if index else _source(mesh, image, front)
    values = {"layer": index + 1, "source_low": source[0], "source_high": source[1]}
    last = index + 1 == len(mesh)
    if last and follower is None:
        column, row, _ = mesh[0].chip.event_dma
        values |= {"route": LAST_ROUTE, "next_layer": NO_LAYER, "next_kind": TO_DMA, "next_high": column}
        values |= {"next_low": row}
        return values | _span(own, (column, column))
    following = columns((follower[0] if last and follower else mesh[index + 1]).op.at)
    values |= {"next_layer": index + 2, "next_low": following[0], "next_high": following[1]}
    if last:
        values["route"] = LOOP_ROUTE
    return values | _span(own, following)


def _source(mesh: Layers, image: bool, front: Layers | None) -> Span:
    """Columns that the first layer of a pass gets its input from."""
    dma = mesh[0].chip.event_dma[0]
    if front is None:
        return (IMAGE_COLUMN if image else dma,) * 2
    low, high = columns(front[-1].op.at)
    return min(low, dma), max(high, dma)


def _span(own: Span, other: Span) -> dict[str, int]:
    return {"span_low": min(own[0], other[0]), "span_high": max(own[1], other[1])}
