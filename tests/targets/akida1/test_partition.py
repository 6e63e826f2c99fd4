# SPDX-License-Identifier: Apache-2.0
"""Cuts between host and chip: what moves, what stays, and how the text says so."""

from __future__ import annotations

import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.levels import level_of
from akc.ir.module import Module, Sequence
from akc.ir.ops.akida import on_host
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.targets.akd1000 import TARGET
from tests.targets.akida1.chips import at, network, pinned

POOL = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)}
DENSE = ("dense", 4, "i4")


def cut(module: Module) -> list[tuple[str, tuple[str, ...]]]:
    return [("host" if on_host(s) else "chip", tuple(op.name for op in s.ops)) for s in module.net.sequences]


def test_a_chain_longer_than_the_chip() -> None:
    module = network((1, 1, 4), "u4", *[DENSE] * 50)
    for way in ("crossings", "vendor"):
        assert [(kind, len(names)) for kind, names in cut(TARGET.partition(module, way))] == [
            ("chip", 22), ("chip", 22), ("chip", 6),
        ]  # fmt: skip


def test_a_network_that_fits_stays_in_one_piece() -> None:
    module = network((8, 8, 4), "u4", ("convolution", 4, 3, "i4"), DENSE)
    assert TARGET.partition(module) == TARGET.place(module)


def test_fewest_crossings_cuts_at_the_smallest_value() -> None:
    """Two halves either way; the value between them should be the one with 1 unit, not with 4."""
    layers = [DENSE] * 10 + [("dense", 1, "i4")] + [DENSE] * 15
    pieces = cut(TARGET.partition(network((1, 1, 4), "u4", *layers)))
    assert [len(names) for _, names in pieces] == [11, 15]
    assert [len(names) for _, names in cut(TARGET.partition(network((1, 1, 4), "u4", *layers), "vendor"))] == [22, 4]


def test_a_max_pool_goes_to_the_host_with_the_layer_behind_it() -> None:
    module = network((8, 8, 4), "u4", ("convolution", 4, 3, "i4", POOL), DENSE, DENSE)
    assert cut(TARGET.partition(module)) == [("host", ("n1",)), ("chip", ("n2", "n3"))]


def test_sequences_that_feed_each_other_are_cut_as_one_chain() -> None:
    module = network((1, 1, 4), "u4", DENSE, ("dense", 4, "i8"), DENSE)
    ops = next(iter(module.net.sequences)).ops
    apart = module.with_statements([Sequence(name=f"q{i}", ops=(op,)) for i, op in enumerate(ops)])
    assert cut(TARGET.partition(apart)) == [("chip", ("n1",)), ("host", ("n2",)), ("chip", ("n3",))]
    assert [s.name for s in TARGET.partition(apart).net.sequences] == ["q0", "q1", "q2"]


def test_a_result_that_is_returned_ends_its_chain() -> None:
    module = network((1, 1, 4), "u4", DENSE, DENSE)
    first, second = next(iter(module.net.sequences)).ops
    net = evolve(module.net, outputs=("n1", "n2"), output_types=(first.type, second.type))
    apart = evolve(module, net=net).with_statements(
        [Sequence(name="a", ops=(first,)), Sequence(name="b", ops=(second,))]
    )
    assert cut(TARGET.partition(apart)) == [("chip", ("n1",)), ("chip", ("n2",))]


def test_the_cut_is_text_at_level_placed() -> None:
    placed = TARGET.partition(network((8, 8, 4), "u4", ("convolution", 4, 9, "i4"), DENSE))
    assert level_of(placed) == "placed"
    assert "at=[host()]" in print_module(placed)
    assert parse(print_module(placed)) == placed
    assert TARGET.place(placed) is placed
    assert len(TARGET.assemble(placed)) == 1


def test_pins_are_kept() -> None:
    module = network((1, 1, 4), "u4", *[DENSE] * 30)
    placed = TARGET.partition(pinned(module, n3=[at("fnp2(4, 1, 2)")]))
    assert next(str(op.at[0]) for op in placed.net.ops if op.name == "n3") == "fnp2(4, 1, 2, filters=0:4)"  # type: ignore[attr-defined]
    with pytest.raises(DiagnosticError, match="is no fnp2"):
        TARGET.partition(pinned(module, n3=[at("fnp2(1, 3, 0)")]))


def test_place_cuts_only_where_the_host_may_help() -> None:
    module = network((1, 1, 4), "u4", DENSE, ("dense", 4, "i8"))
    with pytest.raises(DiagnosticError, match="AKC0504"):
        run_pipeline(module, "place", Context())
    context = Context()
    context.host = "allow"
    placed = run_pipeline(module, "place", context)
    assert cut(placed) == [("chip", ("n1",)), ("host", ("n2",))]
    assert [d.code for d in context.warnings] == ["AKC0528"]


def test_pins_to_the_host_need_permission_and_whole_sequences() -> None:
    module = network((1, 1, 4), "u4", DENSE, DENSE)
    whole = pinned(module, n1=[at("host()")], n2=[at("host()")])
    assert TARGET.place(whole) is whole
    with pytest.raises(DiagnosticError) as fault:
        run_pipeline(whole, "place", Context())
    assert [d.code for d in fault.value.diagnostics] == ["AKC0529", "AKC0529"]
    with pytest.raises(DiagnosticError, match="%n2 stands in a sequence of the host"):
        TARGET.place(pinned(module, n1=[at("host()")]))


def test_the_pieces_are_placed_in_the_way_that_is_asked_for() -> None:
    module = network((8, 8, 4), "u4", ("convolution", 16, 3, "i4"), ("convolution", 4, 9, "i4"), DENSE)
    counts = {mode: len(next(TARGET.partition(module, mode=mode).net.ops).at) for mode in ("vendor", "compact")}  # type: ignore[attr-defined]
    assert counts == {"vendor": 16, "compact": 2}
