# SPDX-License-Identifier: Apache-2.0
"""The mesh of the AKD1000: its 78 neural processors, their kinds, and the order in which layers get them.

Read from `akida.AKD1000().mesh` of the vendor's SDK 2.19.3 (docs/akd1000/placement.md).
"""

from __future__ import annotations

from attrs import frozen

from akc.ir.ops.akida import PLACELESS, Location


@frozen
class Processor:
    """A neural processor (NP) at (column, row, id), and the kinds of layer that it can compute."""

    column: int
    row: int
    id: int
    kinds: tuple[str, ...]

    @property
    def place(self) -> tuple[int, int, int]:
        """(column, row, id)."""
        return self.column, self.row, self.id

    def __str__(self) -> str:
        return f"({self.column}, {self.row}, {self.id})"


DEVICE_NAME = "AKD1000"
DEVICE_VERSION = "BC.00.000.002"
HRC = (0, 0, 0)
"""The image front end; it stands beside the mesh."""
EVENT_DMA = (3, 1, 0)
CONFIG_DMA = (3, 1, 1)

NODE_ROWS: dict[int, range] = {1: range(3, 6), 2: range(3, 6), 3: range(2, 6), 4: range(2, 6), 5: range(2, 6)}
"""Rows of the ordinary nodes of each column; an ordinary node has four NPs, the first of which is an FNP3."""

FIRST_ROW: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (3, 2, ("cnp1",)),
    (3, 3, ("cnp1",)),
    (4, 0, ("cnp1", "fnp2")),
    (4, 1, ("cnp1", "fnp2")),
    (4, 2, ("cnp1", "fnp2")),
    (4, 3, ("cnp1", "fnp2")),
)
"""(column, id, kinds) of the NPs in row 1, beside the two DMAs."""


def _processors() -> tuple[Processor, ...]:
    ordinary = [
        Processor(column, row, id, ("cnp1", "cnp2") if id else ("cnp1", "fnp3"))
        for column, rows in NODE_ROWS.items()
        for row in rows
        for id in range(4)
    ]
    first = [Processor(column, 1, id, kinds) for column, id, kinds in FIRST_ROW]
    return tuple(sorted(ordinary + first, key=lambda p: p.place))


MESH = _processors()
"""All NPs in mesh order: by column, row, id."""

BY_PLACE = {p.place: p for p in MESH}

HAND_OUT_CLASSES: tuple[tuple[str, ...], ...] = (
    ("cnp1",),
    ("cnp1", "cnp2"),
    ("cnp1", "fnp3"),
    ("cnp1", "fnp2"),
)
"""Convolutions take the NPs of these kinds in this order, mesh order inside each."""

CNP_ORDER = tuple(p for kinds in HAND_OUT_CLASSES for p in MESH if p.kinds == kinds)
FNP_ORDER = {kind: tuple(p for p in MESH if kind in p.kinds) for kind in ("fnp3", "fnp2")}


def processor_at(location: Location) -> Processor | None:
    """The NP that a location names; None where the mesh has none there (and for the HRC)."""
    return None if location.kind in PLACELESS else BY_PLACE.get((location.column, location.row, location.id))
