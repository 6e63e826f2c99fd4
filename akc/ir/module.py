# SPDX-License-Identifier: Apache-2.0
"""The IR in memory: a module holds one net and its weights. Everything here is immutable.

Values and weights are referred to by name (without `%` and `#`), as in the text, so an operation
can be copied, compared and printed on its own. Passes build new modules with `attrs.evolve` and the
helpers of `Module`; what a pass does not touch stays the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cached_property
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from akc.base.calls import instance
from akc.base.diagnostics import Span
from akc.base.display import Displayed
from akc.ir.fields import WeightName, fields_of
from akc.ir.signature import Types
from akc.ir.types import TensorType
from akc.ir.weights import Weight

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
Spans = Mapping[str, Span]
NO_SPANS: Spans = {}


@frozen
class Value:
    """A named value: an input of the net or the result of a statement.

    range: smallest and largest activation seen or assumed, in the value's own units (calibration
    writes it; the text shows it as `in [lo, hi]`). tops: what to take for the largest where the levels have
    fewer bits, in pairs (bits, top); the text shows them as `in [lo, hi, u1=..., u2=...]`.
    """

    name: str
    type: TensorType
    range: tuple[float, float] | None = None
    tops: tuple[tuple[int, float], ...] = ()

    def range_at(self, bits: int) -> tuple[float, float] | None:
        """The range for levels of so many bits."""
        return None if self.range is None else (self.range[0], dict(self.tops).get(bits, self.range[1]))

    def ranged_like(self, other: Value) -> Value:
        """The value with the range of another."""
        return evolve(self, range=other.range, tops=other.tops)


@frozen(kw_only=True)
class Op:
    """A statement `%result = dialect.op(...) : type from "origin"`; subclasses add fields.

    origin: names of the source network's nodes this came from, kept through every pass.
    comments: the `//` lines above the statement, without the slashes.
    spans: where "op" and each attribute stand in the user's text; empty for ops made by passes.
    """

    mnemonic = ""
    border = False
    """Whether the operation may stand beside hardware sequences without --host=allow."""

    result: Value
    origin: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    spans: Spans = field(default=NO_SPANS, eq=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the result."""
        return self.result.name

    @property
    def type(self) -> TensorType:
        """Type of the result."""
        return self.result.type

    def infer(self, types: Types) -> TensorType:
        """The type that the result must have; raises akc.ir.signature.TypeFault."""
        raise NotImplementedError(self.mnemonic)

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the values this reads, in order."""
        names: list[str] = []
        for f in fields_of(type(self)):
            names += f.kind.operands(getattr(self, f.name))
        return tuple(names)

    @property
    def weights_used(self) -> tuple[str, ...]:
        """Names of the weights this refers to, in order."""
        names: list[str] = []
        for f in fields_of(type(self)):
            names += f.kind.weights(getattr(self, f.name))
        return tuple(names)

    def renamed(self, names: Mapping[str, str]) -> Op:
        """A copy that reads other values: operands found in `names` are replaced."""
        changes = {
            f.name: f.kind.rename(getattr(self, f.name), names)
            for f in fields_of(type(self))
            if set(f.kind.operands(getattr(self, f.name))) & set(names)
        }
        return evolve(self, **changes) if changes else self

    def span(self, key: str = "op") -> Span | None:
        """The place of an attribute, or of the whole operation where that is unknown."""
        return self.spans.get(key) or self.spans.get("op")


def merged_origin(*ops: Op) -> tuple[str, ...]:
    """The origins of several ops without repeats, for the op that replaces them."""
    return tuple(dict.fromkeys(name for op in ops for name in op.origin))


def merged_comments(*ops: Op) -> tuple[str, ...]:
    """The comments of several ops, for the op that replaces them."""
    return tuple(line for op in ops for line in op.comments)


@frozen(kw_only=True)
class Sequence:
    """`sequence @name { ... }`: one program, whose layers hand results from NP to NP."""

    name: str
    ops: tuple[Op, ...]
    comments: tuple[str, ...] = ()
    trailing_comments: tuple[str, ...] = ()
    spans: Spans = field(default=NO_SPANS, eq=False, repr=False)


Statement = Op | Sequence


@frozen(kw_only=True, slots=False)
class Net:
    """A function from its inputs to its outputs; the signature is the source network's own."""

    name: str
    inputs: tuple[Value, ...]
    statements: tuple[Statement, ...]
    outputs: tuple[str, ...]
    output_types: tuple[TensorType, ...]
    comments: tuple[str, ...] = ()
    return_comments: tuple[str, ...] = ()
    trailing_comments: tuple[str, ...] = ()
    spans: Spans = field(default=NO_SPANS, eq=False, repr=False)

    @property
    def ops(self) -> Iterator[Op]:
        """Every operation in order, those inside sequences included."""
        for statement in self.statements:
            if isinstance(statement, Sequence):
                yield from statement.ops
            else:
                yield statement

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """The hardware sequences in order."""
        return tuple(s for s in self.statements if isinstance(s, Sequence))

    @cached_property
    def types(self) -> Mapping[str, TensorType]:
        """Type of every value by name."""
        return {name: value.type for name, value in self.values.items()}

    @cached_property
    def values(self) -> Mapping[str, Value]:
        """Every value by name."""
        return {v.name: v for v in (*self.inputs, *(op.result for op in self.ops))}

    def producer(self, name: str) -> Op | None:
        """The op whose result has this name; None for an input of the net."""
        return self._makers.get(name)

    def uses(self, name: str) -> tuple[Op, ...]:
        """The ops that read a value (the net's own outputs are not among them)."""
        return self._readers.get(name, ())

    @cached_property
    def _makers(self) -> Mapping[str, Op]:
        """Every op by the name of its result, the first of those that share one."""
        return {op.name: op for op in reversed(tuple(self.ops))}

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Op, ...]]:
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            for name in dict.fromkeys(op.operands):
                found.setdefault(name, []).append(op)
        return {name: tuple(ops) for name, ops in found.items()}


