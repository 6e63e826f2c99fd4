# SPDX-License-Identifier: Apache-2.0
"""What rewriting passes share: an editor of statements and weights, and rules applied until none fires."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op, Value, fresh_name, merged_comments, merged_origin
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight
from akc.passes.shared.rewriting.statements import Statements

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
AnyOp = TypeVar("AnyOp", bound=Op)


class _WeightTypes(Mapping[str, TensorType]):
    """The types of a pool of weights, which may grow."""

    def __init__(self, weights: Mapping[str, Weight]) -> None:
        self.weights = weights

    def __getitem__(self, name: str) -> TensorType:
        return self.weights[name].type

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


class Editor:
    """A module under change. Operations inside sequences are left alone: they are already lowered.

    What a change costs depends on what it changes, not on the size of the net.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lines = Statements(module.net)
        self.weights = dict(module.weights)
        self.outputs = module.net.outputs
        self.changed = False

    @property
    def ops(self) -> list[Op]:
        """The operations outside sequences, in order."""
        return [s for s in self.lines if isinstance(s, Op)]

    @property
    def net_values(self) -> Mapping[str, Value]:
        """The net's inputs and the results of all operations by name."""
        return self.lines.values

    def type_of(self, name: str) -> TensorType:
        """Type of a value."""
        return self.lines.types[name]

    def producer(self, name: str) -> Op | None:
        """The op outside sequences that makes a value."""
        found = self.lines.get(name)
        return found if isinstance(found, Op) else None

    def user(self, name: str) -> Op | None:
        """The only reader of a value; None if there are more, or if the net gives it out."""
        readers = self.lines.readers(name)
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def array(self, name: str) -> Floats:
        """The numbers of a weight in double precision."""
        return self.weights[name].array.astype(np.float64)

    def weight(self, name: str, array: object, owner: Op | None = None) -> str:
        """Store float numbers under `name`, or under a fresh name where somebody else than `owner` uses it."""
        mine = set(owner.weights_used) if owner is not None else set()

        def taken(one: str) -> bool:
            others = [op for op in self.lines.users_of_weight(one) if owner is None or op.name != owner.name]
            return bool(others) or (one in self.weights and one not in mine)

        chosen, n = name, 1
        while taken(chosen):
            n += 1
            chosen = f"{name}_{n}"
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
        values = ChainMap({one.name: one.type for one in after}, self.lines.types)
        kind = op.infer(Types(values, _WeightTypes(self.weights)))
        return evolve(op, result=evolve(op.result, type=kind))

    def replace(self, old: Iterable[Op], *new: Op) -> None:
        """Put `new` where the last of `old` stood. Without `new`, readers of the last of `old` read its operand."""
        gone = tuple(old)
        self.lines.exchange(gone, new)
        if not new:
            self._rename(gone[-1].name, gone[0].operands[0])
        elif new[-1].name != gone[-1].name:
            self._rename(gone[-1].name, new[-1].name)
        self.changed = True

    def _rename(self, old: str, new: str) -> None:
        self.lines.rename(old, new)
        self.outputs = tuple(new if o == old else o for o in self.outputs)

    def finish(self) -> Module:
        """The new module; the very same object if nothing changed."""
        return self.current() if self.changed else self.module

    def current(self) -> Module:
        """The module as it stands now."""
        return self.module.with_statements(tuple(self.lines), self.weights, outputs=self.outputs)


Rule = Callable[[Editor, Op], bool]

REACH = 8
"""How many steps from a change, along operands and readers, a rule may newly fire; what lies farther off is found by
the last look at the whole net."""


def rewrite(module: Module, *rules: Rule) -> Module:
    """Apply rules until none fires, always to the first operation that one fires for.

    A rule edits and returns True, or returns False. After a change only what stands near it is looked at again, and
    at the end once more all, so that the time grows with the net and with the number of changes.
    """
    editor = Editor(module)
    while _sweep(editor, rules):
        pass
    return editor.finish()


def _sweep(editor: Editor, rules: tuple[Rule, ...]) -> bool:
    """Look at every operation once, and again at those near a change. Whether there was one."""
    waiting = {op.name for op in editor.ops}
    queue, numbering = _queued(editor, waiting), editor.lines.numbering
    found = False
    while queue:
        _, name = heappop(queue)
        waiting.discard(name)
        op = editor.producer(name)
        editor.lines.touched.clear()
        if op is None or not any(rule(editor, op) for rule in rules):
            continue
        found = True
        near = editor.lines.near(editor.lines.touched, REACH)
        if editor.lines.numbering != numbering:
            queue, numbering = _queued(editor, waiting), editor.lines.numbering
        for name in near - waiting:
            heappush(queue, (editor.lines.place(name), name))
        waiting |= near
    return found


def _queued(editor: Editor, names: set[str]) -> list[tuple[int, str]]:
    queue = [(editor.lines.place(name), name) for name in names if name in editor.lines]
    heapify(queue)
    return queue
