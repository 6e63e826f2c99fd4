# SPDX-License-Identifier: Apache-2.0
"""Placements of our own, proved by steering the SDK to them: it then writes the same programs, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import akida
import numpy as np
import pytest

from akc.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, Location
from akc.targets.akd1000 import TARGET
from akc.targets.akd1000.mesh import CNP_ORDER, FNP_ORDER
from tests.conformance import vendor
from tests.conformance.test_placement import COUNT, SEED, draw
from tests.targets.akd1000.chips import in_sequence, pinned

pytestmark = pytest.mark.conformance


class Steered(akida.MapConstraints):  # type: ignore[misc]
    """Makes the SDK give each layer the pieces and the NPs of a placed module."""

    def __init__(self, placed: Module) -> None:
        super().__init__(akida.AKD1000())
        self.places = {op.name: op.at for op in placed.net.ops if isinstance(op, Layer)}
        self.layer = ""

    def next_layer_handler(self, name: str) -> None:
        """Called in front of each layer."""
        self.layer = name
        sizes = [at.filters.stop - at.filters.start for at in self.places[name] if at.filters is not None]
        self.cnp_max_filters = min(504, max(sizes, default=504))

    def select_nps(self, source: Sequence[Any], count: int, kind: Any) -> list[Any]:
        """The NPs of the layer, in order."""
        free = {(np_.col, np_.row, np_.id): np_ for np_ in source}
        return [free[at.column, at.row, at.id] for at in self.places[self.layer]]


def assert_steered(module: Module, placed: Module, name: str) -> None:
    """The SDK, steered to this placement, writes the same programs."""
    model = vendor.to_akida(module)
    vendor.map_on_akd1000(model, minimal=True, constraints=Steered(placed))
    assert [(p.info, p.data) for p in TARGET.assemble(placed)] == vendor.programs(model), name


@pytest.mark.parametrize("kind", ["one_channel", "one_conv", "large", "picture", "mixed", "dense"])
def test_compact_placements(kind: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEED, SEED + COUNT // 2):
        module = draw(kind, seed)
        try:
            placed = TARGET.place(in_sequence(module), "compact")
        except DiagnosticError:
            seen["refused"] += 1
            with pytest.raises(DiagnosticError):
                TARGET.place(in_sequence(module), "vendor")
            continue
        assert_steered(module, placed, f"{kind} {seed}")
        try:
            vendor_nps = _nps(TARGET.place(in_sequence(module), "vendor"))
        except DiagnosticError:
            seen["new"] += 1
            continue
        seen["identical"] += 1
        seen["NPs, vendor"] += vendor_nps
        seen["NPs, compact"] += _nps(placed)
    print(f"{kind}: {dict(seen)}")
    assert seen["NPs, compact"] <= seen["NPs, vendor"] and seen["identical"] > COUNT // 8


def _nps(module: Module) -> int:
    return sum(place.kind != "hrc" for op in module.net.ops if isinstance(op, Layer) for place in op.at)


def test_one_channel_layers_that_minimal_refuses() -> None:
    proved = 0
    for seed in range(SEED, SEED + COUNT):
        module = draw("one_channel", seed)
        try:
            vendor.map_on_akd1000(vendor.to_akida(module), minimal=True)
        except RuntimeError:
            try:
                placed = TARGET.place(in_sequence(module), "compact")
            except DiagnosticError:
                continue
            assert_steered(module, placed, f"one_channel {seed}")
            proved += 1
    assert proved > COUNT // 10


@pytest.mark.parametrize("kind", ["mixed", "large", "dense"])
def test_random_pins(kind: str) -> None:
    """One layer is pinned to NPs drawn at random; the rest is completed in Minimal's way."""
    rng, proved = np.random.default_rng(SEED), 0
    for seed in range(SEED, SEED + COUNT // 2):
        module = draw(kind, seed)
        try:
            whole = TARGET.place(in_sequence(module), "vendor-minimal")
        except DiagnosticError:
            continue
        layers = [op for op in whole.net.ops if isinstance(op, Layer) and op.at[0].kind != "hrc"]
        if not layers:
            continue
        chosen = layers[int(rng.integers(len(layers)))]
        pins = _moved(chosen.at, rng)
        try:
            placed = TARGET.place(pinned(in_sequence(module), **{chosen.name: pins}), "vendor-minimal")
        except DiagnosticError:
            continue
        assert_steered(module, placed, f"{kind} {seed}")
        proved += 1
    print(f"{kind}: {proved} pinned networks identical")
    assert proved > COUNT // 8


def _moved(places: Sequence[Location], rng: np.random.Generator) -> list[Location]:
    """The same shares on other NPs of the same kind."""
    order = CNP_ORDER if places[0].kind == "cnp1" else FNP_ORDER[places[0].kind]
    chosen = rng.permutation(len(order))[: len(places)]
    return [
        Location(place.kind, *order[int(n)].place, filters=place.filters, d0=place.d0, d1=place.d1)
        for place, n in zip(places, chosen, strict=True)
    ]
