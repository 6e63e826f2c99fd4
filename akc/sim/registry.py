# SPDX-License-Identifier: Apache-2.0
"""How each operation is run: tables from an operation's class to the function that prepares it.

There are three kinds of rule. A *mapped* operation has no memory: its kernel takes arrays
[n, *shape] and gives [n, *shape]; the runner folds batch and time into n. A *whole* operation sees
its operands with their time axes, [batch, T, *shape], and may change or drop that axis (a sum over
a window). A *stateful* operation goes through time step by step. A file of rules fills the tables
with the decorators below and is named in `RULE_FILES`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from akc.base.diagnostics import error
from akc.ir.module import Module, Op

Array = npt.NDArray[Any]
Kernel = Callable[..., Array]
"""Takes the operands as arrays, in order; gives the result."""

Prepare = Callable[[Any, Module], Kernel]
"""Does what needs doing once for an operation and its weights; gives the kernel."""


class Stateful(Protocol):
    """A prepared operation that remembers something from one time step to the next."""

    def start(self, batch: int) -> Any:
        """The state before the first step."""

    def step(self, state: Any, *inputs: Array) -> tuple[Array, Any]:
        """Result [batch, *shape] of one step for operands [batch, *shape], and the state after it."""


MAPPED: dict[type[Op], Prepare] = {}
WHOLE: dict[type[Op], Prepare] = {}
STATEFUL: dict[type[Op], Callable[[Any, Module], Stateful]] = {}
DELAYED: dict[type[Op], Callable[[Any, Module, int], Array]] = {}
"""Operations that give the last step's value of an operand defined further down; the function gives the first value."""

RULE_FILES = (
    "akc.sim.floats",
    "akc.sim.host_layers",
    "akc.sim.recurrent",
    "akc.sim.host",
    "akc.sim.integer",
    "akc.sim.spiking",
)


def precision(x: Array) -> npt.DTypeLike:
    """The element type of float results: float64 where an operand is, else float32."""
    return np.float64 if x.dtype == np.float64 else np.float32


Rule = TypeVar("Rule", bound=Callable[..., Any])


def _adder(table: dict[type[Op], Any]) -> Callable[..., Callable[[Rule], Rule]]:
    def for_ops(*op_classes: type[Op]) -> Callable[[Rule], Rule]:
        def add(rule: Rule) -> Rule:
            table.update(dict.fromkeys(op_classes, rule))
            return rule

        return add

    return for_ops


mapped = _adder(MAPPED)
whole = _adder(WHOLE)
stateful = _adder(STATEFUL)
delayed = _adder(DELAYED)


@cache
def load_rules() -> None:
    """Import every file of rules."""
    for name in RULE_FILES:
        import_module(name)


def find_rule(table: dict[type[Op], Any], op: Op) -> Any:
    """The rule for an operation's class or the nearest of its bases; None if there is none."""
    return next((table[c] for c in type(op).__mro__ if c in table), None)


def no_rule(op: Op) -> Exception:
    """The fault of running something that cannot be run."""
    name = getattr(op, "op", op.mnemonic)
    return error(
        "AKC0704",
        f"{name} (%{op.name}) cannot be run here",
        span=op.span(),
        origin=op.origin,
        help="remove it or replace it by operations of docs/ops.md",
    )


def evaluate_op(op: Op, inputs: list[Array], module: Module) -> Array:
    """The result of one operation without memory, in numpy.

    inputs: its operands in order, batch axis first; module: where its weights are.
    Raises DiagnosticError AKC0704 for an operation that has no rule.
    """
    load_rules()
    prepare = find_rule(MAPPED, op) or find_rule(WHOLE, op)
    if prepare is None:
        raise no_rule(op)
    result: Array = prepare(op, module)(*inputs)
    return result
