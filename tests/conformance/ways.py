# SPDX-License-Identifier: Apache-2.0
"""The ways in which a network is placed and cut before akc's programs are compared with those of the vendor's SDK.

Each way is a function of a module (its layers not in sequences yet) and a seed, and gives an `Outcome`.
It raises `NotMade` where the SDK has nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import akida
import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import DiagnosticError
from akc.ir.fields import Range
from akc.ir.module import Module, Value
from akc.ir.module import Sequence as Block
from akc.ir.ops.akida import Layer, Location, on_host
from akc.ir.weights import Weight
from akc.targets.akd1000 import AKD1000, TARGET
from akc.targets.akida1.layers import LayerFacts, chain_facts
from akc.targets.akida1.limits.judge import layer_faults
from akc.targets.akida1.limits.row import LARGEST_UNITS
from akc.targets.akida1.np_memory import FNP3_BYTES, weight_bytes
from akc.targets.akida1.placing.pins import may_be_tiled, pin_faults
from akc.targets.akida1.placing.placement import shares_of
from akc.targets.akida1.shares import Share
from akc.targets.akida1.tiles import cut
from tests.conformance import random_networks, vendor
from tests.conformance.placement_networks import SHAPES, shaped_network
from tests.targets.akida1.chips import in_sequence, pinned

REFUSALS = (RuntimeError, ValueError, IndexError)
"""What the SDK raises where a layer cannot be made or a network cannot be mapped."""

KINDS = (*random_networks.CLASSES, *SHAPES)
"""The classes of networks: with random numbers, and with random shapes."""

Bytes = list[tuple[bytes, bytes]]
Cut = list[tuple[bool, tuple[str, ...]]]
"""(on the chip, names of layers) of every sequence."""


@frozen
class Outcome:
    """What both sides make of a network: anything comparable, None where a side refuses.

    more: akc takes what the SDK fails on, and theirs is from what stands for it (docs/conformance.md).
    """

    ours: Any
    theirs: Any
    more: bool = False


class NotMade(Exception):
    """The SDK refuses to make a layer, or to go where it is steered; there is nothing to compare with."""


def draw(kind: str, seed: int) -> Module:
    """The network of a class for a seed."""
    return shaped_network(kind, seed) if kind in SHAPES else random_networks.network(kind, seed)


def assembled(module: Module) -> Bytes:
    """(program_info, program_data) of every sequence of a placed module."""
    return [(program.info, program.data) for program in TARGET.assemble(module)]


def made(module: Module) -> Any:
    """The SDK's model; raises NotMade."""
    try:
        return vendor.to_akida(module)
    except REFUSALS as fault:
        raise NotMade(str(fault)) from None


# -- all layers in one sequence ----------------------------------------------------------------------


def placed_by(mode: str) -> Callable[[Module, int], Outcome]:
    """akc's placement of all layers in one sequence, and the SDK's with hw_only=True: the programs."""

    def way(module: Module, seed: int) -> Outcome:
        try:
            model = vendor.to_akida(module)
            vendor.map_on_akd1000(model, minimal=mode == "vendor-minimal")
            theirs: Bytes | None = vendor.programs(model)
        except REFUSALS:
            theirs = None
        placed = placed_or_none(module, mode)
        return Outcome(None if placed is None else assembled(placed), theirs)

    return way


def placed_or_none(module: Module, mode: str) -> Module | None:
    """The module in one sequence and placed; None where akc refuses."""
    try:
        return TARGET.place(in_sequence(module), mode)
    except DiagnosticError:
        return None


# -- host and chip together ----------------------------------------------------------------------------


def vendor_cut(module: Module, minimal: bool) -> tuple[Cut, Any]:
    """The SDK's cut with hw_only=False, and the mapped model. Raises NotMade, and what the SDK raises."""
    model = made(module)
    vendor.map_on_akd1000(model, hw_only=False, minimal=minimal)
    found: Cut = []
    for sequence in model.sequences:
        names = tuple(layer.name for group in sequence.passes for layer in group.layers if layer.name != "akc_input")
        if names:
            found.append((sequence.backend == akida.BackendType.Hardware, names))
    return found, model


def vendor_cut_or_more(module: Module, minimal: bool) -> tuple[Cut, Any, bool]:
    """The same; True at the end where the SDK fails and what stands for the network was cut."""
    try:
        return *vendor_cut(module, minimal), False
    except REFUSALS:
        return *vendor_cut(stand_in(module), minimal), True


FATAL = ("AKC0513", "AKC0514")
"""Codes of numbers for which the SDK refuses the whole network, hw_only or not."""


