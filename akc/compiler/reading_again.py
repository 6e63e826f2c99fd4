# SPDX-License-Identifier: Apache-2.0
"""A module is written only if akc would read it: what passes and frontends make is held against the language."""

from __future__ import annotations

from attrs import evolve

from akc.base.budget import fits, refused
from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.ir.weights import Weight


def refuse_unreadable(module: Module, what: str) -> None:
    """Raise DiagnosticError with the faults that `akc check` would find in the module's text.

    what: the name of the text in messages. Names, attributes and types are read again; the numbers of the weights are
    held against the language by akc.ir.verifier.verify_numbers.
    """
    try:
        parse(print_module(_without_numbers(module)), what)
    except DiagnosticError as fault:
        raise DiagnosticError([evolve(d, help=d.help or _HELP) for d in fault.diagnostics]) from None


_HELP = ("the source holds something that has no place in the language of akc",)


def _without_numbers(module: Module) -> Module:
    """The same with digests in place of the weights' numbers, so that printing takes no time."""
    weights = {
        name: Weight(type=weight.type, codec="elided", payload="sha256:0") for name, weight in module.weights.items()
    }
    source = None if module.source is None else _without_numbers(module.source)
    return evolve(module, weights=weights, source=source)


def refuse_too_large(module: Module) -> None:
    """Raise DiagnosticError AKC0956 for a value, one sample of which is larger than the budget for memory."""
    for value in module.net.values.values():
        size = 4 * value.type.size * (value.type.steps or 1)
        if not fits(size):
            raise refused(size, f"%{value.name} : {value.type}")
