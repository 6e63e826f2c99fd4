# SPDX-License-Identifier: Apache-2.0
"""The statements of a net while it changes, with indices of who makes and who reads what.

Each statement has a place, a whole number that grows from line to line with room in between, so that a new one
goes between two others without moving any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from akc.ir.module import Net, Op, Sequence, Statement, Value
from akc.ir.types import TensorType

ROOM = 2**40
"""Places between two statements as they come."""


class _Line:
    """A statement, its place, and its neighbours in the order of the text."""

    __slots__ = ("before", "behind", "place", "statement")

    def __init__(self, statement: Statement | None, place: int) -> None:
        self.statement, self.place = statement, place
        self.before = self.behind = self

    @property
    def ops(self) -> tuple[Op, ...]:
        """The op, or those of the sequence."""
        if isinstance(self.statement, Sequence):
            return self.statement.ops
        return () if self.statement is None else (self.statement,)


class Statements:
    """Statements in order, found by the names of the values that they make."""

    def __init__(self, net: Net) -> None:
        self.values: dict[str, Value] = {value.name: value for value in net.inputs}
        self.types: dict[str, TensorType] = {value.name: value.type for value in net.inputs}
        self.numbering = 0
        """Grows when all places change."""
        self.touched: set[str] = set()
        """Names of the ops that changes have put there, and of those beside what they took away."""
        self._ends = _Line(None, 0)
        """In front of the first and behind the last."""
        self._lines: dict[str, _Line] = {}
        self._ops: dict[str, Op] = {}
        self._readers: dict[str, dict[str, Op]] = {}
        self._weight_users: dict[str, dict[str, Op]] = {}
        for statement in net.statements:
            self._insert(statement, self._ends)

    def __iter__(self) -> Iterator[Statement]:
        line = self._ends.behind
        while line.statement is not None:
            yield line.statement
            line = line.behind

    def __contains__(self, name: str) -> bool:
        return name in self._ops

    def get(self, name: str) -> Statement | None:
        """The statement that makes a value: an op, or the sequence that it stands in."""
        return self._lines[name].statement if name in self._lines else None

    def place(self, name: str) -> int:
        """Where the statement stands that makes a value."""
        return self._lines[name].place

    def readers(self, name: str) -> tuple[Op, ...]:
        """The ops that read a value, in no order."""
        return tuple(self._readers.get(name, {}).values())

    def users_of_weight(self, name: str) -> tuple[Op, ...]:
        """The ops that name a weight."""
        return tuple(self._weight_users.get(name, {}).values())

    def near(self, names: Iterable[str], steps: int) -> set[str]:
        """The ops up to so many steps away, along operands and readers."""
        found = front = {name for name in names if name in self._ops}
        for _ in range(steps):
            read = {x for name in front for x in self._ops[name].operands if x in self._ops}
            front = (read | {reader for name in front for reader in self._readers.get(name, ())}) - found
            found = found | front
        return found

    def exchange(self, old: tuple[Op, ...], new: tuple[Op, ...]) -> None:
        """Take ops away, and put others where the last of them stood."""
        gone = [self._lines[op.name] for op in old]
        last = max(gone, key=lambda line: line.place)
        for line in gone:
            self._forget(line)
        for op in new:
            self._insert(op, last)
        for line in gone:
            line.before.behind, line.behind.before = line.behind, line.before
        self.touched |= {op.name for op in new} | {x for op in old for x in op.operands}

    def rename(self, old: str, new: str) -> None:
        """Let the readers of one value read another."""
        names = {old: new}
        for line in {id(self._lines[name]): self._lines[name] for name in self._readers.get(old, ())}.values():
            self._forget(line)
            assert line.statement is not None
            line.statement = (
                evolve(line.statement, ops=tuple(op.renamed(names) for op in line.ops))
                if isinstance(line.statement, Sequence)
                else line.statement.renamed(names)
            )
            self._remember(line)
            self.touched |= {op.name for op in line.ops}

    def _insert(self, statement: Statement, behind: _Line) -> None:
        """Put a statement in front of a line."""
        first = behind.before.place
        line = _Line(statement, first + ROOM if behind is self._ends else (first + behind.place) // 2)
        line.before, line.behind = behind.before, behind
        line.before.behind = behind.before = line
        self._remember(line)
        if line.place == first:
            self._number()

    def _number(self) -> None:
        """Make room between all lines."""
        self.numbering += 1
        line, place = self._ends.behind, ROOM
        while line.statement is not None:
            line.place, line, place = place, line.behind, place + ROOM

    def _remember(self, line: _Line) -> None:
        for op in line.ops:
            self.values[op.name], self.types[op.name] = op.result, op.type
            self._lines[op.name], self._ops[op.name] = line, op
            for name in op.operands:
                self._readers.setdefault(name, {})[op.name] = op
            for name in op.weights_used:
                self._weight_users.setdefault(name, {})[op.name] = op

    def _forget(self, line: _Line) -> None:
        for op in line.ops:
            for table in (self.values, self.types, self._lines, self._ops):
                table.pop(op.name)
            for name in dict.fromkeys(op.operands):
                self._readers[name].pop(op.name)
            for name in dict.fromkeys(op.weights_used):
                self._weight_users[name].pop(op.name)
