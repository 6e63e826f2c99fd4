# SPDX-License-Identifier: Apache-2.0
"""Which NP computes which share of which layer: the vendor's two ways, and pins (docs/akd1000/placement.md).

A sequence has the whole mesh to itself. Layers get their NPs front to back from one free list; a
convolution takes as many as its tiles and pieces of filters need, a dense layer exactly one FNP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from attrs import define, evolve, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, Note
from akc.ir.fields import Range
from akc.ir.module import Module, Op
from akc.ir.ops.akida import PLACELESS, Layer, Location, on_host
from akc.targets.akida1.chip import Chip, Place, Processor
from akc.targets.akida1.layers import LayerFacts, layers_of
from akc.targets.akida1.limits.judge import check
from akc.targets.akida1.limits.row import Limit
from akc.targets.akida1.limits.table import NO_FNP, NO_ROOM, ONE_CHANNEL
from akc.targets.akida1.np_memory import FNP3_BYTES, cdiv, filters_fit, weight_bytes
from akc.targets.akida1.placing.pins import gaps, host_pin_faults, pin_faults
from akc.targets.akida1.shares import Share, canonical
from akc.targets.akida1.tiles import cut, tiling

Result = TypeVar("Result")
LimitOf = Callable[[LayerFacts], int]


class NoPlace(Exception):
    """A layer found no NPs; carries the limit that was in the way."""

    def __init__(self, row: Limit, layer: LayerFacts, found: str) -> None:
        super().__init__(found)
        self.row, self.layer, self.found = row, layer, found

    @property
    def diagnostic(self) -> Diagnostic:
        """The fault as a diagnostic."""
        return self.row.fault(self.layer, self.found)


@define
class Room:
    """The NPs of a mesh that are used; the others are given out in order.

    used: those that cannot be given out; spent: FNP2s of earlier passes, whose weights stay where they are.
    """

    chip: Chip
    used: set[Place] = field(factory=set)
    spent: set[Place] = field(factory=set)

    def free(self, order: Iterable[Processor]) -> list[Processor]:
        """The free ones of `order`."""
        return [p for p in order if p.place not in self.used]

    def take_cnps(self, count: int, layer: LayerFacts) -> list[Processor]:
        """The first `count` free NPs; raises NoPlace."""
        free = self.free(self.chip.cnps)
        if count > len(free):
            raise NoPlace(NO_ROOM, layer, f"{count} where {len(free)} of {len(self.chip.cnps)} are free")
        self.used |= {p.place for p in free[:count]}
        return free[:count]

    def take_fnp(self, layer: LayerFacts) -> tuple[str, Processor]:
        """The first free FNP3 if the weights fit one, else the first free FNP2; raises NoPlace."""
        size = weight_bytes(layer, layer.filters)
        for kind in ("fnp3", "fnp2") if size <= FNP3_BYTES else ("fnp2",):
            for processor in self.free(self.chip.fnps(kind)):
                if kind == "fnp2" and processor.place in self.spent:
                    continue
                self.used.add(processor.place)
                return kind, processor
        wanted = "an FNP3 or FNP2" if size <= FNP3_BYTES else "an FNP2"
        raise NoPlace(NO_FNP, layer, f"{wanted} for {size:,} bytes of weights where none is free")


@define
class Filling:
    """Layers that get their places one by one, on a chip with several passes in as many as it takes.

    A layer that finds no room starts the next pass, in which all NPs are free again, for itself but those of the
    layer in front of it, which still work, and for dense layers but FNP2s that computed one before.
    """

    chip: Chip
    pinned: set[Place] = field(factory=set)
    room: Room = field(init=False)
    passes: int = 1
    own: set[Place] = field(factory=set)
    """Places of the layers of this pass."""
    last: set[Place] = field(factory=set)
    fnp2s: set[Place] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.room = Room(self.chip, set(self.pinned))

    def add(self, layer: LayerFacts, limit: int) -> tuple[Location, ...]:
        """The places of the next layer; raises NoPlace."""
        pins = pinned_places([layer])
        try:
            if pins & self.own:
                raise NoPlace(NO_ROOM, layer, "an NP that another layer has")
            places = place_layer(layer, limit, self.room)
        except NoPlace as fault:
            if not self.chip.passes or not self.own or fault.row is ONE_CHANNEL:
                raise
            places = place_layer(layer, limit, self._next_pass())
            self.room.used -= self.last - self.pinned
            self.passes, self.own = self.passes + 1, set()
        self.last = {(at.column, at.row, at.id) for at in places if at.kind not in PLACELESS}
        self.fnp2s |= {(at.column, at.row, at.id) for at in places if at.kind == "fnp2"}
        self.own |= self.last
        return places

    def _next_pass(self) -> Room:
        self.room = Room(self.chip, self.pinned | self.last, set(self.fnp2s))
        return self.room


def filter_pieces(
    layer: LayerFacts, limit: int, start: int = 0, stop: int | None = None
) -> tuple[tuple[int, int], ...]:
    """[start, stop) filters in the fewest equal pieces of at most `limit` that fit the filter memory."""
    stop = layer.filters if stop is None else stop
    count = cdiv(stop - start, limit)
    while not filters_fit(layer, cdiv(stop - start, count)):
        count += 1
    return cut(start, stop, count)


def shares_of(layer: LayerFacts, limit: int) -> tuple[Share, ...]:
    """The shares of a convolution: tiles along d0, along d1, then filters."""
    whole = Share((0, layer.filters), (0, layer.size[0]), (0, layer.size[1]))
    return _cut_share(layer, whole, limit)


def _cut_share(layer: LayerFacts, box: Share, limit: int) -> tuple[Share, ...]:
    tiles = tiling(layer, (box.d0, box.d1))
    if tiles is None:
        raise NoPlace(NO_ROOM, layer, f"more than {len(layer.chip.cnps)}")
    pieces = filter_pieces(layer, limit, *box.filters)
    return tuple(Share(piece, d0, d1) for d0, d1 in tiles.tiles for piece in pieces)


def odd_share(layer: LayerFacts, shares: Iterable[Share]) -> str | None:
    """What breaks the rule for one-channel convolutions: an odd number of groups of 8 filters on an NP."""
    if not layer.chip.even_groups or layer.kind != "conv" or layer.channels != 1 or layer.filters <= 16:
        return None
    odd = [s.filters[1] - s.filters[0] for s in shares if cdiv(s.filters[1] - s.filters[0], 8) % 2]
    return f"{odd[0]} of {layer.filters} filters" if odd else None


def place_layer(layer: LayerFacts, limit: int, room: Room) -> tuple[Location, ...]:
    """The places of one layer, pins first; raises NoPlace."""
    if layer.kind == "image":
        return (Location("hrc"),)
    if layer.kind == "dense":
        return _place_dense(layer, room)
    shares = _missing_shares(layer, limit)
    processors = room.take_cnps(len(shares), layer)
    new = (share.at("cnp1", p.place, layer) for share, p in zip(shares, processors, strict=True))
    places = canonical((*layer.op.at, *new), layer)
    odd = odd_share(layer, (Share.of(place, layer) for place in places))
    if odd is not None:
        raise NoPlace(ONE_CHANNEL, layer, odd)
    return places


def _place_dense(layer: LayerFacts, room: Room) -> tuple[Location, ...]:
    if layer.op.at:
        return canonical(layer.op.at, layer)
    kind, processor = room.take_fnp(layer)
    return (Location(kind, *processor.place, filters=Range(0, layer.filters)),)


def _missing_shares(layer: LayerFacts, limit: int) -> tuple[Share, ...]:
    """The shares that no pin covers."""
    if not layer.op.at:
        return shares_of(layer, limit)
    return tuple(share for gap in gaps(layer) for share in _cut_share(layer, gap, limit))


Placement = tuple[tuple[Location, ...], ...]
"""The places of each layer of a sequence."""


def place_chain(layers: Sequence[LayerFacts], limit_of: LimitOf) -> Placement:
    """Places of all layers with a limit of filters for each; pinned NPs are kept free. Raises NoPlace."""
    filling = Filling(layers[0].chip, pinned_places(layers))
    return tuple(filling.add(layer, limit_of(layer)) for layer in layers)


def pinned_places(layers: Iterable[LayerFacts]) -> set[Place]:
    """The NPs that pins name."""
    return {(at.column, at.row, at.id) for layer in layers for at in layer.op.at if at.kind not in PLACELESS}


def pass_starts(placement: Sequence[Iterable[Location]]) -> tuple[int, ...]:
    """The layers with which passes begin, the first one too: a pass ends where a layer takes an NP that it uses."""
    starts, used = [0], set[Place]()
    for index, places in enumerate(placement):
        own = {(at.column, at.row, at.id) for at in places if at.kind not in PLACELESS}
        if own & used:
            starts.append(index)
            used = set()
        used |= own
    return tuple(starts)


def count_nps(placement: Placement) -> int:
    """NPs used; the image front end is none."""
    return sum(place.kind not in PLACELESS for places in placement for place in places)


# -- the vendor's ways --------------------------------------------------------------------------------


def place_minimal(layers: Sequence[LayerFacts]) -> Placement:
    """The vendor's MapMode.Minimal: as few NPs as the memories allow. Raises NoPlace."""
    return place_chain(layers, lambda layer: layer.chip.filters)


