# SPDX-License-Identifier: Apache-2.0
"""Placements of our own, proved by steering the SDK to them: it then writes the same programs, byte for byte."""

from __future__ import annotations

from collections import Counter

import akida
import pytest

from akc.ir.module import Module
from akc.ir.ops.akida import Layer
from akc.targets.akd1000 import AKD1000, TARGET
from akc.targets.akida1.layers import layers_of
from akc.targets.akida1.np_memory import tile_bytes
from tests.conformance import comparison, vendor, ways
from tests.conformance.test_placement import COUNT, SEED
from tests.targets.akida1.chips import at, network, pinned

pytestmark = pytest.mark.conformance


@pytest.mark.parametrize("kind", ["one_channel", "one_conv", "large", "picture", "mixed", "dense"])
def test_compact_placements(kind: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEED, SEED + COUNT // 2):
        module = ways.draw(kind, seed)
        assert comparison.verdict("compact", kind, seed) in comparison.AGREED, f"{kind} {seed}"
        compact, usual = (ways.placed_or_none(module, mode) for mode in ("compact", "vendor"))
        assert compact is not None or usual is None, "what the SDK places is placed"
        if compact is not None and usual is not None:
            seen["networks"] += 1
            seen["NPs, vendor"] += _nps(usual)
            seen["NPs, compact"] += _nps(compact)
    print(f"{kind}: {dict(seen)}")
    assert seen["NPs, compact"] <= seen["NPs, vendor"] and seen["networks"] > COUNT // 8


def _nps(module: Module) -> int:
    return sum(place.kind != "hrc" for op in module.net.ops if isinstance(op, Layer) for place in op.at)


def test_one_channel_layers_that_minimal_refuses() -> None:
    proved = 0
    for seed in range(SEED, SEED + COUNT):
        module = ways.draw("one_channel", seed)
        if ways.placed_by("vendor-minimal")(module, seed).theirs is None:
            placed = ways.placed_or_none(module, "compact")
            if placed is not None:
                assert ways.assembled(placed) == ways.steer(module, placed), f"one_channel {seed}"
                proved += 1
    assert proved > COUNT // 10


@pytest.mark.parametrize("kind", ["mixed", "large", "dense", "picture", "near_capacity"])
def test_random_pins(kind: str) -> None:
    """Layers are cut anew, also into narrower tiles, on NPs drawn at random."""
    verdicts, odd = comparison.tally("pins", kind, SEED, COUNT // 2)
    assert not odd and verdicts[comparison.IDENTICAL] > COUNT // 8, (kind, odd, dict(verdicts))


TILED = network((24, 20, 4), "u4", ("convolution", 8, 3, "i4"), ("convolution", 4, 3, "i4"))


def test_more_tiles_keep_the_double_buffer() -> None:
    """By default one NP holds the whole map in a single buffer; two tiles fit twice."""
    module = network((28, 28, 64), "u4", ("convolution", 8, 3, "i4"))
    places = [at("cnp1(1, 3, 1, d0=0:14)"), at("cnp1(1, 3, 2, d0=14:28)")]
    model = vendor.to_akida(module)
    vendor.map_on_akd1000(model, minimal=True)
    (np_,) = vendor.hardware_sequences(model)[0].passes[0].layers[0].mapping.nps
    assert np_.single_buffer
    placed = TARGET.place(pinned(module, n1=places), "vendor-minimal")
    assert ways.assembled(placed) == ways.steer(module, placed)


def test_each_layer_may_have_its_own_limit() -> None:
    """One piece in the first layer and four in the second: no limit for all layers gives that."""
    pins = [at(f"cnp1(2, 3, {n}, filters={n - 1}:{n})") for n in (1, 2, 3)] + [at("cnp1(2, 4, 1, filters=3:4)")]
    placed = TARGET.place(pinned(TILED, n2=pins), "vendor-minimal")
    assert ways.assembled(placed) == ways.steer(TILED, placed)


@pytest.mark.parametrize("number", [0, 2])
def test_the_sdk_cannot_be_asked_to_split_a_dense_layer(number: int) -> None:
    """It asks `select_nps` for one FNP, also for a layer that no FNP3 holds, and takes neither none nor two."""
    asked: list[int] = []

    class Split(akida.MapConstraints):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(akida.AKD1000())

        def next_layer_handler(self, name: str) -> None:
            self.cnp_max_filters = 8

        def select_nps(self, source: list[object], count: int, kind: object) -> list[object]:
            asked.append(count)
            return source[:number]

    for units in (40, 800):
        model = vendor.to_akida(network((1, 1, 800), "u4", ("dense", units, "i4")))
        with pytest.raises(RuntimeError, match="1 is needed but"):
            vendor.map_on_akd1000(model, minimal=True, constraints=Split())
    assert asked == [1, 1]


def test_a_halo_beyond_the_map_counts_in_the_memory() -> None:
    """Rows 3 to 5 of 8 under a 7x7 kernel: three before them and three behind, of which two exist."""
    module = network((4, 8, 8), "u4", ("convolution", 8, 7, "i4"))
    model = vendor.to_akida(module)
    places = [at(f"cnp1(1, 3, {n + 1}, d1={a}:{b})") for n, (a, b) in enumerate(((0, 3), (3, 6), (6, 8)))]
    vendor.map_on_akd1000(model, minimal=True, constraints=ways.Steered(pinned(module, n1=places)))
    found = [np_.mem_info.input_size for np_ in vendor.hardware_sequences(model)[0].passes[0].layers[-1].mapping.nps]
    (layer,) = layers_of(module, module.net.sequences[0], AKD1000)
    assert found == [tile_bytes(layer, (0, 4), rows) for rows in ((0, 3), (3, 6), (6, 8))]
