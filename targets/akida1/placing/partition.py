# SPDX-License-Identifier: Apache-2.0
"""Host and chip together: what the chip does not take in one piece becomes sequences and host layers.

Two ways: the vendor's own (`Model.map(hw_only=False)`, for networks that come from its files), and the
cut with the fewest crossings between host and chip. Host layers stand in sequences of their own, pinned
by `at=[host()]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Op, Statement, fresh_name
from akc.ir.module import Sequence as Block
from akc.ir.ops.akida import Location, on_host
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import LayerFacts, chain_facts
from akc.targets.akida1.limits.judge import layer_faults
from akc.targets.akida1.placing.pins import pin_faults
from akc.targets.akida1.placing.placement import (
    Attempt,
    Filling,
    NoPlace,
    Placement,
    Placer,
    Room,
    bisect_limit,
    count_nps,
    pass_starts,
    place_all_nps,
    place_layer,
    place_minimal,
)

HOST = Location("host")
Warn = Callable[[Diagnostic], None]


@frozen
class Piece:
    """Layers [start, stop) of a chain, and their places on the chip; None where the host computes them."""

    start: int
    stop: int
    placement: Placement | None


Cut = tuple[Piece, ...]


@frozen
class Chain:
    """Layers one behind the other, from neighbouring sequences; reasons: why the chip cannot take a layer."""

    chip: Chip
    module: Module
    blocks: tuple[Block, ...]
    layers: tuple[LayerFacts, ...]
    reasons: tuple[tuple[Diagnostic, ...], ...]


def partition(module: Module, cut: Callable[[Chain], Cut], chip: Chip, warn: Warn = lambda diagnostic: None) -> Module:
    """The module with every chain of layers cut and placed. `warn` is told why a layer goes to the host.

    Raises DiagnosticError with all faults of pins.
    """
    statements: list[Statement] = []
    names = {s.name for s in module.net.sequences}
    for item in _chains(module, chip):
        if not isinstance(item, Chain):
            statements.append(item)
            continue
        faults = pin_faults(item.layers)
        if faults:
            raise DiagnosticError(faults)
        pieces = cut(item)
        _explain(item, pieces, warn)
        statements += _blocks(item, pieces, names)
    return module.with_statements(statements)


def _chains(module: Module, chip: Chip) -> Iterator[Chain | Statement]:
    """Runs of sequences of which each reads only the one before; everything else as it is."""
    run: list[Block] = []
    for statement in (*module.net.statements, None):
        follows = isinstance(statement, Block) and not on_host(statement)
        if run and not (follows and _feeds_only(module, run[-1], statement)):
            yield _chain(module, run, chip)
            run = []
        if isinstance(statement, Block) and follows:
            run.append(statement)
        elif statement is not None:
            yield statement


def _feeds_only(module: Module, block: Block, following: Statement | None) -> bool:
    """Whether the result of a sequence goes to the following one and nowhere else."""
    last = block.ops[-1].name
    readers = module.net.uses(last)
    return (
        isinstance(following, Block)
        and last not in module.net.outputs
        and len(readers) == 1
        and readers[0] is following.ops[0]
    )


def _chain(module: Module, blocks: Sequence[Block], chip: Chip) -> Chain:
    layers = chain_facts(module, [op for block in blocks for op in block.ops], chip)
    reasons = (layer_faults(layer, module, ("layer", "memory")) for layer in layers)
    errors = tuple(tuple(d for d in found if d.severity == "error") for found in reasons)
    return Chain(chip, module, tuple(blocks), layers, errors)


def _blocks(chain: Chain, pieces: Cut, names: set[str]) -> Iterator[Block]:
    """The sequences of a cut; names and comments of the old ones are used up first."""
    old = {block.ops[0].name: block for block in chain.blocks}
    for piece in pieces:
        ops = tuple(_placed(chain, piece))
        block = old.get(ops[0].name)
        if block is None:
            name = fresh_name("s", names)
            names.add(name)
            block = Block(name=name, ops=())
        yield evolve(block, ops=ops)


def _placed(chain: Chain, piece: Piece) -> Iterator[Op]:
    for index in range(piece.start, piece.stop):
        op = chain.layers[index].op
        yield evolve(op, at=(HOST,) if piece.placement is None else piece.placement[index - piece.start])


def _explain(chain: Chain, pieces: Cut, warn: Warn) -> None:
    for piece in pieces:
        for index in range(piece.start, piece.stop) if piece.placement is None else ():
            op = chain.layers[index].op
            reasons = chain.reasons[index]
            why = reasons[0].message if reasons else "it finds no place on the chip beside its neighbours"
            warn(
                Diagnostic(
                    code="AKC0528", severity="warning", message=f"%{op.name} runs on the host: {why}",
                    span=op.span(), origin=op.origin, help=reasons[0].help if reasons else (),
                )
            )  # fmt: skip


# -- the vendor's way ---------------------------------------------------------------------------------


def vendor_cut(chain: Chain, minimal: bool = False) -> Cut:
    """The SDK's cut with hw_only=False: illegal layers to the host, the others packed front to back."""
    splittable = any(layer.splittable for layer in chain.layers)
    found = bisect_limit(lambda limit: _vendor_attempt(chain, limit), chain.chip.filters, splittable and not minimal)
    assert not isinstance(found.result, NoPlace)
    return found.result