@frozen(kw_only=True)
class Module(Displayed):
    """A whole text: one net and the weights it names.

    source: the network that `net` stands for, with weights of its own, where passes still have to hold the one
    against the other (spiking networks run by rates); it has the same inputs, and no source itself.
    """

    net: Net
    weights: Mapping[str, Weight] = field(factory=dict)
    source: Module | None = None
    version: str = "1.0"
    comments: tuple[str, ...] = ()
    weights_comments: tuple[str, ...] = ()
    trailing_comments: tuple[str, ...] = ()

    def array(self, name: str | WeightName) -> Array:
        """The numbers of a weight, in the shape and numpy type of its type."""
        return self.weights[str(name)].array

    def with_statements(
        self, statements: Iterable[Statement], weights: Mapping[str, Weight] | None = None, **net_changes: Any
    ) -> Module:
        """The module with other statements and weights; weights that nothing names are dropped."""
        net = evolve(self.net, statements=tuple(statements), **net_changes)
        used = dict.fromkeys(name for op in net.ops for name in op.weights_used)
        pool = self.weights if weights is None else weights
        return evolve(self, net=net, weights={name: pool[name] for name in used if name in pool})

    def map_ops(self, change: Callable[[Op], Op]) -> Module:
        """The module with `change` applied to every op; the same object if none changed."""
        changed = False
        statements: list[Statement] = []
        for statement in self.net.statements:
            ops = statement.ops if isinstance(statement, Sequence) else (statement,)
            new = tuple(change(op) for op in ops)
            changed |= any(a is not b for a, b in zip(ops, new, strict=True))
            statements.append(evolve(statement, ops=new) if isinstance(statement, Sequence) else new[0])
        return self.with_statements(statements) if changed else self


def fresh_name(base: str, taken: Iterable[str]) -> str:
    """`base`, or `base_2`, `base_3` ... : the first that is not taken."""
    used = taken if isinstance(taken, Mapping | Set) else set(taken)
    name, n = base, 1
    while name in used:
        n += 1
        name = f"{base}_{n}"
    return name


MODULE = instance(Module, help="give a module, as akc.lower and akc.parse make them")
"""The rule of a parameter that is a module."""
