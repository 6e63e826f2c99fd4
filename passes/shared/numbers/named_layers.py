# SPDX-License-Identifier: Apache-2.0
"""Layers that an option names."""

from __future__ import annotations

from difflib import get_close_matches

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.passes.shared.rewriting.chains import Chain, Group


def names_in(text: str) -> frozenset[str]:
    """The names of a list such as conv7+conv8.

    >>> sorted(names_in("conv7+%conv8"))
    ['conv7', 'conv8']
    """
    return frozenset(name.removeprefix("%") for name in text.split("+") if name)


def is_named(group: Group, names: frozenset[str]) -> bool:
    """Whether a layer has one of these names."""
    return not names.isdisjoint(_names(group))


def check_named(names: frozenset[str], chain: Chain) -> None:
    """Raise DiagnosticError AKC0451 for every name that no layer has."""
    known = [name for group in chain.groups for name in _names(group)]
    layers = ", ".join(f"%{group.last.name}" for group in chain.groups)
    faults = []
    for name in sorted(names.difference(known)):
        close = get_close_matches(name, known, n=1)
        help = f"did you mean {close[0]}?" if close else f"its layers are {layers}"
        faults.append(Diagnostic(code="AKC0451", message=f"the network has no layer %{name}", help=help))
    if faults:
        raise DiagnosticError(faults)


def _names(group: Group) -> tuple[str, ...]:
    """What a layer may be called: its operations, and its result as the quantised text has it."""
    last = group.last.name
    return (*(op.name for op in group.ops), f"{last}_levels", f"{last}_potentials")