def _vendor_attempt(chain: Chain, limit: int) -> Attempt[Cut]:
    """The cut with one limit."""
    cut = _merged(_pack(chain, _mappable(chain, limit), limit))
    placements = [piece.placement for piece in cut if piece.placement is not None]
    passes = sum(len(pass_starts(p)) for p in placements)
    score = (sum(len(p) for p in placements), -len(placements), -passes, sum(count_nps(p) for p in placements))
    return Attempt(score, cut)


def _mappable(chain: Chain, limit: int) -> list[bool]:
    """Which layers can be on the chip: legal, not larger than it, and a max pool in front of a convolution."""
    good = [not why and _fits_alone(layer, limit) for layer, why in zip(chain.layers, chain.reasons, strict=True)]
    for index in reversed(range(len(good))):
        if chain.layers[index].needs_follower:
            following = index + 1 < len(good) and chain.layers[index + 1].splittable and good[index + 1]
            good[index] = good[index] and following
    return good


def _fits_alone(layer: LayerFacts, limit: int) -> bool:
    try:
        place_layer(layer, limit, Room(layer.chip))
    except NoPlace:
        return False
    return True


def _pack(chain: Chain, mappable: Sequence[bool], limit: int) -> Iterator[Piece]:
    """Pieces in order. A full mesh closes a sequence, and max pools at its end start the next one.

    Max pools that are alone in a full mesh go to the host.
    """
    start, count = 0, len(chain.layers)
    while start < count:
        if not mappable[start]:
            yield Piece(start, start + 1, None)
            start += 1
            continue
        places = _fill(chain, mappable, limit, start)
        stop = start + len(places)
        while stop > start and chain.layers[stop - 1].needs_follower:
            stop -= 1
        if stop > start:
            yield Piece(start, stop, tuple(places[: stop - start]))
        else:
            stop = start + len(places)
            yield Piece(start, stop, None)
        start = stop


def _fill(chain: Chain, mappable: Sequence[bool], limit: int, start: int) -> list[tuple[Location, ...]]:
    """Places of the layers from `start` on, until the mesh is full or a layer is for the host."""
    filling, places = Filling(chain.chip), []  # type: ignore[var-annotated]
    for index in range(start, len(chain.layers)):
        if not mappable[index]:
            break
        try:
            places.append(filling.add(chain.layers[index], limit))
        except NoPlace:
            break
    return places


def _merged(pieces: Iterator[Piece]) -> Cut:
    """Neighbouring host pieces become one."""
    found: list[Piece] = []
    for piece in pieces:
        if found and piece.placement is None and found[-1].placement is None:
            found[-1] = evolve(found[-1], stop=piece.stop)
        else:
            found.append(piece)
    return tuple(found)