def place_all_nps(layers: Sequence[LayerFacts], any_passes: bool = False) -> Placement:
    """The vendor's MapMode.AllNps: one limit of filters for all layers, found by bisection. Raises NoPlace.

    any_passes: a limit may take more passes than a larger one, as in its MapMode.HwPr.
    """
    most = layers[0].chip.filters
    splittable = any(layer.splittable for layer in layers)
    best = bisect_limit(lambda limit: _attempt(layers, limit, any_passes), most, splittable)
    return place_minimal(layers) if isinstance(best.result, NoPlace) else best.result


@frozen
class Attempt(Generic[Result]):
    """The outcome of mapping with one limit; `score`: layers on the chip, -sequences, -passes, NPs."""

    score: tuple[int, int, int, int]
    result: Result | NoPlace

    def better_than(self, other: Attempt[Result]) -> bool:
        """More layers, or as many in no more sequences and passes with no fewer NPs; failures are all alike."""
        if isinstance(other.result, NoPlace):
            return True
        if isinstance(self.result, NoPlace):
            return False
        if self.score[0] != other.score[0]:
            return self.score[0] > other.score[0]
        return all(own >= their for own, their in zip(self.score[1:], other.score[1:], strict=True))


def _attempt(layers: Sequence[LayerFacts], limit: int, any_passes: bool) -> Attempt[Placement]:
    try:
        placement = place_chain(layers, lambda layer: limit)
    except NoPlace as fault:
        return Attempt((0, 0, 0, 0), fault)
    passes = 0 if any_passes else len(pass_starts(placement))
    return Attempt((len(layers), -1, -passes, count_nps(placement)), placement)


