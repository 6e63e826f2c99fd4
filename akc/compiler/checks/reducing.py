# SPDX-License-Identifier: Apache-2.0
"""The smallest network that still fails: layers are dropped from behind, from in front and between, then widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module, Op, Statement, Value
from akc.ir.ops import nn
from akc.ir.signature import TypeFault, Types
from akc.ir.types import TensorType
from akc.ir.verifier import verify
from akc.ir.weights import Weight

Fails = Callable[[Module], bool]

MOST_TRIALS = 300
"""Networks that are tried at most."""


def reduced(module: Module, fails: Fails) -> Module:
    """A network that fails as `module` does, from which nothing can be taken any more; `module` where nothing can."""
    trials = 0
    again = True
    while again:
        again = False
        for smaller in _smaller(module):
            trials += 1
            if trials > MOST_TRIALS:
                return module
            if _still_fails(smaller, fails):
                module, again = smaller, True
                break
    return module


def _still_fails(module: Module, fails: Fails) -> bool:
    """Whether a network is valid and fails in the same way; one that cannot even be run does not count."""
    try:
        return not any(d.severity == "error" for d in verify(module)) and fails(module)
    except (DiagnosticError, ArithmeticError, ValueError, LookupError, TypeError, AssertionError):
        return False


def _smaller(module: Module) -> Iterator[Module]:
    """Networks with less in them, those with the least first."""
    ops = list(module.net.ops)
    if len(ops) != len(module.net.statements):
        return
    yield from (_until(module, op) for op in ops[:-1])
    yield from (_from(module, op) for op in reversed(ops[1:]))
    yield from (_without(module, op) for op in ops if _passes_through(module, op))
    yield from (small for op in ops if (small := _narrowed(module, op)) is not None)


def _until(module: Module, op: Op) -> Module:
    """What leads to one operation."""
    return _live(evolve(module, net=evolve(module.net, outputs=(op.name,), output_types=(op.type,))))


def _from(module: Module, op: Op) -> Module:
    """What follows the operand of an operation, which becomes the input."""
    if len(op.operands) != 1 or op.operands[0] in {v.name for v in module.net.inputs}:
        return module.with_statements([])
    value = module.net.values[op.operands[0]]
    rest = [other for other in module.net.ops if other.name != value.name]
    return _live(module.with_statements(rest, module.weights, inputs=(Value(value.name, value.type, value.range),)))


def _without(module: Module, op: Op) -> Module:
    """The network without an operation that gives the type that it takes."""
    names = {op.name: op.operands[0]}
    rest = [other.renamed(names) for other in module.net.ops if other is not op]
    outputs = tuple(names.get(name, name) for name in module.net.outputs)
    return _live(module.with_statements(rest, module.weights, outputs=outputs))


def _passes_through(module: Module, op: Op) -> bool:
    return len(op.operands) == 1 and module.net.types[op.operands[0]] == op.type


def _live(module: Module) -> Module:
    """Only what the results need."""
    needed, kept = set(module.net.outputs), []
    for op in reversed(list(module.net.ops)):
        if op.name in needed:
            needed.update(op.operands)
            kept.append(op)
    return module.with_statements(kept[::-1], module.weights)


def _narrowed(module: Module, op: Op) -> Module | None:
    """The network with half the units of a layer, and what follows made to fit; None where that is not known."""
    if not isinstance(op, nn.Dense | nn.Conv) or op.type.shape[-1] < 2 or getattr(op, "groups", 1) != 1:
        return None
    old, new = op.type.shape[-1], op.type.shape[-1] // 2
    weights: dict[str, Weight] = dict(module.weights)
    types = {v.name: v.type for v in module.net.inputs}
    narrow: set[str] = set()
    statements: list[Statement] = []
    for other in module.net.ops:
        if other is op or narrow & set(other.operands):
            _cut(other, other is op, old, new, weights)
        try:
            kind = other.infer(Types(types, {name: w.type for name, w in weights.items()}))
        except (TypeFault, DiagnosticError):
            return None
        if other is op or (narrow & set(other.operands) and kind != other.type):
            narrow.add(other.name)
        types[other.name] = kind
        statements.append(evolve(other, result=evolve(other.result, type=kind)))
    outputs: tuple[TensorType, ...] = tuple(types[name] for name in module.net.outputs)
    return module.with_statements(statements, weights, output_types=outputs)


def _cut(op: Op, itself: bool, old: int, new: int, weights: dict[str, Weight]) -> None:
    """Cut a layer's own units, or what the layers behind have for each of its units."""
    for name in op.weights_used:
        array = weights[name].array
        axis = 0 if itself or array.ndim == 1 else array.ndim - 1
        if array.shape[axis] == old and (itself or array.ndim > 1 or op.type.shape[-1] == old):
            part = array[:new] if axis == 0 else array[..., :new]
            weights[name] = Weight.of(part, weights[name].type.dtype)
