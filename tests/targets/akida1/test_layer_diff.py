# SPDX-License-Identifier: Apache-2.0
"""The difference of two programs in words about layers."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from akc.ir.module import Module
from akc.ir.ops.akida import Layer
from akc.ir.weights import Weight
from akc.targets.akd1000 import TARGET
from tests.targets.akida1.chips import at, network, pinned
from tests.targets.akida1.programs import KINDS, placed, program

TWO = network((8, 8, 4), "u4", ("convolution", 16, 3, "i4"), ("dense", 4, "i4"))


def assembled(module: Module) -> bytes:
    return TARGET.assemble(TARGET.place(module, "vendor-minimal"))[0].bytes


def test_a_layer_that_moved_is_one_line() -> None:
    told = TARGET.explain(assembled(TWO), assembled(pinned(TWO, n1=[at("cnp1(5, 5, 3)")]))).splitlines()
    assert told == [
        "%layer1 (akida.convolutional): moved from cnp1(3, 1, 2) to cnp1(5, 5, 3)",
        "their registers differ accordingly; akc disasm shows them",
    ]


def test_a_split_layer_counts_its_processors() -> None:
    pins = [at("cnp1(1, 3, 1, filters=0:8)"), at("cnp1(1, 3, 2, filters=8:16)")]
    assert "moved from cnp1(3, 1, 2) to 2 NPs from cnp1(1, 3, 1) on" in TARGET.explain(
        assembled(TWO), assembled(pinned(TWO, n1=pins))
    )


def test_layers_that_are_others() -> None:
    told = TARGET.explain(assembled(TWO), assembled(network((8, 8, 4), "u4", ("separable", 16, 3, "i4"))))
    assert "%layer1: akida.convolutional became akida.separable_convolutional" in told
    assert "%layer2 (akida.fully_connected): only in the first program" in told


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_number_is_named_with_its_place_and_its_words(kind: str) -> None:
    module = placed(kind, 1)
    op = next(op for op in module.net.ops if isinstance(op, Layer) and op.threshold is not None)
    values = np.array(module.array(op.threshold or ""))
    values[-1] = 5 if values[-1] != 5 else 6
    changed = evolve(module, weights={**module.weights, op.threshold or "": Weight.of(values, "i32")})
    told = TARGET.explain(program(kind, 1).bytes, TARGET.assemble(changed)[0].bytes)
    assert f"1 of {len(values)} numbers of threshold differ, the first at [{len(values) - 1}]" in told
    assert len(told.splitlines()) > 1


def test_identical_programs() -> None:
    assert TARGET.explain(assembled(TWO), assembled(TWO)) == "the programs are identical"
