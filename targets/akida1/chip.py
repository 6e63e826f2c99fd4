# SPDX-License-Identifier: Apache-2.0
"""What one chip with Akida 1.0 inside differs in from another, as one record; everything in this room asks it.

An NP and its memories are the same on all of them (akc.targets.akida1.np_memory). Chips differ in their mesh,
their DMA controllers, in some limits, and in how values come in and go out.
"""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen

from akc.ir.ops.akida import PLACELESS, Location

Place = tuple[int, int, int]
"""Column, row and id in the mesh."""

HAND_OUT: tuple[tuple[str, ...], ...] = (("cnp1",), ("cnp1", "cnp2"), ("cnp1", "fnp3"), ("cnp1", "fnp2"))
"""Convolutions take the NPs of these kinds in this order, mesh order inside each."""


@frozen
class Processor:
    """A neural processor (NP) at (column, row, id), and the kinds of layer that it can compute."""

    column: int
    row: int
    id: int
    kinds: tuple[str, ...]

    @property
    def place(self) -> Place:
        """(column, row, id)."""
        return self.column, self.row, self.id

    def __str__(self) -> str:
        return f"({self.column}, {self.row}, {self.id})"


def node(column: int, row: int, first: tuple[str, ...], others: tuple[str, ...]) -> tuple[Processor, ...]:
    """The four NPs of a node: what its id 0 can be, and what the other three can."""
    return tuple(Processor(column, row, id, others if id else first) for id in range(4))


def _in_mesh_order(processors: tuple[Processor, ...]) -> tuple[Processor, ...]:
    return tuple(sorted(processors, key=lambda p: p.place))


@frozen(kw_only=True, eq=False, slots=False)
class Chip:
    """One chip.

    name: as `--target` takes it; title: as its maker writes it; version: (vendor, product, major, minor), as
    programs name the device; mesh: all NPs, by column, row and id; event_dma, config_dma: places of the DMA
    controllers; image_layer: whether there is an image front end; modes: the ways of placing, names of
    akc.targets.akida1.placing.placers; filters: of a CNP, at most; dense_inputs: of a dense layer, at most;
    pools: sizes of max pooling on the mesh; even_groups: a convolution of one channel and more than 16 filters
    must have an even number of groups of 8 filters on each NP; descriptors: configuration tracks and one more,
    at most, over all passes; dense: values go in and come out as whole maps, not as events; passes: a program may
    have several passes, which take turns on the mesh; mark: what the description of a bus holds behind which the
    identification register reads 0.
    """

    name: str
    title: str
    version: tuple[int, int, int, int]
    mesh: tuple[Processor, ...] = field(repr=False, converter=_in_mesh_order)
    event_dma: Place
    config_dma: Place
    image_layer: bool = True
    modes: tuple[str, ...] = ("vendor", "vendor-minimal", "compact")
    filters: int = 504
    dense_inputs: int = 57334
    pools: tuple[int, ...] = (1, 2)
    even_groups: bool = True
    descriptors: int = 255
    dense: bool = False
    passes: bool = False
    mark: str = ""
    cards: bool = True
    """Whether akc can open cards with it; else there is the emulator."""

    @property
    def identification(self) -> int:
        """What the identification register reads."""
        return 0 if self.mark else int.from_bytes(self.version)

    @cached_property
    def by_place(self) -> dict[Place, Processor]:
        """The NP at each place."""
        return {p.place: p for p in self.mesh}

    @cached_property
    def cnps(self) -> tuple[Processor, ...]:
        """The NPs in the order in which convolutions get them."""
        return tuple(p for kinds in HAND_OUT for p in self.mesh if p.kinds == kinds)

    def fnps(self, kind: str) -> tuple[Processor, ...]:
        """The NPs that can be an fnp3 or fnp2, in mesh order."""
        return tuple(p for p in self.mesh if kind in p.kinds)

    def at(self, location: Location) -> Processor | None:
        """The NP that a location names; None where the mesh has none there (and for the image front end)."""
        return None if location.kind in PLACELESS else self.by_place.get((location.column, location.row, location.id))
