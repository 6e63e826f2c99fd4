# SPDX-License-Identifier: Apache-2.0
"""Modules whose source is changed in memory, while they are imported or afterwards; nothing is written to disk."""

from __future__ import annotations

import ast
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "mutation"
"""What was recorded, and the results."""

Change = Callable[[ast.Module], ast.Module]


def change_imports(changes: Mapping[str, Change]) -> None:
    """From now on compile these files, paths from the project's root, from what a change makes of their tree.

    What is imported of akc already is forgotten.
    """
    for name in [name for name in sys.modules if name == "akc" or name.startswith("akc.")]:
        del sys.modules[name]
    usual = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        path = Path(self.path)
        change = changes.get(str(path.relative_to(ROOT))) if path.is_relative_to(ROOT) else None
        if change is None:
            return usual(self, name)
        tree = ast.fix_missing_locations(change(ast.parse(path.read_text())))
        return compile(tree, self.path, "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def change_functions(file: str, change: Change) -> bool:
    """Give the functions of a file that is imported already their changed code.

    False where no living function has other code then: what the change is about ran while the file was imported.
    """
    path = str(ROOT / file)
    source = Path(path).read_text()
    before, after = (
        list(_codes(compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)))
        for tree in (ast.parse(source), change(ast.parse(source)))
    )
    count = Counter(_key(code) for code in before)
    other = {_key(new): new for old, new in zip(before, after, strict=True) if old != new}
    if any(count[key] > 1 for key in other):
        return False
    living = [one for one in gc.get_objects() if type(one) is FunctionType and one.__code__.co_filename == path]
    for function in living:
        function.__code__ = other.get(_key(function.__code__), function.__code__)
    innermost = list(other)[-1:]
    return any(_key(function.__code__) in innermost for function in living)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and all inside it, outer ones first."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """All functions of a file, those inside others too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
