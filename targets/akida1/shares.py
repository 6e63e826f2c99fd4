# SPDX-License-Identifier: Apache-2.0
"""Shares of a layer as boxes of filters x d0 x d1, and their canonical text."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from akc.ir.fields import Range
from akc.ir.ops.akida import Location
from akc.targets.akida1.layers import LayerFacts

Interval = tuple[int, int]


@frozen
class Share:
    """Half-open intervals of filters and of the input map, halo not counted."""

    filters: Interval
    d0: Interval
    d1: Interval

    @classmethod
    def of(cls, place: Location, layer: LayerFacts) -> Share:
        """The share that a place stands for; a range that is left out is the whole axis."""
        wholes = {"filters": layer.filters, "d0": layer.size[0], "d1": layer.size[1]}
        return cls(*(_interval(getattr(place, key), whole) for key, whole in wholes.items()))

    def at(self, kind: str, place: tuple[int, int, int], layer: LayerFacts) -> Location:
        """The canonical place: filters always written, d0 and d1 only where the axis is cut."""
        d0, d1 = (
            Range(*part) if part != (0, whole) else None
            for part, whole in zip((self.d0, self.d1), layer.size, strict=True)
        )
        return Location(kind, *place, filters=Range(*self.filters), d0=d0, d1=d1)

    @property
    def axes(self) -> tuple[Interval, Interval, Interval]:
        """filters, d0, d1."""
        return self.filters, self.d0, self.d1

    @property
    def size(self) -> int:
        """Number of filters times the area."""
        lengths = [stop - start for start, stop in self.axes]
        return lengths[0] * lengths[1] * lengths[2]

    def overlaps(self, other: Share) -> bool:
        """Whether the two have a filter and a place of the map in common."""
        return all(a[0] < b[1] and b[0] < a[1] for a, b in zip(self.axes, other.axes, strict=True))

    def __str__(self) -> str:
        return ", ".join(f"{key}={a}:{b}" for key, (a, b) in zip(("filters", "d0", "d1"), self.axes, strict=True))


def _interval(part: Range | None, whole: int) -> Interval:
    return (0, whole) if part is None else (part.start, part.stop)


def canonical(places: Iterable[Location], layer: LayerFacts) -> tuple[Location, ...]:
    """Places with canonical ranges in the chip's order: d0 outermost, then d1, then filters."""
    pairs = sorted(
        ((Share.of(p, layer), p) for p in places), key=lambda pair: (pair[0].d0, pair[0].d1, pair[0].filters)
    )
    return tuple(share.at(p.kind, (p.column, p.row, p.id), layer) for share, p in pairs)
