# SPDX-License-Identifier: Apache-2.0
"""Fields of files: what each rule takes, and how a fault is told; the budget for memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attrs import frozen

from akc.base import budget
from akc.base.checked import Faults, Flag, Numbers, Real, Record, Rule, Whole, Wholes, Word, checked, record, taken
from akc.base.diagnostics import DiagnosticError

GOOD: list[tuple[Rule, Any, Any]] = [
    (Whole(0, 9), 3, 3), (Whole(0, 9), np.array([3.0]), 3), (Whole(0, 9), [3], 3),
    (Real(), 2, 2.0), (Real(infinite=True), np.inf, np.inf), (Real(0, above=True), np.float32(0.5), 0.5),
    (Flag(), np.True_, True), (Flag(), 0, False),
    (Word(("a", "b")), b"a", "a"), (Word(), np.array([b"dense"]), "dense"),
    (Wholes((1, 2)), 3, (3,)), (Wholes((1, 2)), np.array([3, 4]), (3, 4)),
]  # fmt: skip

BAD: list[tuple[Rule, Any]] = [
    *((Whole(0, 9), value) for value in (10, -1, 2.5, np.nan, np.inf, "3", True, None, [1, 2], {})),
    *((Real(), value) for value in (np.inf, np.nan, "x", 3.3e38, [], {"a": 1})),
    (Real(0, above=True), 0.0),
    *((Flag(), value) for value in (2, "yes", np.nan, [0, 1])),
    *((Word(("a", "b")), value) for value in ("c", b"\xff", 3, None, np.array([b"a", b"b"]))),
    *((Wholes((1, 2)), value) for value in ([1, 2, 3], [-1], [1.5], "12", [[1], [2]], None)),
    *((Numbers(axes=(2,)), value) for value in (np.zeros(3), np.zeros((0, 2)), np.full((1, 1), np.nan), "x", None)),
    (Numbers(), np.array([1 + 2j])),
    (Numbers(low=0, above=True), np.zeros(2)),
    (Numbers(), np.full(2, 3.3e38)),
]


@pytest.mark.parametrize(("rule", "value", "wanted"), GOOD)
def test_values_that_fit_become_plain(rule: Rule, value: Any, wanted: Any) -> None:
    found = rule.read(value)
    assert found == wanted and type(found) is type(wanted)


@pytest.mark.parametrize(("rule", "value"), BAD)
def test_values_that_do_not_fit_are_faults_with_their_path(rule: Rule, value: Any) -> None:
    faults = Faults("n.net")
    assert taken(rule, value, "layer/3/neuron/vDecay", faults) is None
    (fault,) = faults.found
    assert fault.code == "AKC0955" and fault.message.startswith("n.net: layer/3/neuron/vDecay is ")
    assert str(rule) in fault.help[0] and len(fault.message) < 300


@pytest.mark.parametrize("rule", [Whole(0, 9), Real()])
def test_numbers_of_thousands_of_digits_are_told_in_short(rule: Rule) -> None:
    faults = Faults("n.toml")
    assert taken(rule, 1 << 20_000, "layer/0/stride", faults) is None
    assert faults.found[0].message == "n.toml: layer/0/stride is a number of 20001 bits"


@frozen(kw_only=True)
class Inner:
    """Two fields."""

    decay: int = checked(Whole(0, 4096), key="vDecay")
    kind: str = checked(Word(("A", "B")), "A")


@frozen(kw_only=True)
class Outer:
    """A record in a record."""

    inner: Inner = checked(Record(Inner))
    weight: Any = checked(Numbers(axes=(2,)))
    made: bool = False


def test_records_are_made_of_what_is_there_and_all_faults_are_told_at_once() -> None:
    faults = Faults("n.net")
    found = record(Outer, {"inner": {"vDecay": 3, "more": 1}, "weight": np.ones((1, 2))}, "", faults)
    assert found is not None and found.inner == Inner(decay=3) and not faults.found
    faults.stop()
    assert record(Outer, {"inner": {"vDecay": 5000, "kind": "C"}}, "layer/0", faults) is None
    with pytest.raises(DiagnosticError) as caught:
        faults.stop()
    messages = [d.message for d in caught.value.diagnostics]
    assert messages == [
        "n.net: layer/0/inner/vDecay is 5000",
        "n.net: layer/0/inner/kind is 'C'",
        "n.net: layer/0/weight is missing",
    ]


def test_the_budget_is_a_gibibyte_or_eight_times_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AKC_MEMORY", raising=False)
    with budget.account():
        assert budget.limit() == 1 << 30
        budget.was_read(1 << 28)
        assert budget.limit() == 1 << 31
        budget.promise(1 << 30, "one")
        assert not budget.fits((1 << 30) + 1)
        with pytest.raises(DiagnosticError, match=r"AKC0956.*another takes 1.5 GiB, the budget is 2 GiB"):
            budget.promise(3 << 29, "another")
    assert budget.limit() == 1 << 30


def test_the_budget_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKC_MEMORY", "1M")
    with pytest.raises(DiagnosticError, match="AKC0956") as caught:
        budget.promise(2 << 20, "it")
    value = caught.value.diagnostics[0].help[0].rpartition("AKC_MEMORY=")[2]
    monkeypatch.setenv("AKC_MEMORY", value)
    budget.promise(2 << 20, "it")
    for given in ("lots", "-1", "0", "1.5G", "9" * 5000):
        monkeypatch.setenv("AKC_MEMORY", given)
        with pytest.raises(DiagnosticError, match="AKC0958"):
            budget.limit()
