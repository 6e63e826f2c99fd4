# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest that writes down which functions each test runs, and how long it takes."""

from __future__ import annotations

import ast
import builtins
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.loading import FOLDER, ROOT, change_imports, functions
from tests.mutation.mutants import PLACES


class _Noting:
    """Puts a call at the beginning of every function of a file that says that it ran."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __call__(self, tree: ast.Module) -> ast.Module:
        for node in functions(tree):
            said = ast.parse(f"__akc_ran__({f'{self.file}:{node.lineno}'!r})").body
            has_words = isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
            node.body[has_words:has_words] = said
        return tree


RAN: set[str] = set()
builtins.__akc_ran__ = RAN.add  # type: ignore[attr-defined]
FILES = [str(path.relative_to(ROOT)) for place in PLACES for path in Path(ROOT / place).rglob("*.py")]
change_imports({file: _Noting(file) for file in FILES})

SEEN: dict[str, Any] = {"outcome": "passed", "seconds": 0.0}


def _write(test: str, ran: set[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    row = {"test": test, **SEEN, "ran": sorted(ran)}
    with (FOLDER / f"ran-{os.getpid()}.jsonl").open("a") as out:
        out.write(json.dumps(row) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """What a fixture of several tests runs counts for all tests of its file."""
    if fixturedef.scope == "function":
        return (yield)
    before = set(RAN)
    RAN.clear()
    try:
        return (yield)
    finally:
        _write(request.node.nodeid.partition("::")[0], RAN)
        RAN.update(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """One row a test."""
    RAN.clear()
    SEEN.update(outcome="passed", seconds=0.0)
    try:
        return (yield)
    finally:
        _write(item.nodeid, RAN)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what became of the test, and its time."""
    SEEN["seconds"] = round(SEEN["seconds"] + report.duration, 4)
    if report.outcome != "passed":
        SEEN["outcome"] = report.outcome
