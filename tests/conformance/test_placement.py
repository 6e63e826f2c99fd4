# SPDX-License-Identifier: Apache-2.0
"""Placements and verdicts of single sequences equal the SDK's, NP by NP and share by share.

More networks: AKC_PLACEMENT_NETWORKS=1000 AKC_PLACEMENT_SEED=5 pytest tests/conformance/test_placement.py
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import akida
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, Location
from akc.targets.akd1000 import AKD1000, TARGET
from akc.targets.akida1.layers import LayerFacts, layers_of
from akc.targets.akida1.np_memory import external_bytes, input_bytes, weight_bytes
from akc.targets.akida1.shares import Share
from tests.conformance import random_networks, vendor
from tests.conformance.placement_networks import SHAPES
from tests.conformance.ways import draw
from tests.targets.akida1.chips import in_sequence

pytestmark = pytest.mark.conformance

COUNT = int(os.environ.get("AKC_PLACEMENT_NETWORKS", "50"))
SEED = int(os.environ.get("AKC_PLACEMENT_SEED", "0"))
CLASSES = (*SHAPES, *random_networks.CLASSES)
LEAST_PLACED = {"spoiled": 0.02, "spoiled_shape": 0.02, "crowded": 0.0}
"""Share of the networks of a class that must be placed by both sides, so that no class is refused as a whole."""


def seeds(kind: str, share: int = 1) -> range:
    """The seeds of a class; crowded networks take the SDK long, so fewer of them."""
    return range(SEED, SEED + COUNT // (5 * share if kind == "crowded" else share))


def places(module: Module) -> dict[str, list[str]]:
    """`at` of every layer with every range written out."""
    types = module.net.types
    layers = [op for op in module.net.ops if isinstance(op, Layer)]
    return {op.name: [_whole(place, op, types[op.x].shape) for place in op.at] for op in layers}


def _whole(place: Location, op: Layer, size: tuple[int, ...]) -> str:
    if place.kind == "hrc":
        return "hrc"
    wholes = {"filters": op.type.shape[2], "d0": size[0], "d1": size[1]}
    ranges = [str(getattr(place, key) or f"0:{whole}") for key, whole in wholes.items()]
    return f"{place.kind} {place.column} {place.row} {place.id} {' '.join(ranges)}"


def vendor_places(module: Module, minimal: bool, constraints: Any = None) -> dict[str, list[str]] | None:
    """The SDK's placement; None where it refuses, already when a layer is made or when it is mapped."""
    try:
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, minimal=minimal, constraints=constraints)
    except (RuntimeError, ValueError):
        return None
    return places(vendor.placed_like(module, model))


def our_places(module: Module, mode: str) -> dict[str, list[str]] | None:
    try:
        return places(TARGET.place(in_sequence(module), mode))
    except DiagnosticError:
        return None


@pytest.mark.parametrize("mode", ["vendor", "vendor-minimal"])
@pytest.mark.parametrize("kind", CLASSES)
def test_placement_equals_the_sdk(kind: str, mode: str) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds(kind):
        module = draw(kind, seed)
        theirs, ours = vendor_places(module, mode == "vendor-minimal"), our_places(module, mode)
        assert ours == theirs, f"{kind} network {seed}"
        seen["refused" if ours is None else "placed"] += 1
    print(f"{kind}, {mode}: {dict(seen)}")
    assert seen["placed"] >= LEAST_PLACED.get(kind, 0.3) * COUNT


def test_mesh_equals_the_sdk() -> None:
    theirs = akida.AKD1000().mesh
    found = {(np.ident.col, np.ident.row, np.ident.id): sorted(t.name.lower() for t in np.types) for np in theirs.nps}
    assert found == {p.place: sorted(p.kinds) for p in AKD1000.mesh}
    assert [(i.col, i.row, i.id) for i in (theirs.dma_event, theirs.dma_conf)] == [
        AKD1000.event_dma,
        AKD1000.config_dma,
    ]


def test_memory_figures_equal_the_sdk() -> None:
    """mem_info of every NP. The SDK reports the input map of a tile with the whole d0, cut or not."""
    compared: Counter[str] = Counter()
    for kind in ("one_conv", "large", "dense", "near_capacity"):
        for seed in range(COUNT // 5):
            module = draw(kind, seed)
            model = vendor.to_akida(module)
            try:
                vendor.map_on_akd1000(model)
            except RuntimeError:
                continue
            (sequence,) = vendor.placed_like(module, model).net.sequences
            theirs = [layer for group in model.sequences[0].passes for layer in group.layers]
            for layer, their in zip(layers_of(module, sequence, AKD1000), theirs, strict=True):
                for place, np in zip(layer.op.at, their.mapping.nps, strict=True):
                    info = np.mem_info
                    assert _memory(layer, place) == (info.input_size, info.weight_size, info.external_size), (
                        kind,
                        seed,
                    )
                    compared[place.kind] += 1
    print(dict(compared))
    assert compared["cnp1"] > 10 * COUNT and compared["fnp3"] > COUNT // 3 and compared["fnp2"] > COUNT // 10


def _memory(layer: LayerFacts, place: Location) -> tuple[int, int, int]:
    share = Share.of(place, layer)
    size = weight_bytes(layer, share.filters[1] - share.filters[0])
    if place.kind == "fnp2":
        return input_bytes(layer, share.d0, share.d1), 0, external_bytes(layer)
    return input_bytes(layer, (0, layer.size[0]), share.d1), size, 0
