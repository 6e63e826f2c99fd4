# SPDX-License-Identifier: Apache-2.0
"""Programs of the AKD1500, of one pass and of several, without the vendor's SDK; tests/conformance compares bytes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import akc
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets import target_of
from akc.targets.akd1500 import AKD1500, TARGET
from akc.targets.akida1.placing.placement import pass_starts
from akc.targets.akida1.program.container import DENSE, read
from tests.conformance import random_networks
from tests.targets.akida1.chips import at, network, pinned

KINDS = ("dense", "conv", "separable", "mixed", "image", "learning")
CHAIN = network((1, 1, 4), "u4", *[("dense", 8, "i4")] * 20)
"""Three passes: seven FNP3 and one FNP2 take part in the first, seven FNP3 in each of the others."""


@cache
def placed(kind: str, seed: int) -> Module | None:
    """A network of a class, placed; None where the chip does not take it."""
    try:
        return TARGET.place(random_networks.in_one_sequence(random_networks.network(kind, seed)))
    except DiagnosticError:
        return None


def passes(module: Module) -> tuple[int, ...]:
    """The layers with which passes begin."""
    return pass_starts([op.at for op in module.net.ops])  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_is_read_back(kind: str) -> None:
    modules = [m for m in (placed(kind, seed) for seed in range(12)) if m is not None]
    assert len(modules) >= 6
    for module in modules:
        (one,) = TARGET.assemble(module)
        assert target_of(one.bytes) is TARGET
        (again,) = TARGET.assemble(TARGET.recover(one.bytes))
        assert again.bytes == one.bytes
        text = TARGET.disassemble(one.bytes)
        assert text.startswith("AKD1500 program, ")
        assert "unnamed bits" not in text and "not decoded" not in text and "no known kind" not in text


def test_layers_that_find_no_room_start_the_next_pass() -> None:
    module = TARGET.place(CHAIN)
    assert passes(module) == (0, 8, 15)
    (one,) = TARGET.assemble(module)
    container = read(one.bytes)
    assert [len(records) for records in container.passes] == [10, 8, 5]
    assert all(not records[-1].tracks for records in container.passes[:-1]), "no NP needs preparing"
    assert TARGET.recover(one.bytes).net.ops is not None
    text = TARGET.disassemble(one.bytes)
    assert "pass 1, record 10: layer 1, fully connected" in text and "later_pass = 1" in text
    assert "pass 0, record 9: NPs that the next pass starts on" in text


def test_the_first_layer_of_a_pass_does_not_stand_where_the_one_before_works() -> None:
    ops = [op.at[0] for op in TARGET.place(CHAIN).net.ops]  # type: ignore[attr-defined]
    for start in passes(TARGET.place(CHAIN))[1:]:
        assert (ops[start].column, ops[start].row, ops[start].id) != (
            ops[start - 1].column,
            ops[start - 1].row,
            ops[start - 1].id,
        )


def test_an_fnp2_computes_one_dense_layer_a_program() -> None:
    large = network((1, 1, 600), "u4", ("dense", 600, "i4"), ("dense", 600, "i4"))
    with pytest.raises(DiagnosticError, match=r"AKC0521.*an FNP2 for 283,200 bytes"):
        TARGET.place(large)
    assert len(TARGET.partition(large).net.sequences) == 2


def test_pins_choose_the_passes() -> None:
    two = network(
        (8, 8, 4), "u4", ("convolution", 4, 3, "i4"), ("convolution", 4, 3, "i4"), ("convolution", 4, 1, "i4")
    )
    same = pinned(two, n1=[at("cnp1(1, 2, 1)")], n2=[at("cnp1(1, 2, 2)")], n3=[at("cnp1(1, 2, 1)")])
    module = TARGET.place(same)
    assert passes(module) == (0, 2)
    (one,) = TARGET.assemble(module)
    (again,) = TARGET.assemble(TARGET.recover(one.bytes))
    assert again.bytes == one.bytes


@pytest.mark.parametrize(
    ("units", "activation", "dense"),
    [(10, True, True), (10, False, True), (2047, True, True), (2048, True, False)],
)
def test_dense_outputs_of_dense_layers(units: int, activation: bool, dense: bool) -> None:
    module = network((1, 1, 4), "u4", ("dense", units, "i4", {"activation": activation}))
    header = read(TARGET.assemble(TARGET.place(module))[0].bytes).header
    assert header.input_type == DENSE and (header.output_type == DENSE) == dense


def test_potentials_of_a_convolution_come_out_as_events() -> None:
    module = network((4, 4, 4), "u4", ("convolution", 4, 1, "i4", {"activation": False}))
    assert read(TARGET.assemble(TARGET.place(module))[0].bytes).header.output_type == 2


def test_limits_of_its_own() -> None:
    pool = {"pool": "max", "pool_size": (3, 3), "pool_stride": (2, 2)}
    follower = ("convolution", 4, 1, "i4")
    assert not TARGET.check(network((9, 9, 4), "u4", ("convolution", 4, 3, "i4", pool), follower))
    wide = {**pool, "pool_size": (4, 4)}
    (fault,) = TARGET.check(network((9, 9, 4), "u4", ("convolution", 4, 3, "i4", wide), follower))
    assert "the chip takes max of 2x2 with stride 1x1 or 2x2 and max of 3x3 with stride" in fault.message
    (fault,) = TARGET.check(network((4, 1024, 1), "u1", ("convolution", 1024, 1, "u1")))
    assert fault.message.endswith("is 1,048,576; the chip takes less than 1,048,576")
    (fault,) = TARGET.check(network((1, 1, 81921), "u4", ("dense", 1, "u1")))
    assert "81,921; the chip takes up to 81,920" in fault.message
    assert AKD1500.filters == 512 and TARGET.numbers.pools == (1, 2, 3)


def test_too_many_tracks_of_all_passes() -> None:
    many = network((1, 1, 4), "u4", *[("dense", 4, "i4")] * 240)
    with pytest.raises(DiagnosticError, match=r"AKC0612.*passes of up to \d+ tracks, together 254 are available"):
        TARGET.assemble(TARGET.place(many))


def test_a_pool_of_three_starts_in_front_of_the_map() -> None:
    pool = {"pool": "max", "pool_size": (3, 3), "pool_stride": (3, 3)}
    module = network((64, 10, 4), "u4", ("convolution", 4, 3, "i4", pool), ("convolution", 4, 1, "i4"))
    first = next(iter(TARGET.place(module, "vendor-minimal").net.ops))
    assert [str(place.d0) for place in first.at] == ["0:23", "23:47", "47:64"]  # type: ignore[attr-defined]
    assert np.prod(first.type.shape[:2]) == 22 * 4


def test_a_program_of_several_passes_is_built_and_what_was_not_checked_is_said() -> None:
    built = akc.build(CHAIN, target="akd1500", context=akc.Context())
    assert built.checked.endswith("program of @s0 not run: the program has 3 passes; akc's driver takes one")
