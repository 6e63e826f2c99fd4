# SPDX-License-Identifier: Apache-2.0
"""How the input map of a convolution is cut into tiles, one NP each (docs/akd1000/placement.md)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from attrs import frozen

from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.np_memory import INPUT_BYTES, cdiv, tile_bytes

TILE_D0 = 32
"""Widest tile along d0, halo not counted."""
TILE_D1 = 256
"""Longest tile along d1."""

Interval = tuple[int, int]


@frozen
class Tiling:
    """A cut of a map: intervals [start, stop) along d0 and along d1; tiles are all pairs."""

    d0: tuple[Interval, ...]
    d1: tuple[Interval, ...]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.d0) * len(self.d1)

    @property
    def tiles(self) -> Iterator[tuple[Interval, Interval]]:
        """All tiles, those along d1 together."""
        return ((a, b) for a in self.d0 for b in self.d1)


def cut(start: int, stop: int, pieces: int, multiple: int = 1, before: int = 0) -> tuple[Interval, ...]:
    """[start, stop) in equal pieces rounded up to a multiple; the first `before` shorter, the last the rest."""
    step = _step(start, stop, pieces, multiple)
    edges = [start, *(range(start + step - before, stop, step) if pieces > 1 else ()), stop]
    return tuple(pairwise(edges))


def _step(start: int, stop: int, pieces: int, multiple: int) -> int:
    return cdiv(cdiv(stop - start, pieces), multiple) * multiple


def tiling(layer: LayerFacts, region: tuple[Interval, Interval] | None = None) -> Tiling | None:
    """The fewest tiles that fit the input memory, d0 cut first; None where the chip has too few NPs.

    region: the part of the map to cut, the whole map where None.
    """
    d0, d1 = region or ((0, layer.size[0]), (0, layer.size[1]))
    least_d0, least_d1 = cdiv(d0[1] - d0[0], TILE_D0), cdiv(d1[1] - d1[0], TILE_D1)
    for count in range(least_d0 * least_d1, len(layer.chip.cnps) + 1):
        for pieces_d0 in range(count // least_d1, least_d0 - 1, -1):
            if count % pieces_d0 == 0:
                found = _cut_map(layer, d0, d1, pieces_d0, count // pieces_d0)
                if found is not None and largest_tile(layer, found) <= INPUT_BYTES:
                    return found
    return None


def _cut_map(layer: LayerFacts, d0: Interval, d1: Interval, pieces_d0: int, pieces_d1: int) -> Tiling | None:
    """The cut into this many pieces; None where rounding up leaves fewer."""
    multiple = layer.pool_stride if layer.max_pooled else (1, 1)
    long_d0 = pieces_d0 > 1 and _step(*d0, pieces_d0, multiple[0]) > TILE_D0
    long_d1 = pieces_d1 > 1 and _step(*d1, pieces_d1, multiple[1]) > TILE_D1
    if long_d0 or long_d1:
        return None
    before = [layer.pool_before(axis) if part[0] == 0 else 0 for axis, part in enumerate((d0, d1))]
    found = Tiling(cut(*d0, pieces_d0, multiple[0], before[0]), cut(*d1, pieces_d1, multiple[1], before[1]))
    return found if (len(found.d0), len(found.d1)) == (pieces_d0, pieces_d1) else None


def largest_tile(layer: LayerFacts, tiles: Tiling) -> int:
    """Input memory of the largest tile, in bytes."""
    return max(tile_bytes(layer, d0, d1) for d0, d1 in tiles.tiles)
