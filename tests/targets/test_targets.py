# SPDX-License-Identifier: Apache-2.0
"""The table of targets, and what each of them must answer."""

from __future__ import annotations

import pytest

from akc.base.diagnostics import DiagnosticError
from akc.targets import load_target, target_names, target_of
from tests.targets.akida1.chips import network
from tests.targets.akida1.programs import program

ONE = network((1, 1, 4), "u4", ("dense", 4, "i4"))


def test_a_target_that_is_none() -> None:
    with pytest.raises(DiagnosticError, match=r"AKC0912.*target 'akd2000' is not known") as caught:
        load_target("akd2000")
    assert "did you mean akd1000" in str(caught.value)


@pytest.mark.parametrize("name", target_names())
def test_ways_that_a_target_does_not_have(name: str) -> None:
    target = load_target(name)
    assert target.name == name
    with pytest.raises(DiagnosticError, match=r"AKC0912.*place 'fast' is not known") as caught:
        target.place(ONE, "fast")
    assert f"take one of: {', '.join(target.modes)}" in str(caught.value)
    with pytest.raises(DiagnosticError, match=r"AKC0912.*cut 'half' is not known"):
        target.partition(ONE, "half")


@pytest.mark.parametrize("name", target_names())
def test_usual_ways_are_the_first(name: str) -> None:
    target = load_target(name)
    assert (next(iter(target.modes)), next(iter(target.cuts))) == ("vendor", "crossings")
    assert target.engine_version in target.engine_versions
    assert all(mode in target.modes and target.legal(ONE, mode) for mode in target.modes)


def test_a_program_finds_its_target() -> None:
    assert target_of(program("dense", 0).bytes).name == "akd1000"
    assert target_of(b"damaged").name == "akd1000", "which then says what is wrong"
