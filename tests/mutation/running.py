# SPDX-License-Identifier: Apache-2.0
"""Mutants one after the other, each in a fork of a process that has the large libraries imported already."""

from __future__ import annotations

import ast
import json
import os
import resource
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.mutation.loading import FOLDER, ROOT, change_functions, change_imports, functions
from tests.mutation.mutants import Mutant, sample

LIBRARIES = ("numpy", "pytest", "hypothesis", "syrupy", "xdist", "click", "onnx", "onnxruntime", "torch", "snntorch")
"""Imported once, in front of all forks."""

OURS = (
    "akc.cli.main",
    "akc.cli.verbs",
    "akc.pages.__main__",
    "akc.passes",
    "akc.targets.akd1000",
    "akc.targets.akd1500",
)
"""The same, for mutants of functions: their code is put in place of what was imported."""

FIRST = 8
"""Of the fastest tests, and of those that run the fewest functions, so many run before all others."""

FILES = 5
"""Test files of one mutant, at most: each takes its time to be imported, whatever runs of it."""


@define
class Recorded:
    """What each test runs, and how long it takes; `of` gives the tests of a mutant, fastest first."""

    seconds: dict[str, float] = field(factory=dict)
    breadth: dict[str, int] = field(factory=dict)
    """How many functions each runs."""
    tests: dict[str, set[str]] = field(factory=dict)
    """Tests, or whole files, by function."""

    @classmethod
    def read(cls) -> Recorded:
        found = cls()
        rows: dict[str, dict[str, Any]] = {}
        for path in sorted(FOLDER.glob("ran-*.jsonl"), key=lambda p: p.stat().st_mtime):
            for line in path.read_text().splitlines():
                row = json.loads(line)
                if "::" not in row["test"] and row["test"] in rows:
                    row["ran"] = [*rows[row["test"]]["ran"], *row["ran"]]
                rows[row["test"]] = row
        for name, row in rows.items():
            if row["outcome"] == "passed":
                if "::" in name:
                    found.seconds[name], found.breadth[name] = row["seconds"], len(row["ran"])
                for function in row["ran"]:
                    found.tests.setdefault(function, set()).add(name)
        return found

    def of(self, mutant: Mutant) -> list[str]:
        """Tests that run the function of a mutant; for one outside of functions, those that run any of its file."""
        inside = _function(mutant)
        keys = [inside] if inside in self.tests else [key for key in self.tests if key.startswith(f"{mutant.file}:")]
        found = {name for key in keys for name in self.tests[key]}
        files = {name for name in found if "::" not in name}
        found |= {name for name in self.seconds if name.partition("::")[0] in files}
        fastest = sorted(found - files, key=lambda name: self.seconds[name])
        narrowest = sorted(found - files, key=lambda name: self.breadth[name])
        return list(dict.fromkeys([*narrowest[:FIRST], *fastest[:FIRST], *fastest]))


def _function(mutant: Mutant) -> str:
    """The innermost function around a mutant, as `recording` names it; "" for none."""
    around = [
        node
        for node in functions(ast.parse((ROOT / mutant.file).read_text()))
        if node.body[0].lineno <= mutant.line <= (node.end_lineno or 0)
    ]
    return f"{mutant.file}:{max(node.lineno for node in around)}" if around else ""


@define
class Results:
    """The file of results, a row a mutant; the last row of a mutant counts."""

    path: Path

    def rows(self) -> dict[str, dict[str, Any]]:
        """By key."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return {row["mutant"]: row for row in map(json.loads, lines)}

    def add(self, mutant: Mutant, result: str, tests: int, seconds: float) -> None:
        """Append one."""
        row = {"mutant": mutant.key, "result": result, "tests": tests, "seconds": round(seconds, 1)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as out:
            out.write(json.dumps(row) + "\n")

    def in_words(self) -> str:
        """How many were caught, and those that were not."""
        rows = self.rows()
        counts = Counter(row["result"] for row in rows.values())
        caught = counts["caught"] + counts["too slow"]
        left = [
            f"{row['result']}: {key}" for key, row in sorted(rows.items()) if row["result"] in ("survived", "untested")
        ]
        share = f"{caught / len(rows):.1%}" if rows else "none"
        return "\n".join([f"{caught} of {len(rows)} mutants caught ({share})", *left])


def run(out: Path, count: int, seed: int, budget: float, again: bool) -> None:
    """Run what is left of a sample."""
    recorded, results = Recorded.read(), Results(out)
    done = {key for key, row in results.rows().items() if not again or row["result"] in ("caught", "too slow")}
    for name in (*LIBRARIES, *OURS):
        import_module(name)
    for mutant in sample(count, seed):
        if mutant.key not in done:
            begin = time.monotonic()
            tests = _within(recorded.of(mutant), recorded.seconds, budget)
            result = _outcome(mutant, tests, budget)
            results.add(mutant, result, len(tests), time.monotonic() - begin)
            print(result, mutant.key, flush=True)


def _within(tests: list[str], seconds: dict[str, float], budget: float) -> list[str]:
    """The first tests that fit into a budget and into so many files."""
    kept, total = list[str](), 0.0
    files = list(dict.fromkeys(name.partition("::")[0] for name in tests))[:FILES]
    for name in tests:
        if name.partition("::")[0] not in files:
            continue
        total += seconds[name]
        if total > budget and kept:
            break
        kept.append(name)
    return kept


def _outcome(mutant: Mutant, tests: list[str], budget: float) -> str:
    """caught; survived; too slow, where a loop does not end; untested."""
    for some in (tests[: 2 * FIRST], tests[2 * FIRST :]):
        code = _forked(mutant, some, budget) if some else 0
        if code:
            return "too slow" if os.WIFSIGNALED(code) else "caught"
    return "survived" if tests else "untested"


def _forked(mutant: Mutant, tests: list[str], budget: float) -> int:
    """The wait status of a process that runs tests with the mutant in place.

    Its code is put in place of a function that was imported; what runs while akc is imported is imported anew.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    limit = 10 + int(2 * budget)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    code = 70
    try:
        log = os.open(FOLDER / "last-run.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if not change_functions(mutant.file, mutant):
            change_imports({mutant.file: mutant})
        import pytest

        code = int(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]))
        sys.stdout.flush()
    finally:
        os._exit(code)
