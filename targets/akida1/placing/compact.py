# SPDX-License-Identifier: Apache-2.0
"""`--place=compact`: the fewest NPs at the same largest load per NP (docs/akd1000/placement.md).

The vendor's search halves one limit of filters for all layers as long as more NPs are used, often down
to one filter an NP, although an NP stores and works in lanes of 8 filters. Here each layer has its own
limit: as few pieces as keep every NP's load within the largest load of the vendor's placement.

Looking ahead, so that convolutions leave FNPs to the dense layers behind them, would gain nothing:
convolutions take FNPs last and FNP2s last of all, so that every dense layer finds its FNP in any network
that has a placement (docs/akd1000/placement.md proves it, a property test draws cases).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.np_memory import cdiv, filters_fit
from akc.targets.akida1.placing.placement import (
    NoPlace,
    Placement,
    odd_share,
    place_all_nps,
    place_chain,
    shares_of,
)
from akc.targets.akida1.shares import Share

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
    return place_chain(layers, lambda layer: compact_limit(layer, bound))


def compact_limit(layer: LayerFacts, bound: int | None) -> int:
    """The limit of filters that gives the fewest legal pieces within the load bound.

    Where no cut keeps the bound, the one with the smallest load that is legal; the chip's own where none is.
    """
    if not layer.splittable:
        return layer.chip.filters
    legal = [limit for limit in _limits(layer) if odd_share(layer, shares_of(layer, limit)) is None]
    light = (n for n in legal if bound is None or max(load(s) for s in shares_of(layer, n)) <= bound)
    return next(light, legal[-1] if legal else layer.chip.filters)


def _limits(layer: LayerFacts) -> Iterator[int]:
    """Every size of piece that an equal cut gives and the filter memory holds, largest first."""
    last = 0
    for pieces in range(cdiv(layer.filters, layer.chip.filters), layer.filters + 1):
        size = cdiv(layer.filters, pieces)
        if size != last and filters_fit(layer, size):
            last = size
            yield size
