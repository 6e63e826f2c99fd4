# SPDX-License-Identifier: Apache-2.0
"""`--place=compact`: the fewest NPs at the same largest load per NP (docs/akd1000/placement.md).

The vendor's search halves one limit of filters for all layers as long as more NPs are used, often down
to one filter an NP, although an NP stores and works in lanes of 8 filters. Here each layer has its own
limit: as few pieces as keep every NP's load within the largest load of the vendor's placement. Dense
layers choose their FNPs first, so that convolutions do not eat them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from akc.ir.ops.akida import Location
from akc.targets.akd1000.layers import LayerFacts
from akc.targets.akd1000.memory import FNP3_BYTES, cdiv, filters_fit, weight_bytes
from akc.targets.akd1000.placement import (
    FILTER_LIMIT,
    NoPlace,
    Placement,
    Room,
    odd_share,
    pinned_places,
    place_all_nps,
    place_layer,
    shares_of,
)
from akc.targets.akd1000.shares import Share

LANES = 8
"""Filters that an NP stores and computes together."""


def load(share: Share) -> int:
    """The work of a share: groups of 8 filters times the area of its tile."""
    filters, d0, d1 = (stop - start for start, stop in share.axes)
    return cdiv(filters, LANES) * d0 * d1


def largest_load(layers: Sequence[LayerFacts], placement: Placement) -> int:
    """The largest load of any NP of the convolutions; 0 where there are none."""
    loads = [
        load(Share.of(place, layer))
        for layer, places in zip(layers, placement, strict=True)
        if layer.splittable
        for place in places
    ]
    return max(loads, default=0)


def place_compact(layers: Sequence[LayerFacts]) -> Placement:
    """Places of all layers; raises NoPlace."""
    try:
        bound: int | None = largest_load(layers, place_all_nps(layers))
    except NoPlace:
        bound = None
    room = Room(used=pinned_places(layers))
    found: dict[int, tuple[Location, ...]] = {}
    for index in _order(layers):
        found[index] = place_layer(layers[index], compact_limit(layers[index], bound), room)
    return tuple(found[index] for index in range(len(layers)))


def _order(layers: Sequence[LayerFacts]) -> list[int]:
    """Dense layers that need an FNP2 first, then the other dense ones, then convolutions."""

    def rank(index: int) -> int:
        layer = layers[index]
        if layer.kind != "dense":
            return 2
        return int(weight_bytes(layer, layer.filters) <= FNP3_BYTES)

    return sorted(range(len(layers)), key=rank)


def compact_limit(layer: LayerFacts, bound: int | None) -> int:
    """The limit of filters that gives the fewest legal pieces within the load bound.

    Where no cut keeps the bound, the one with the smallest load that is legal; FILTER_LIMIT where none is.
    """
    if not layer.splittable:
        return FILTER_LIMIT
    legal = [limit for limit in _limits(layer) if odd_share(layer, shares_of(layer, limit)) is None]
    light = (n for n in legal if bound is None or max(load(s) for s in shares_of(layer, n)) <= bound)
    return next(light, legal[-1] if legal else FILTER_LIMIT)


def _limits(layer: LayerFacts) -> Iterator[int]:
    """Every size of piece that an equal cut gives and the filter memory holds, largest first."""
    last = 0
    for pieces in range(cdiv(layer.filters, FILTER_LIMIT), layer.filters + 1):
        size = cdiv(layer.filters, pieces)
        if size != last and filters_fit(layer, size):
            last = size
            yield size
