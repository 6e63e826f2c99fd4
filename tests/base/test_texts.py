# SPDX-License-Identifier: Apache-2.0
"""One bad text a code, and what `akc check` says about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from akc.base.codes import CODES
from tests.cli.runner import akc

TEXTS = Path(__file__).parent / "texts"
NAMES = sorted(p.stem for p in TEXTS.glob("*.akir"))
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", NAMES)
def test_message(name: str, text_snapshot: SnapshotAssertion) -> None:
    outcome = akc("check", f"{name}.akir", folder=TEXTS)
    assert outcome.code == 1
    assert outcome.stdout == ""
    if name.startswith("AKC"):
        assert name[:7] in outcome.stderr
    assert outcome.stderr == text_snapshot(name=name)


def test_several_faults_are_told_at_once() -> None:
    outcome = akc("check", "several-faults.akir", folder=TEXTS)
    assert set(re.findall(r"error\[(\w+)\]", outcome.stderr)) == {"AKC0102", "AKC0105", "AKC0107"}


FAULT_CLASSES = {
    code: name
    for path in (ROOT.parent / "targets").rglob("*.py")
    for name, code in re.findall(r"^class (\w+)\(.*\n(?:.*\n){0,12}?    code = \"(AKC\d+)\"", path.read_text(), re.M)
}
"""Codes that have an exception class of their own, by which tests know them."""


def test_the_table_is_in_order() -> None:
    assert list(CODES) == sorted(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_in_a_test(code: str) -> None:
    """Each code is provoked by some test, which names it or its class, or holds its message."""
    texts = [p.read_text() for p in ROOT.rglob("*") if p.suffix in (".py", ".txt") and p.name != "test_texts.py"]
    words = {code, FAULT_CLASSES.get(code, code)}
    assert any(word in text for text in texts for word in words) or any(code in name for name in NAMES)