def stand_in(module: Module) -> Module:
    """The network with 8-bit weights in each layer whose numbers the SDK fails on: those it leaves to software."""
    layers = chain_facts(module, list(module.net.ops), AKD1000)
    weights = dict(module.weights)
    changed: dict[str, Layer] = {}
    for layer in layers:
        if layer.filters > LARGEST_UNITS or any(d.code in FATAL for d in layer_faults(layer, module, ("layer",))):
            name = f"{layer.op.name}.stand_in"
            shape, pad = module.weights[layer.op.weights].type.shape, int(layer.kind == "image") * 6
            grown = (shape[0], *(n + pad for n in shape[1:3]), *shape[3:]) if pad else shape
            weights[name] = Weight.of(np.ones(grown, np.int8), "i8")
            fields: dict[str, Any] = {"weights": name, "threshold": None, "act_step": None}
            if layer.kind == "separable":
                weights[f"{name}.pointwise"] = Weight.of(np.ones((layer.filters, layer.channels), np.int8), "i8")
                fields["pointwise"] = f"{name}.pointwise"
            changed[layer.op.name] = evolve(layer.op, **fields)
    return evolve(module, weights=weights).map_ops(lambda op: changed.get(op.name, op))


def our_cut(module: Module) -> Cut:
    """The same of a placed module."""
    return [(not on_host(block), tuple(op.name for op in block.ops)) for block in module.net.sequences]


def cut_by(mode: str) -> Callable[[Module, int], Outcome]:
    """akc's cut between host and chip in the SDK's way, and the SDK's: which layer runs where, and all programs."""

    def way(module: Module, seed: int) -> Outcome:
        cut, model, more = vendor_cut_or_more(module, mode == "vendor-minimal")
        ours = TARGET.partition(in_sequence(module), mode)
        return Outcome((our_cut(ours), assembled(ours)), (cut, vendor.programs(model)), more)

    return way


def fewest_crossings(module: Module, seed: int) -> Outcome:
    """akc's own cut: no more layers on the host than the SDK, and each sequence alone is the SDK's program."""
    theirs, _, more = vendor_cut_or_more(module, False)
    placed = TARGET.partition(in_sequence(module), "crossings")
    costs = cost(our_cut(placed)), cost(theirs)
    if costs[0] > costs[1]:
        return Outcome(*costs)
    pairs = sequences_alone(placed)
    return Outcome([ours for ours, _ in pairs], [same for _, same in pairs], more)


def cost(cut: Cut) -> tuple[int, int]:
    """Layers on the host, and sequences on the chip."""
    return sum(len(names) for on_chip, names in cut if not on_chip), sum(on_chip for on_chip, _ in cut)


def sequences_alone(placed: Module) -> list[tuple[Bytes, Bytes]]:
    """Each sequence on the chip: akc's program, and the SDK's for these layers alone.

    program_info of a network of its own may name another kind of events, so it is assembled for itself.
    """
    found = []
    blocks = [block for block in placed.net.sequences if not on_host(block)]
    for block, program in zip(blocks, TARGET.assemble(placed), strict=True):
        alone = _alone(placed, block)
        model = vendor.to_akida(alone)
        vendor.map_on_akd1000(model)
        (same,) = TARGET.assemble(alone)
        found.append(([(same.info, program.data)], vendor.programs(model)))
    return found


def _alone(module: Module, block: Block) -> Module:
    """One sequence as a network of its own."""
    first, last = block.ops[0], block.ops[-1]
    assert isinstance(first, Layer)
    value = Value(first.x, module.net.types[first.x])
    net = evolve(module.net, inputs=(value,), outputs=(last.name,), output_types=(last.type,))
    return evolve(module, net=net).with_statements([block])


# -- placements that the SDK does not choose by itself ------------------------------------------------


def steered(module: Module, seed: int) -> Outcome:
    """The SDK is steered to random filter limits and random NPs; akc assembles the same placement."""
    model = made(module)
    try:
        vendor.map_on_akd1000(model, minimal=True, constraints=vendor.steering(np.random.default_rng(seed)))
    except REFUSALS as fault:
        raise NotMade(str(fault)) from None
    return Outcome(assembled(vendor.placed_like(module, model)), vendor.programs(model))


class Steered(akida.MapConstraints):  # type: ignore[misc]
    """Makes the SDK give each layer the pieces, the tiles and the NPs of a module; layers without places get others."""

    def __init__(self, module: Module) -> None:
        super().__init__(akida.AKD1000())
        self.places = {op.name: op.at for op in module.net.ops if isinstance(op, Layer)}
        self.taken = {(at.column, at.row, at.id) for places in self.places.values() for at in places}
        self.layer, self.stuck = "", False

    def next_layer_handler(self, name: str) -> None:
        """Called in front of each layer."""
        self.layer = name
        places = self.places[name]
        self.cnp_max_filters = _largest([at.filters for at in places], self.cnp_max_filters_default)
        self.cnp_max_width = _largest([at.d0 for at in places], self.cnp_max_width_default)
        self.cnp_max_height = _largest([at.d1 for at in places], self.cnp_max_height_default)

    def select_nps(self, source: Sequence[Any], count: int, kind: Any) -> list[Any]:
        """The NPs of the layer, in order; without places the first that no other layer names."""
        free = {(np_.col, np_.row, np_.id): np_ for np_ in source}
        places = self.places[self.layer]
        if not places:
            others = [np_ for place, np_ in free.items() if place not in self.taken][:count]
            self.stuck |= len(others) < count
            return others
        return [free[at.column, at.row, at.id] for at in places]


