# SPDX-License-Identifier: Apache-2.0
"""Small faults that somebody might make: each is one node of a syntax tree replaced by another."""

from __future__ import annotations

import ast
import random
from collections.abc import Container, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.mutation.loading import ROOT

PLACES = ("passes", "akc/ir", "targets/akida1/program", "targets/akida1/placing")
"""What is mutated."""

OTHER: dict[type[Any], type[Any]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
"""Operators, and what stands in place of each."""


@frozen(kw_only=True)
class Mutant:
    """One fault. file: from the project's root; line, column: of the node; which: its number in the file's mutants."""

    file: str
    which: int
    line: int
    column: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """The same fault in the next run, as long as the file stays as it is."""
        return f"{self.file}:{self.line}:{self.column} {self.before} -> {self.after}"

    def __call__(self, tree: ast.Module) -> ast.Module:
        """The tree with the fault."""
        for number, (node, field, index, new) in enumerate(_sites(tree)):
            if number == self.which:
                _put(node, field, index, new)
                return tree
        raise LookupError(self.key)


Site = tuple[ast.AST, str, int | None, ast.AST | type[ast.AST]]
"""A node, one of its fields, the place there where it is a list, and what is to stand in it."""


def _put(node: ast.AST, field: str, index: int | None, new: Any) -> None:
    new = new() if isinstance(new, type) else new
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new


def _sites(tree: ast.Module) -> Iterator[Site]:
    for parent in _code(tree):
        for field, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.AST) and field not in ("annotation", "returns", "decorator_list"):
                    yield from ((parent, field, index, new) for new in _instead_of(node, parent))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that are only read by people and type checkers."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Import | ast.ImportFrom | ast.JoinedStr):
                yield from _code(child)


def _instead_of(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST | type[ast.AST]]:
    """What may stand in place of a node; texts stay, they are held by the golden messages."""
    if type(node) in OTHER and not (isinstance(node, ast.BitOr) and _is_type(parent)):
        yield OTHER[type(node)]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield _evolved(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Continue):
        yield ast.Break
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass


def _is_type(node: ast.AST) -> bool:
    """Whether `|` stands between types: between names that begin with a capital letter, or None."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)]
    words = [n.id if isinstance(n, ast.Name) else n.attr for n in names]
    return isinstance(node, ast.BinOp) and bool(words) and any(word[:1].isupper() for word in words)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _evolved(node: ast.AST, **fields: Any) -> ast.AST:
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


def mutants_of(file: str, wanted: Container[int] | None = None) -> list[Mutant]:
    """The mutants of a file of these numbers, or all."""
    tree = _tree(file)
    found = []
    for which, (parent, field, index, new) in enumerate(_sites(tree)):
        if wanted is not None and which not in wanted:
            continue
        old = getattr(parent, field) if index is None else getattr(parent, field)[index]
        at = old if hasattr(old, "lineno") else parent
        shown = old if isinstance(old, ast.stmt | ast.expr) else parent
        found.append(
            Mutant(
                file=file,
                which=which,
                line=getattr(at, "lineno", 1),
                column=getattr(at, "col_offset", 0),
                before=_words(shown),
                after=_words(new if shown is old else _with(parent, field, index, new)),
            )
        )
    return found


def _with(parent: ast.AST, field: str, index: int | None, new: Any) -> ast.AST:
    copy = deepcopy(parent)
    _put(copy, field, index, new)
    return copy


def _words(node: Any) -> str:
    """The first line of a node as source."""
    node = node() if isinstance(node, type) else node
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0][:120]


def sample(count: int, seed: int, places: tuple[str, ...] = PLACES) -> list[Mutant]:
    """So many mutants of all files of these places, in an order that the seed decides."""
    files = sorted(str(path.relative_to(ROOT)) for place in places for path in Path(ROOT / place).rglob("*.py"))
    everything = [(file, n) for file in files for n in range(sum(1 for _ in _sites(_tree(file))))]
    chosen = random.Random(seed).sample(everything, min(count, len(everything)))
    wanted: dict[str, set[int]] = {}
    for file, number in chosen:
        wanted.setdefault(file, set()).add(number)
    made = {(m.file, m.which): m for file, numbers in wanted.items() for m in mutants_of(file, numbers)}
    return [made[one] for one in chosen]


def _tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text())
