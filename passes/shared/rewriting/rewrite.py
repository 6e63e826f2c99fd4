# SPDX-License-Identifier: Apache-2.0
"""What rewriting passes share: an editor of statements and weights, and rules applied until none fires."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op, Statement, Value, fresh_name, merged_comments, merged_origin
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
AnyOp = TypeVar("AnyOp", bound=Op)


class Editor:
    """A module under change. Operations inside sequences are left alone: they are already lowered."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.statements: list[Statement] = list(module.net.statements)
        self.weights = dict(module.weights)
        self.outputs = module.net.outputs
        self.changed = False

    @property
    def ops(self) -> list[Op]:
        """The operations outside sequences, in order."""
        return [s for s in self.statements if isinstance(s, Op)]

    @property
    def net_values(self) -> dict[str, Value]:
        """The net's inputs and the results of all operations by name."""
        known = {v.name: v for v in self.module.net.inputs}
        for statement in self.statements:
            for op in (statement,) if isinstance(statement, Op) else statement.ops:
                known[op.name] = op.result
        return known

    def type_of(self, name: str) -> TensorType:
        """Type of a value."""
        return self.net_values[name].type

    def producer(self, name: str) -> Op | None:
        """The op outside sequences that makes a value."""
        return next((op for op in self.ops if op.name == name), None)

    def user(self, name: str) -> Op | None:
        """The only reader of a value; None if there are more, or if the net gives it out."""
        readers = [op for s in self.statements for op in ((s,) if isinstance(s, Op) else s.ops) if name in op.operands]
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def array(self, name: str) -> Floats:
        """The numbers of a weight in double precision."""
        return self.weights[name].array.astype(np.float64)

    def weight(self, name: str, array: object, owner: Op | None = None) -> str:
        """Store float numbers under `name`, or under a fresh name where somebody else than `owner` uses it."""
        others = {
            w
            for s in self.statements
            for op in ((s,) if isinstance(s, Op) else s.ops)
            if op is not owner
            for w in op.weights_used
        }
        mine = set(owner.weights_used) if owner is not None else set()
        taken = others | (set(self.weights) - mine)
        chosen = fresh_name(name, taken)
        kept = self.weights[chosen].comments if chosen in self.weights else ()
        self.weights[chosen] = Weight.of(np.asarray(array, np.float32), "f32", kept)
        return chosen

    def name(self, base: str) -> str:
        """A name that no value has yet."""
        return fresh_name(base, self.net_values)

    def make(self, kind: type[AnyOp], name: str, replaces: Iterable[Op], **fields: Any) -> AnyOp:
        """A new operation with its type worked out, and the origins and comments of what it replaces.

        Its operands must exist already, or be made by `make` and passed as `after`.
        """
        replaced = tuple(replaces)
        after: tuple[Op, ...] = fields.pop("after", ())
        draft = kind(
            result=Value(name, TensorType("f32", ())),
            origin=merged_origin(*replaced),
            comments=merged_comments(*replaced),
            **fields,
        )
        return self.retyped(draft, *after)

    def retyped(self, op: AnyOp, *after: Op) -> AnyOp:
        """The op with its result type worked out again; `after`: ops not yet in the module."""
        values = {name: value.type for name, value in self.net_values.items()} | {o.name: o.type for o in after}
        kind = op.infer(Types(values, {name: w.type for name, w in self.weights.items()}))
        return evolve(op, result=evolve(op.result, type=kind))

    def replace(self, old: Iterable[Op], *new: Op) -> None:
        """Put `new` where the last of `old` stood. Without `new`, readers of the last of `old` read its operand."""
        gone = tuple(old)
        place = max(self.statements.index(op) for op in gone)
        self.statements[place : place + 1] = new
        self.statements = [s for s in self.statements if not any(s is op for op in gone)]
        if not new:
            self._rename(gone[-1].name, gone[0].operands[0])
        elif new[-1].name != gone[-1].name:
            self._rename(gone[-1].name, new[-1].name)
        self.changed = True

    def _rename(self, old: str, new: str) -> None:
        names = {old: new}
        self.statements = [
            s.renamed(names) if isinstance(s, Op) else evolve(s, ops=tuple(op.renamed(names) for op in s.ops))
            for s in self.statements
        ]
        self.outputs = tuple(names.get(o, o) for o in self.outputs)

    def finish(self) -> Module:
        """The new module; the very same object if nothing changed."""
        return self.current() if self.changed else self.module

    def current(self) -> Module:
        """The module as it stands now."""
        return self.module.with_statements(self.statements, self.weights, outputs=self.outputs)


Rule = Callable[[Editor, Op], bool]


def rewrite(module: Module, *rules: Rule) -> Module:
    """Apply rules to every operation until none fires. A rule edits and returns True, or returns False."""
    editor = Editor(module)
    while any(rule(editor, op) for op in editor.ops for rule in rules):
        pass
    return editor.finish()