def _largest(ranges: Sequence[Range | None], most: int) -> int:
    return min(most, max((r.stop - r.start for r in ranges if r is not None), default=most))


def steer(module: Module, placed: Module) -> Bytes | None:
    """The SDK's programs where it is steered to the places of a module; None where it refuses.

    Raises NotMade where it asks for an FNP3 and the last free ones are pinned for later layers: akc then
    takes an FNP2, which the SDK cannot be told.
    """
    steering = Steered(placed)
    try:
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, minimal=True, constraints=steering)
        return vendor.programs(model)
    except REFUSALS as fault:
        if steering.stuck:
            raise NotMade(str(fault)) from None
        return None


def compact(module: Module, seed: int) -> Outcome:
    """akc's compact placement, which the SDK is steered to. Where akc refuses, the SDK must too."""
    placed = placed_or_none(module, "compact")
    alone = placed_by("vendor")(module, seed)
    return alone if placed is None else Outcome(assembled(placed), steer(module, placed), alone.theirs is None)


def pins(module: Module, seed: int) -> Outcome:
    """Some layers are pinned: cut anew into equal pieces and tiles, on NPs drawn at random. The SDK is steered there.

    The layers between are placed by both sides. Pins that akc refuses are not drawn: the SDK, steered to some of
    them, never comes back.
    """
    if placed_or_none(module, "vendor-minimal") is None:
        return placed_by("vendor-minimal")(module, seed)
    rng = np.random.default_rng(seed)
    used: set[tuple[int, int, int]] = set()
    chosen: dict[str, list[Location]] = {}
    for layer in chain_facts(module, list(module.net.ops), AKD1000):
        if layer.kind != "image" and rng.random() < 0.6:
            chosen[layer.op.name] = _drawn(layer, rng, used)
    text = pinned(in_sequence(module), **chosen)
    try:
        ours: Bytes | None = assembled(TARGET.place(text, "vendor-minimal"))
    except DiagnosticError:
        ours = None
    return Outcome(ours, steer(module, text))


def _drawn(layer: LayerFacts, rng: np.random.Generator, used: set[tuple[int, int, int]]) -> list[Location]:
    """Places for a whole layer, on NPs that are not used yet; none where there are too few."""
    if layer.kind == "dense":
        kind = "fnp3" if weight_bytes(layer, layer.filters) <= FNP3_BYTES else "fnp2"
        shares, order = [Share((0, layer.filters), (0, layer.size[0]), (0, layer.size[1]))], AKD1000.fnps(kind)
    else:
        kind, shares, order = "cnp1", _cut_anew(layer, rng), AKD1000.cnps
    free = [p for p in order if p.place not in used]
    if len(shares) > len(free):
        return []
    nps = [free[int(n)] for n in rng.permutation(len(free))[: len(shares)]]
    places = [share.at(kind, np_.place, layer) for share, np_ in zip(shares, nps, strict=True)]
    if pin_faults([evolve(layer, op=evolve(layer.op, at=tuple(places)))]):
        return []
    used |= {np_.place for np_ in nps}
    return places


def _cut_anew(layer: LayerFacts, rng: np.random.Generator) -> list[Share]:
    """A limit of filters, and sometimes narrower tiles, drawn at random; equal pieces, as the SDK can be asked for.

    A map that is pooled as a whole stays whole.
    """
    whole = shares_of(layer, int(rng.integers(1, 65)) if rng.random() < 0.7 else AKD1000.filters)
    pieces = sorted({share.filters for share in whole})
    tiles = [sorted({getattr(share, axis) for share in whole}) for axis in ("d0", "d1")]
    for axis, multiple in enumerate(layer.pool_stride if layer.max_pooled else (1, 1)):
        if may_be_tiled(layer) and rng.random() < 0.3:
            tiles[axis] = list(cut(0, layer.size[axis], int(rng.integers(1, 5)), multiple))
    return [Share(piece, d0, d1) for d0 in tiles[0] for d1 in tiles[1] for piece in pieces]


WAYS: dict[str, Callable[[Module, int], Outcome]] = {
    "own": placed_by("vendor"),
    "minimal": placed_by("vendor-minimal"),
    "cut": cut_by("vendor"),
    "cut-minimal": cut_by("vendor-minimal"),
    "crossings": fewest_crossings,
    "compact": compact,
    "pins": pins,
    "steered": steered,
}
"""How a network is placed and cut before the two sides are compared."""
