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
FILES = {name: FOLDER.joinpath(*one.__module__.split(".")[2:]).with_suffix(".py") for name, one in PASSES.items()}
MODULES = {one.__module__ for one in PASSES.values()}
GIVEN = {f.name for f in attrs.fields(PassContext)} - {"target", "progress", "warn", "report"}


@pytest.mark.parametrize("one", PASSES.values(), ids=list(PASSES))
def test_a_pass_says_what_it_preserves_and_reads(one: type[Any]) -> None:
    assert one.preserves in PRESERVES
    assert bool(getattr(one, "measure", "")) == (one.preserves == "approximation")
    assert set(one.reads) <= GIVEN
    assert attrs.has(one) and one.__hash__ is not None


def test_one_pass_a_file() -> None:
    assert len(MODULES) == len(PASSES)
    assert {name: path.stem.replace("_", "-") for name, path in FILES.items()} == {name: name for name in PASSES}
    assert not [path for path in FILES.values() if path.parent.name == "shared"]


def _imported(path: Path) -> set[str]:
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    return {node.module or "" for node in nodes}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/**/*.py")), ids=lambda p: p.stem)
def test_no_pass_leans_on_another(path: Path) -> None:
    """What passes share stands in passes/shared, or beside the one pass that needs it; it imports none of them."""
    assert not _imported(path) & (MODULES | {"akc.passes"})


def _asked_of_context(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
    return {n.attr for n in attributes if n.value.id == "context"}


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_declares_what_it_asks_for(name: str) -> None:
    """What it does not declare it does not get; that nothing stands there for nothing is seen by its own tests."""
    assert _asked_of_context(FILES[name]) & GIVEN <= set(PASSES[name].reads)
