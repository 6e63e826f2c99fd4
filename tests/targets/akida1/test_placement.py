# SPDX-License-Identifier: Apache-2.0
"""Placement: shares cover every layer exactly once, each NP is used once, pins are kept, faults are named."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from akc.base.diagnostics import DiagnosticError
from akc.ir.levels import level_of
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, Location
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.targets.akd1000 import AKD1000, TARGET
from akc.targets.akida1.layers import layers_of
from akc.targets.akida1.placing.compact import largest_load
from akc.targets.akida1.placing.placement import Room, odd_share, place_all_nps, place_layer
from akc.targets.akida1.placing.placers import PLACERS
from akc.targets.akida1.shares import Share
from tests.conformance.placement_networks import shaped_network
from tests.targets.akida1.chips import at, from_text, in_sequence, network, pinned

MODES = tuple(PLACERS)


def places(module: Module) -> dict[str, list[str]]:
    return {op.name: [str(place) for place in op.at] for op in module.net.ops if isinstance(op, Layer)}


def codes(module: Module, mode: str = "vendor") -> list[str]:
    with pytest.raises(DiagnosticError) as fault:
        TARGET.place(module, mode)
    return [d.code for d in fault.value.diagnostics]


def test_the_mesh_has_78_processors() -> None:
    assert len(AKD1000.mesh) == len(AKD1000.cnps) == len(AKD1000.by_place) == 78
    assert (len(AKD1000.fnps("fnp3")), len(AKD1000.fnps("fnp2"))) == (18, 4)


def test_dense_layers_take_one_processor_each() -> None:
    module = network((1, 1, 784), "u4", ("dense", 256, "i4"), ("dense", 64, "i4"), ("dense", 10, "i4"))
    assert places(TARGET.place(module)) == {
        "n1": ["fnp2(4, 1, 0, filters=0:256)"],
        "n2": ["fnp3(1, 3, 0, filters=0:64)"],
        "n3": ["fnp3(1, 4, 0, filters=0:10)"],
    }


def test_filters_are_always_written_and_other_ranges_where_an_axis_is_cut() -> None:
    module = network((40, 8, 1), "u8", ("image", 3, 3), ("convolution", 2, 3, "i4"))
    assert places(TARGET.place(module, "vendor-minimal")) == {
        "n1": ["hrc()"],
        "n2": ["cnp1(3, 1, 2, filters=0:2, d0=0:20)", "cnp1(3, 1, 3, filters=0:2, d0=20:40)"],
    }


def test_a_placed_module_is_placed_and_survives_its_text() -> None:
    module = TARGET.place(network((40, 8, 4), "u4", ("convolution", 20, 3, "i4"), ("dense", 4, "i4")))
    assert level_of(module) == "placed"
    assert print_module(parse(print_module(module))) == print_module(module)
    assert TARGET.place(module) is module


def kinds(seed: int) -> Module:
    return in_sequence(shaped_network(("one_conv", "one_channel", "large", "picture", "edge")[seed % 5], seed))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(MODES))
def test_shares_cover_each_layer_once_and_processors_are_used_once(seed: int, mode: str) -> None:
    module = kinds(seed)
    try:
        placed = TARGET.place(module, mode)
    except DiagnosticError:
        return
    used: list[tuple[int, int, int]] = []
    for layer in layers_of(placed, placed.net.sequences[0], AKD1000):
        used += [(p.column, p.row, p.id) for p in layer.op.at if p.kind != "hrc"]
        shares = [Share.of(place, layer) for place in layer.op.at]
        assert sum(s.size for s in shares) == layer.filters * layer.size[0] * layer.size[1]
        assert not any(a.overlaps(b) for a, b in combinations(shares, 2))
        assert all(p.kind in AKD1000.by_place[p.column, p.row, p.id].kinds for p in layer.op.at if p.kind != "hrc")
    assert len(set(used)) == len(used)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_compact_uses_no_more_processors_and_no_larger_load(seed: int) -> None:
    module = kinds(seed)
    layers = layers_of(module, module.net.sequences[0], AKD1000)
    try:
        vendor = TARGET.place(module, "vendor")
    except DiagnosticError:
        return
    compact = TARGET.place(module, "compact")
    assert sum(map(len, places(compact).values())) <= sum(map(len, places(vendor).values()))
    loads = [largest_load(layers, [op.at for op in m.net.ops]) for m in (vendor, compact)]  # type: ignore[attr-defined]
    assert loads[1] <= loads[0] == largest_load(layers, place_all_nps(layers))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 78), st.integers(0, 22), st.integers(0, 4), st.randoms())
def test_dense_layers_find_their_fnps_whenever_there_are_enough_processors(
    convs: int, small: int, large: int, order: Random
) -> None:
    """The greedy order starves no dense layer, wherever the convolutions stand; large ones need an FNP2."""
    assume(convs + small + large <= len(AKD1000.mesh) and small + large <= 22)
    layer = {kind: layers_of(m, m.net.sequences[0], AKD1000)[0] for kind, m in STARVING.items()}
    wanted = ["conv"] * convs + ["small"] * small + ["large"] * large
    order.shuffle(wanted)
    room = Room(AKD1000)
    for kind in wanted:
        place_layer(layer[kind], AKD1000.filters, room)
    assert len(room.used) == len(wanted)


STARVING = {
    "conv": network((4, 4, 4), "u4", ("convolution", 4, 3, "i4")),
    "small": network((1, 1, 4), "u4", ("dense", 4, "i4")),
    "large": network((1, 1, 800), "u4", ("dense", 800, "i4")),
}


def test_compact_cuts_one_channel_layers_evenly() -> None:
    module = network((8, 8, 1), "u4", ("convolution", 24, 3, "i4"))
    assert codes(module, "vendor-minimal") == ["AKC0515"]
    placed = TARGET.place(module, "compact")
    (layer,) = layers_of(placed, placed.net.sequences[0], AKD1000)
    assert odd_share(layer, [Share.of(place, layer) for place in layer.op.at]) is None
    assert len(layer.op.at) == 2


# -- no room ------------------------------------------------------------------------------------------


def test_the_23rd_dense_layer_finds_no_place() -> None:
    layers = [("dense", 4, "i4")] * 23
    assert codes(network((1, 1, 4), "u4", *layers)) == ["AKC0521"]
    TARGET.place(network((1, 1, 4), "u4", *layers[:22]))


def test_a_fifth_large_dense_layer_finds_no_place() -> None:
    with pytest.raises(DiagnosticError) as fault:
        TARGET.place(network((1, 1, 1000), "u4", *[("dense", 1000, "i4")] * 5))
    (diagnostic,) = fault.value.diagnostics
    assert diagnostic.code == "AKC0521" and diagnostic.origin == ("node_n5",)
    assert diagnostic.label == "an FNP2 for 784,000 bytes of weights where none is free"


def test_too_many_filters_for_the_mesh() -> None:
    assert codes(network((4, 4, 100), "u4", ("convolution", 2000, 7, "i4"))) == ["AKC0520"]


def test_limits_and_room_of_all_sequences_at_once() -> None:
    module = network((8, 8, 4), "u4", ("convolution", 4, 9, "i4"), ("dense", 4, "i8"))
    assert codes(module) == ["AKC0501", "AKC0504"]


def test_an_unknown_way_of_placing() -> None:
    assert codes(network((1, 1, 4), "u4", ("dense", 4, "i4")), "best") == ["AKC0912"]


# -- pins ---------------------------------------------------------------------------------------------

TWO = network((8, 8, 4), "u4", ("convolution", 64, 3, "i4"), ("dense", 4, "i4"))


def test_a_whole_pin_is_kept_and_others_keep_off_it() -> None:
    module = pinned(TWO, n1=[at("cnp1(1, 3, 0)")])
    assert places(TARGET.place(module)) == {
        "n1": ["cnp1(1, 3, 0, filters=0:64)"],
        "n2": ["fnp3(1, 4, 0, filters=0:4)"],
    }


def test_a_partial_pin_is_completed() -> None:
    module = pinned(TWO, n1=[at("cnp1(5, 5, 3, filters=32:64)")])
    assert places(TARGET.place(module, "vendor-minimal"))["n1"] == [
        "cnp1(3, 1, 2, filters=0:32)",
        "cnp1(5, 5, 3, filters=32:64)",
    ]


def test_a_pinned_corner_leaves_boxes_that_are_filled() -> None:
    module = pinned(TWO, n1=[at("cnp1(5, 5, 3, filters=0:8, d0=0:4, d1=2:6)")])
    placed = TARGET.place(module, "vendor-minimal")
    layer = layers_of(placed, placed.net.sequences[0], AKD1000)[0]
    shares = [Share.of(place, layer) for place in layer.op.at]
    assert sum(s.size for s in shares) == 64 * 8 * 8 and len(shares) > 1
    assert "cnp1(5, 5, 3, filters=0:8, d0=0:4, d1=2:6)" in places(placed)["n1"]


def test_a_dense_pin_is_completed_with_its_units() -> None:
    module = pinned(TWO, n2=[at("fnp2(4, 1, 3)")])
    assert places(TARGET.place(module))["n2"] == ["fnp2(4, 1, 3, filters=0:4)"]


BAD_PINS: list[tuple[str, str, dict[str, list[Location]]]] = [
    ("AKC0522", "cnp1(1, 1, 0) is not in the mesh", {"n1": [at("cnp1(1, 1, 0)")]}),
    ("AKC0522", "cnp1(3, 1, 0) is not in the mesh", {"n1": [at("cnp1(3, 1, 0)")]}),
    ("AKC0523", "the NP (1, 3, 1) is no fnp3", {"n2": [at("fnp3(1, 3, 1)")]}),
    ("AKC0523", "cnp1(1, 3, 1) cannot compute a fully connected layer", {"n2": [at("cnp1(1, 3, 1)")]}),
    ("AKC0523", "hrc() cannot compute a convolution", {"n1": [at("hrc()")]}),
    ("AKC0524", "the NP (1, 3, 0) is used twice", {"n1": [at("cnp1(1, 3, 0)")], "n2": [at("fnp3(1, 3, 0)")]}),
    ("AKC0525", "overlap", {"n1": [at("cnp1(1, 3, 0, filters=0:33)"), at("cnp1(1, 3, 1, filters=32:64)")]}),
    ("AKC0525", "reaches outside", {"n1": [at("cnp1(1, 3, 0, filters=0:65)")]}),
    ("AKC0525", "reaches outside", {"n1": [at("cnp1(1, 3, 0, d1=4:4)")]}),
    ("AKC0526", "a dense layer stands on one NP as a whole", {"n2": [at("fnp3(1, 3, 0, filters=0:2)")]}),
]


@pytest.mark.parametrize(("code", "words", "pins"), BAD_PINS, ids=[f"{c}-{w}" for c, w, _ in BAD_PINS])
def test_bad_pins(code: str, words: str, pins: dict[str, list[Location]]) -> None:
    module = from_text(pinned(TWO, **pins))
    with pytest.raises(DiagnosticError) as fault:
        TARGET.place(module)
    (diagnostic,) = fault.value.diagnostics
    assert diagnostic.code == code and words in diagnostic.message
    assert diagnostic.span is not None and diagnostic.origin


UNFIT_PINS = [
    ("bytes of weights, an NP holds 44,800", ((4, 4, 100), "u4", ("convolution", 200, 7, "i4")), "cnp1(1, 3, 1)"),
    ("a tile is at most 32 on d0", ((40, 8, 4), "u4", ("convolution", 4, 3, "i4")), "cnp1(1, 3, 1)"),
    ("bytes of input map, an NP holds", ((32, 64, 64), "u4", ("convolution", 4, 3, "i4")), "cnp1(1, 3, 1)"),
    ("its halo of 3 would reach", ((16, 8, 4), "u4", ("convolution", 4, 7, "i4")), "cnp1(1, 3, 1, d0=2:16)"),
    ("bytes of weights, an FNP3 holds 43,008", ((1, 1, 900), "u4", ("dense", 900, "i4")), "fnp3(1, 3, 0)"),
    ("d0=0:1 is shorter than the stride",
     ((16, 8, 4), "u4", ("convolution", 4, 3, "i4", {"stride": (2, 2)})), "cnp1(1, 3, 1, d0=0:1)"),
    ("needs the map as placing cuts it", ((16, 8, 4), "u4", ("convolution", 4, 3, "i4", {"pool": "average"})),
     "cnp1(1, 3, 1, d0=0:8)"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "layers", "pin"), UNFIT_PINS, ids=[w for w, _, _ in UNFIT_PINS])
def test_pins_that_no_processor_can_compute(words: str, layers: tuple[object, ...], pin: str) -> None:
    module = pinned(network(*layers), n1=[at(pin)])  # type: ignore[arg-type]
    with pytest.raises(DiagnosticError, match=words):
        TARGET.place(module)


def test_a_pin_that_cuts_a_pooling_window() -> None:
    pool = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}
    module = network((16, 8, 4), "u4", ("convolution", 4, 3, "i4", pool), ("convolution", 4, 1, "i4"))
    with pytest.raises(DiagnosticError, match="cuts a pooling window"):
        TARGET.place(pinned(module, n1=[at("cnp1(1, 3, 1, d0=0:7)")]))
    TARGET.place(pinned(module, n1=[at("cnp1(1, 3, 1, d0=0:8)")]))
