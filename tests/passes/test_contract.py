# SPDX-License-Identifier: Apache-2.0
"""What every pass says about itself, and what it may lean on."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import attrs
import pytest

from akc.passes import PASSES
from akc.passes.shared.contract import PRESERVES, PassContext

FOLDER = Path(__file__).parents[2] / "passes"
FILES = sorted(p for p in FOLDER.glob("*/*.py") if p.parent.name != "shared" and p.name != "__init__.py")
STAGES = {p.parent.name for p in FILES}
GIVEN = {f.name for f in attrs.fields(PassContext)} - {"target", "progress", "warn", "report"}


@pytest.mark.parametrize("one", PASSES.values(), ids=list(PASSES))
def test_a_pass_says_what_it_preserves_and_reads(one: type[Any]) -> None:
    assert one.preserves in PRESERVES
    assert bool(getattr(one, "measure", "")) == (one.preserves == "approximation")
    assert set(one.reads) <= GIVEN
    assert attrs.has(one) and one.__hash__ is not None


def test_one_pass_a_file() -> None:
    assert len(FILES) == len(PASSES)
    assert {p.stem.replace("_", "-") for p in FILES} == set(PASSES)


def _imported(path: Path) -> set[str]:
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    return {node.module or "" for node in nodes}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/**/*.py")), ids=lambda p: p.stem)
def test_no_pass_leans_on_another(path: Path) -> None:
    """What passes share stands in passes/shared, which imports none of them."""
    others = [name for name in _imported(path) if name.split(".")[:2] == ["akc", "passes"]]
    assert not [name for name in others if name == "akc.passes" or name.split(".")[2] in STAGES]


def _asked_of_context(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    return {n.attr for n in attributes if n.value.id == "context"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_pass_declares_what_it_asks_for(path: Path) -> None:
    """What it does not declare it does not get; that nothing stands there for nothing is seen by its own tests."""
    asked = _asked_of_context(path) & GIVEN
    assert asked <= set(PASSES[path.stem.replace("_", "-")].reads)