def bisect_limit(attempt: Callable[[int], Attempt[Result]], most: int, splittable: bool) -> Attempt[Result]:
    """The vendor's search from `most` down: halve the limit while that is no worse, else look between."""
    best = attempt(most)
    low, high = 0, most
    while splittable and low + 2 <= high:
        middle = (low + high) // 2
        found = attempt(middle)
        if found.better_than(best):
            best, high = found, middle
        else:
            low = middle
    return best


# -- whole modules ------------------------------------------------------------------------------------

Placer = Callable[[Sequence[LayerFacts]], Placement]


def place_module(module: Module, placer: Placer, chip: Chip) -> Module:
    """Complete every `at`; the same object if nothing was missing.

    Raises DiagnosticError with all faults: limits, pins, and sequences without room.
    """
    chains = {s.name: layers_of(module, s, chip) for s in module.net.sequences if not on_host(s)}
    faults = [d for d in check(module, chip) if d.severity == "error"]
    faults += [d for layers in chains.values() for d in pin_faults(layers)]
    faults += [d for s in module.net.sequences if on_host(s) for d in host_pin_faults(s)]
    if faults:
        raise DiagnosticError(faults)
    placed: dict[str, tuple[Location, ...]] = {}
    for layers in chains.values():
        try:
            placed |= {layer.op.name: at for layer, at in zip(layers, placer(layers), strict=True)}
        except NoPlace as fault:
            faults.append(_explained(fault, layers))
    if faults:
        raise DiagnosticError(faults)
    return with_places(module, placed)


def _explained(fault: NoPlace, layers: Sequence[LayerFacts]) -> Diagnostic:
    """The diagnostic, with the number of NPs that the whole sequence needs at least."""
    if fault.row is ONE_CHANNEL:
        return fault.diagnostic
    counts = {layer.op.name: _least_nps(layer) for layer in layers}
    most = sorted(counts.items(), key=lambda item: -item[1])[:3]
    largest = "".join(f", {count} of them for %{name}" for name, count in most if count > 1)
    message = f"the sequence needs {sum(counts.values())} NPs at least{largest}; there are {len(layers[0].chip.cnps)}"
    return evolve(fault.diagnostic, notes=(Note(message=message),))


def _least_nps(layer: LayerFacts) -> int:
    return len(shares_of(layer, layer.chip.filters)) if layer.splittable else int(layer.kind == "dense")


def with_places(module: Module, placed: Mapping[str, tuple[Location, ...]]) -> Module:
    """The module with these `at` lists."""

    def change(op: Op) -> Op:
        at = placed.get(op.name)
        return op if at is None or not isinstance(op, Layer) or op.at == at else evolve(op, at=at)

    return module.map_ops(change)
