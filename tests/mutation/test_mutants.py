# SPDX-License-Identifier: Apache-2.0
"""The faults themselves: a seed gives the same ones, each changes what is compiled, and running functions get them."""

from __future__ import annotations

import ast

from akc.passes.spiking.rate import usual_windows
from tests.mutation.loading import ROOT, change_functions
from tests.mutation.mutants import Mutant, mutants_of, sample

FILE = "passes/spiking/rate.py"


def _mutant(before: str, after: str) -> Mutant:
    (found,) = [m for m in mutants_of(FILE) if m.before == before and m.after == after]
    return found


def test_a_seed_gives_the_same_sample() -> None:
    first, again, other = (sample(20, seed, ("passes/folding",)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({mutant.key for mutant in first}) == 20


def test_each_changes_the_code() -> None:
    source = (ROOT / FILE).read_text()
    usual = ast.dump(ast.parse(source))
    for mutant in mutants_of(FILE)[::20]:
        tree = ast.fix_missing_locations(mutant(ast.parse(source)))
        assert ast.dump(tree) != usual, mutant.key
        compile(tree, FILE, "exec")


def test_functions_that_are_imported_are_changed_and_changed_back() -> None:
    before = usual_windows(15)
    assert change_functions(FILE, _mutant("steps / 3", "steps * 3"))
    try:
        assert usual_windows(15) == 30 != before
    finally:
        assert change_functions(FILE, lambda tree: tree) is False
        usual_windows.__code__ = _fresh("usual_windows").__code__
    assert usual_windows(15) == before


def _fresh(name: str) -> object:
    import importlib.util

    spec = importlib.util.spec_from_file_location("fresh_rate", ROOT / FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_what_runs_while_a_file_is_imported_has_no_function() -> None:
    mutant = next(m for m in mutants_of(FILE) if m.before == "5" and "FOR_TABLES" in _line(m))
    assert not change_functions(FILE, mutant)


def _line(mutant: Mutant) -> str:
    return (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1]
