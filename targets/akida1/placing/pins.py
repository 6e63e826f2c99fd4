# SPDX-License-Identifier: Apache-2.0
"""Pins: places that the text gives. What they may name, and what they leave to be placed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from attrs import evolve

from akc.base.diagnostics import Diagnostic, Note
from akc.ir.module import Sequence as Block
from akc.ir.ops.akida import Layer, Location
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import KIND_NAMES, LayerFacts
from akc.targets.akida1.np_memory import (
    FNP3_BYTES,
    INPUT_BYTES,
    WEIGHT_BYTES,
    filters_fit,
    tile_bytes,
    weight_bytes,
)
from akc.targets.akida1.shares import Interval, Share
from akc.targets.akida1.tiles import TILE_D0, TILE_D1, tiling

LAYER_PLACES = {"image": ("hrc",), "conv": ("cnp1",), "separable": ("cnp1",), "dense": ("fnp3", "fnp2")}
"""Kind of layer and the kinds of place that compute it."""


def pin_faults(layers: Sequence[LayerFacts]) -> list[Diagnostic]:
    """Every fault of the pins of one sequence."""
    found: list[Diagnostic] = []
    owners: dict[tuple[int, int, int], LayerFacts] = {}
    for layer in layers:
        for place in layer.op.at:
            found += _place_faults(layer, place, owners)
        if not found:
            found += _share_faults(layer)
    return found


def host_pin_faults(sequence: Block) -> list[Diagnostic]:
    """Layers of a sequence of the host that are not pinned to it: a sequence is here or there as a whole."""
    return [
        Diagnostic(
            code="AKC0529",
            message=f"%{op.name} stands in a sequence of the host and is not pinned to it",
            span=op.span("at"),
            origin=op.origin,
            help="give it at=[host()], or a sequence of its own",
        )
        for op in sequence.ops
        if isinstance(op, Layer) and [place.kind for place in op.at] != ["host"]
    ]


def _fault(code: str, layer: LayerFacts, message: str, help: str = "", notes: tuple[Note, ...] = ()) -> Diagnostic:
    op = layer.op
    return Diagnostic(
        code=code,
        message=f"{op.mnemonic} %{op.name}: {message}",
        span=op.span("at"),
        origin=op.origin,
        help=help or (),
        notes=notes,
    )


def _place_faults(
    layer: LayerFacts, place: Location, owners: dict[tuple[int, int, int], LayerFacts]
) -> Iterator[Diagnostic]:
    kinds = LAYER_PLACES[layer.kind]
    if place.kind not in kinds:
        yield _fault(
            "AKC0523",
            layer,
            f"{place} cannot compute a {KIND_NAMES[layer.kind]}",
            f"it takes {' or '.join(kinds)}",
        )
        return
    if place.kind == "hrc":
        return
    processor = layer.chip.at(place)
    if processor is None:
        yield _fault(
            "AKC0522",
            layer,
            f"{place} is not in the mesh",
            mesh_in_words(layer.chip),
        )
    elif place.kind not in processor.kinds:
        yield _fault(
            "AKC0523",
            layer,
            f"the NP {processor} is no {place.kind}",
            f"it can be {' or '.join(processor.kinds)}",
        )
    elif processor.place in owners and not layer.chip.passes:
        other = owners[processor.place].op
        yield _fault(
            "AKC0524",
            layer,
            f"the NP {processor} is used twice",
            "give one of the two another place",
            (Note(message=f"%{other.name} uses it too", span=other.span("at")),),
        )
    else:
        owners[processor.place] = layer


def mesh_in_words(chip: Chip) -> str:
    """Which NPs there are: `(1, 3..5, 0..3), (3, 1, 2..3)`, nodes of a column with the same ids together."""
    nodes: dict[tuple[int, int], list[int]] = {}
    for p in chip.mesh:
        nodes.setdefault((p.column, p.row), []).append(p.id)
    groups: list[tuple[int, list[int], list[int]]] = []
    for (column, row), ids in nodes.items():
        if groups and groups[-1][0] == column and groups[-1][1][-1] == row - 1 and groups[-1][2] == ids:
            groups[-1][1].append(row)
        else:
            groups.append((column, [row], ids))
    return "the mesh is " + ", ".join(f"({column}, {_run(rows)}, {_run(ids)})" for column, rows, ids in groups)


def _run(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}..{numbers[-1]}"


def fnp2s_in_words(chip: Chip) -> str:
    """`fnp2(4, 1, 0) to fnp2(4, 1, 3) take`."""
    places = [f"fnp2{p}" for p in chip.fnps("fnp2")]
    if not places:
        return "no NP takes"
    return f"{places[0]} takes" if len(places) == 1 else f"{places[0]} to {places[-1]} take"


def _share_faults(layer: LayerFacts) -> Iterator[Diagnostic]:
    if layer.kind == "image":
        return
    shares = [(place, Share.of(place, layer)) for place in layer.op.at]
    outside = [place for place, share in shares if not _inside(layer, share)]
    if outside:
        yield _fault(
            "AKC0525",
            layer,
            f"{outside[0]} reaches outside of {layer.filters} filters on {layer.size[0]}x{layer.size[1]}",
            "ranges are start:stop, start below stop",
        )
        return
    for (a, one), (b, two) in combinations(shares, 2):
        if one.overlaps(two):
            yield _fault("AKC0525", layer, f"{a} and {b} overlap", "give each its own filters=start:stop")
            return
    for place, share in shares:
        yield from (
            _fault("AKC0526", layer, f"{place}: {message}", help) for message, help in _unfit(layer, place, share)
        )


def _inside(layer: LayerFacts, share: Share) -> bool:
    wholes = (layer.filters, *layer.size)
    return all(0 <= start < stop <= whole for (start, stop), whole in zip(share.axes, wholes, strict=True))


def _unfit(layer: LayerFacts, place: Location, share: Share) -> Iterator[tuple[str, str]]:
    """(what is wrong, way out) for a share that an NP cannot compute."""
    if layer.kind == "dense":
        yield from _unfit_dense(layer, place, share)
        return
    count = share.filters[1] - share.filters[0]
    if count > layer.chip.filters or not filters_fit(layer, count):
        yield (
            f"{weight_bytes(layer, count):,} bytes of weights, an NP holds {WEIGHT_BYTES:,}",
            "give it fewer filters",
        )
    if share.d0[1] - share.d0[0] > TILE_D0 or share.d1[1] - share.d1[0] > TILE_D1:
        yield f"a tile is at most {TILE_D0} on d0 and {TILE_D1} on d1", "cut the map with d0= and d1="
    elif tile_bytes(layer, share.d0, share.d1) > INPUT_BYTES:
        size = tile_bytes(layer, share.d0, share.d1)
        yield f"{size:,} bytes of input map, an NP holds {INPUT_BYTES:,}", "cut the map with d0= and d1="
    yield from _bad_edges(layer, share)


def _unfit_dense(layer: LayerFacts, place: Location, share: Share) -> Iterator[tuple[str, str]]:
    if share.axes != ((0, layer.filters), (0, layer.size[0]), (0, layer.size[1])):
        yield (
            "a dense layer stands on one NP as a whole; the vendor's SDK never splits one, nor can it be steered to",
            f"leave the ranges out; {fnp2s_in_words(layer.chip)} any number of units",
        )
    size = weight_bytes(layer, layer.filters)
    if place.kind == "fnp3" and size > FNP3_BYTES:
        yield (
            f"{size:,} bytes of weights, an FNP3 holds {FNP3_BYTES:,}",
            f"{fnp2s_in_words(layer.chip)} any size",
        )


def _bad_edges(layer: LayerFacts, share: Share) -> Iterator[tuple[str, str]]:
    befores = (layer.pool_before(0), layer.pool_before(1))
    for key, (start, stop), whole, pool, stride, before in zip(
        ("d0", "d1"), share.axes[1:], layer.size, layer.pool_stride, layer.stride, befores, strict=True
    ):
        if stop - start < stride and stop != whole:
            yield f"{key}={start}:{stop} is shorter than the stride", f"use ranges of at least {stride}"
        if 0 < start < layer.halo:
            yield (
                f"{key} starts at {start}, its halo of {layer.halo} would reach over the edge",
                f"start at {layer.halo}",
            )
        cuts = [edge for edge in (start, stop) if 0 < edge < whole and (edge + before) % pool]
        if layer.max_pooled and cuts:
            way = f"use multiples of {pool}" + (f", less {before}" if before else "")
            yield f"{key}={start}:{stop} cuts a pooling window", way
    if not may_be_tiled(layer) and not _default_tile(layer, share):
        yield f"this layer's {layer.pool} pooling needs the map as placing cuts it", "leave d0= and d1= out"


def may_be_tiled(layer: LayerFacts) -> bool:
    """Whether the map of a layer may be cut where its pins say; else pooling needs it as placing cuts it."""
    overlapping = layer.max_pooled and layer.pool_stride != layer.pool_size
    strided = layer.max_pooled and layer.kind == "conv" and layer.stride[0] == 2
    return not (layer.pool == "average" or overlapping or strided)


def _default_tile(layer: LayerFacts, share: Share) -> bool:
    default = tiling(layer)
    return default is not None and (share.d0, share.d1) in set(default.tiles)


# -- what pins leave over ------------------------------------------------------------------------------


def gaps(layer: LayerFacts) -> tuple[Share, ...]:
    """The parts of a layer that no pin covers, as few boxes as simple merging finds."""
    shares = [Share.of(place, layer) for place in layer.op.at]
    grid = [
        _cells({0, whole, *(n for s in shares for n in s.axes[axis])})
        for axis, whole in enumerate((layer.filters, *layer.size))
    ]
    cells = (Share(f, d0, d1) for d0 in grid[1] for d1 in grid[2] for f in grid[0])
    free = [cell for cell in cells if not any(cell.overlaps(s) for s in shares)]
    for axis in ("filters", "d1", "d0"):
        free = _merged(free, axis)
    return tuple(free)


def _cells(points: set[int]) -> list[Interval]:
    ordered = sorted(points)
    return list(pairwise(ordered))


def _merged(boxes: list[Share], axis: str) -> list[Share]:
    """Boxes that differ in one axis only and touch there become one."""
    found: dict[object, list[Share]] = {}
    for box in sorted(boxes, key=lambda b: getattr(b, axis)):  # type: ignore[no-any-return]
        group = found.setdefault(evolve(box, **{axis: (0, 0)}), [])
        interval = getattr(box, axis)
        if group and getattr(group[-1], axis)[1] == interval[0]:
            group[-1] = evolve(box, **{axis: (getattr(group[-1], axis)[0], interval[1])})
        else:
            group.append(box)
    return [box for group in found.values() for box in group]
