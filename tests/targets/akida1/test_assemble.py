# SPDX-License-Identifier: Apache-2.0
"""The assembler: byte map, one change one word, readiness. That bytes equal the vendor's is tests/conformance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.fields import Range
from akc.ir.module import Module
from akc.ir.ops.akida import Layer, Location
from akc.ir.weights import Weight
from akc.targets import SequenceProgram
from akc.targets.akd1000 import TARGET
from tests.conformance import random_networks
from tests.targets.akida1.programs import KINDS, placed, program


def _changed_bytes(a: SequenceProgram, b: SequenceProgram) -> Iterator[tuple[str, int]]:
    for part in ("info", "data"):
        old, new = getattr(a, part), getattr(b, part)
        assert len(old) == len(new)
        yield from ((part, i) for i in range(len(old)) if old[i] != new[i])


def _mapped(one: SequenceProgram, layer: str, what: str) -> set[tuple[str, int]]:
    return {
        (row.part, byte)
        for row in one.map
        if row.layer == layer and what in row.what
        for span in row.spans
        for byte in span
    }


def _with_first(module: Module, name: str) -> Module:
    """The module with the first number of a weight changed to another legal one."""
    weight = module.weights[name]
    values = np.array(weight.array)
    old = values.flat[0]
    narrow = weight.type.element.bits <= 8
    values.flat[0] = (0 if old else 1) if narrow else old + 1 if old < 60000 else old - 1
    return evolve(module, weights={**module.weights, name: Weight.of(values, weight.type.dtype)})


WORDS_OF_A_NUMBER = {"threshold": 1, "act_step": 1, "weights": 3}
"""Words that one number touches on one NP: a 4-bit weight has three bits of magnitude in planes of their own."""


@pytest.mark.parametrize("field", WORDS_OF_A_NUMBER)
@pytest.mark.parametrize("kind", KINDS)
def test_one_number_changes_only_its_mapped_bytes(kind: str, field: str) -> None:
    module = placed(kind, 1)
    before = TARGET.assemble(module)[0]
    for op in module.net.ops:
        if not isinstance(op, Layer) or getattr(op, field) is None:
            continue
        changed = set(_changed_bytes(before, TARGET.assemble(_with_first(module, getattr(op, field)))[0]))
        mapped = ["weights"] if field == "weights" else ["thresholds", "act_steps"]
        assert changed <= set().union(*(_mapped(before, op.name, what) for what in mapped))
        words = {(part, byte // 4) for part, byte in changed}
        assert len(words) <= len(op.at) * WORDS_OF_A_NUMBER[field] + (not op.activation)


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_names_every_layer_and_no_byte_twice(kind: str) -> None:
    module, one = placed(kind, 0), program(kind, 0)
    assert {row.layer for row in one.map} == {op.name for op in random_networks.layers(module)}
    seen: set[tuple[str, int]] = set()
    for row in one.map:
        bytes_of_row = {(row.part, byte) for span in row.spans for byte in span}
        assert len(bytes_of_row) == row.size and not bytes_of_row & seen
        assert max(byte for _, byte in bytes_of_row) < len(getattr(one, row.part))
        seen |= bytes_of_row
    assert len(seen) > 0.4 * len(one.data)


def test_the_map_of_a_dense_layer_has_no_row_for_each_unit() -> None:
    one = program("dense", 0)
    assert len(one.map) <= 4 * len({row.layer for row in one.map}) + 2


def test_the_engine_version_is_in_the_header_only() -> None:
    module = placed("dense", 0)
    usual, other = TARGET.assemble(module)[0], TARGET.assemble(module, "2.19.1")[0]
    assert b"2.19.1" in other.info and b"2.19.3" in usual.info
    assert usual.data == other.data


@pytest.mark.parametrize("version", ["2.17.0", "2.14.0", "2.19.4"])
def test_an_engine_whose_layout_is_not_known_is_refused(version: str) -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0605.*engine " + version) as caught:
        TARGET.assemble(placed("dense", 0), version)
    assert "take one of 2.18.2, 2.19.1, 2.19.2, 2.19.3" in str(caught.value)


def test_the_same_module_gives_the_same_bytes() -> None:
    assert program("mixed", 0).bytes == TARGET.assemble(placed("mixed", 0))[0].bytes


def _with_at(module: Module, at: tuple[Location, ...]) -> Module:
    return module.map_ops(lambda op: evolve(op, at=at) if isinstance(op, Layer) else op)


def _one_layer(kind: str) -> Module:
    return next(m for m in (placed(kind, n) for n in range(30)) if len(random_networks.layers(m)) == 1)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ((), "has no place"),
        ((Location("cnp1", 1, 3, 0),), "runs on fnp3 or fnp2, not on cnp1"),
        ((Location("fnp3", 9, 9, 0),), "the mesh has no fnp3 at 9, 9, 0"),
        ((Location("fnp2", 1, 3, 0),), "the mesh has no fnp2 at 1, 3, 0"),
        ((Location("fnp3", 1, 3, 0), Location("fnp3", 1, 4, 0)), "runs on one NP, 2 are given"),
    ],
)
def test_layers_that_are_not_placed_are_refused(at: tuple[Location, ...], message: str) -> None:
    with pytest.raises(DiagnosticError, match="AKC0613") as caught:
        TARGET.assemble(_with_at(_one_layer("dense"), at))
    assert message in str(caught.value)


def test_shares_that_do_not_cover_a_layer_are_refused() -> None:
    at = (Location("cnp1", 3, 1, 2, filters=Range(0, 1), d0=Range(0, 1), d1=Range(0, 1)),)
    module = next(m for m in (placed("conv", n) for n in range(30)) if random_networks.layers(m)[0].type.size > 1)
    with pytest.raises(DiagnosticError, match="do not cover the layer exactly"):
        TARGET.assemble(_with_at(module, at))


def test_a_network_without_sequences_is_refused() -> None:
    with pytest.raises(DiagnosticError, match="the network has no sequence"):
        TARGET.assemble(random_networks.network("dense", 1))


def test_all_faults_come_at_once() -> None:
    module = next(m for m in (placed("dense", n) for n in range(30)) if len(random_networks.layers(m)) > 2)
    with pytest.raises(DiagnosticError) as caught:
        TARGET.assemble(_with_at(module, ()))
    assert len(caught.value.diagnostics) == len(random_networks.layers(module))
