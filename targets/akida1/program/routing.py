# SPDX-License-Identifier: Apache-2.0
"""How the layers of a sequence find each other: layer numbers and columns in the registers of every NP."""

from __future__ import annotations

from collections.abc import Iterable

from akc.ir.ops.akida import Location
from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.program.registers import LAST_ROUTE, NO_LAYER, TO_DMA

IMAGE_COLUMN = 1
"""Column that events of the image layer come from."""


def columns(places: Iterable[Location]) -> tuple[int, int]:
    """(lowest, highest) column of some NPs."""
    found = [place.column for place in places]
    return min(found), max(found)


def routes(mesh: tuple[LayerFacts, ...], image: bool) -> list[dict[str, int]]:
    """The routing registers of each mesh layer, in order. image: whether the image layer feeds the first."""
    return [_route(mesh, number, image) for number in range(len(mesh))]


def _route(mesh: tuple[LayerFacts, ...], index: int, image: bool) -> dict[str, int]:
    own = columns(mesh[index].op.at)
    source = columns(mesh[index - 1].op.at) if index else (IMAGE_COLUMN if image else mesh[0].chip.event_dma[0],) * 2
    values = {"layer": index + 1, "source_low": source[0], "source_high": source[1]}
    if index + 1 == len(mesh):
        column, row, _ = mesh[0].chip.event_dma
        values |= {"route": LAST_ROUTE, "next_layer": NO_LAYER, "next_kind": TO_DMA, "next_high": column}
        values |= {"next_low": row}
        return values | _span(own, (column, column))
    following = columns(mesh[index + 1].op.at)
    values |= {"next_layer": index + 2, "next_low": following[0], "next_high": following[1]}
    return values | _span(own, following)


def _span(own: tuple[int, int], other: tuple[int, int]) -> dict[str, int]:
    return {"span_low": min(own[0], other[0]), "span_high": max(own[1], other[1])}