# -- the fewest crossings -----------------------------------------------------------------------------


@frozen(order=True)
class Cost:
    """What a cut costs, compared in this order: layers on the host, sequences, bytes over the border."""

    host_layers: int = 0
    sequences: int = 0
    border_bytes: int = 0

    def plus(self, host_layers: int, sequences: int, border_bytes: int) -> Cost:
        """The sum."""
        return Cost(self.host_layers + host_layers, self.sequences + sequences, self.border_bytes + border_bytes)


def fewest_crossings(chain: Chain, placer: Placer = place_all_nps) -> Cut:
    """As many layers as possible on the chip, in as few sequences, with the smallest values between them."""
    count = len(chain.layers)
    best: list[tuple[Cost, tuple[tuple[int, int, bool], ...]]] = [(Cost(), ())]
    best += [(Cost(count + 1), ())] * count
    for start in range(count):
        cost, cuts = best[start]
        _improve(best, start + 1, cost.plus(1, 0, 0), (*cuts, (start, start + 1, False)))
        for stop in _ends(chain, start, placer):
            price = cost.plus(0, 1, _bytes_in(chain, start) + _bytes_out(chain, stop))
            _improve(best, stop, price, (*cuts, (start, stop, True)))
    pieces = (Piece(a, b, placer(_part(chain, a, b)) if chip else None) for a, b, chip in best[count][1])
    return _merged(pieces)


def _improve(
    best: list[tuple[Cost, tuple[tuple[int, int, bool], ...]]], stop: int, cost: Cost,
    cuts: tuple[tuple[int, int, bool], ...],
) -> None:  # fmt: skip
    if cost <= best[stop][0]:  # of equal cuts the one that fills the first sequences
        best[stop] = (cost, cuts)


def _ends(chain: Chain, start: int, placer: Placer) -> Iterator[int]:
    """Every `stop` for which [start, stop) is a legal sequence that finds room."""
    for stop in range(start + 1, len(chain.layers) + 1):
        if chain.reasons[stop - 1]:
            return
        part = _part(chain, start, stop)
        if part[-1].needs_follower:
            continue
        if any(layer.kind == "image" for layer in part[1:]) or not _has_room(part, placer):
            return
        if not any(_broken(layer, chain.module) for layer in part):
            yield stop


def _broken(layer: LayerFacts, module: Module) -> bool:
    return any(d.severity == "error" for d in layer_faults(layer, module, ("sequence",)))


def _part(chain: Chain, start: int, stop: int) -> tuple[LayerFacts, ...]:
    return chain_facts(chain.module, [layer.op for layer in chain.layers[start:stop]], chain.chip)


def _has_room(part: Sequence[LayerFacts], placer: Placer) -> bool:
    for way in (place_minimal, placer):
        try:
            way(part)
        except NoPlace:
            continue
        return True
    return False


def _bytes_in(chain: Chain, start: int) -> int:
    return value_bytes(chain.module, chain.layers[start].op.x)


def _bytes_out(chain: Chain, stop: int) -> int:
    return value_bytes(chain.module, chain.layers[stop - 1].op.name)


def value_bytes(module: Module, name: str) -> int:
    """Bytes of a value at the border, its bits packed."""
    kind = module.net.types[name]
    return -(-kind.size * kind.element.bits // 8)


CUTS: dict[str, Callable[[Placer], Callable[[Chain], Cut]]] = {
    "vendor": lambda placer: vendor_cut,
    "vendor-minimal": lambda placer: partial(vendor_cut, minimal=True),
    "crossings": lambda placer: partial(fewest_crossings, placer=placer),
}
"""vendor, vendor-minimal: as the SDK with hw_only=False in MapMode.AllNps and Minimal, whatever the placer;
crossings: as many layers as possible on the chip, in the fewest sequences."""
