# SPDX-License-Identifier: Apache-2.0
"""What differs between two programs, layer by layer and then register by register, in words.

A program that `recover` accepts is assembled from its network to the very same bytes, so what differs
between two such networks is all that differs. Layers on other NPs are told in a line: their registers
differ everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import attrs
import numpy as np

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Array, Module
from akc.ir.ops.akida import Layer
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.reading.diff import diff
from akc.targets.akida1.reading.recover import recover

OWN_LINES = ("x", "result", "at", "origin", "comments", "spans")
"""Fields of a layer that are told in other words, or not at all."""


def explain(a: bytes, b: bytes, chip: Chip) -> str:
    """What the layers differ in, and the lines of `diff` where all stand as they stood. Raises what `diff` raises."""
    details = diff(a, b)
    if a == b:
        return details
    try:
        first, second = recover(a, chip), recover(b, chip)
    except DiagnosticError:
        return details
    rest = details if _same_places(first, second) else "their registers differ accordingly; akc disasm shows them"
    return "\n".join([*_layer_lines(first, second), rest])


def _same_places(a: Module, b: Module) -> bool:
    return [(type(op), op.at) for op in _layers(a)] == [(type(op), op.at) for op in _layers(b)]


def _layers(module: Module) -> list[Layer]:
    return [op for op in module.net.ops if isinstance(op, Layer)]


def _layer_lines(a: Module, b: Module) -> Iterator[str]:
    """One line for each layer that is other, moved, or holds other numbers."""
    for x, y in zip_longest(_layers(a), _layers(b)):
        if x is None or y is None:
            one = y if x is None else x
            yield f"%{one.name} ({one.mnemonic}): only in the {'second' if x is None else 'first'} program"
        elif type(x) is not type(y):
            yield f"%{x.name}: {x.mnemonic} became {y.mnemonic}"
        else:
            yield from (f"%{x.name} ({x.mnemonic}): {what}" for what in _changes(a, x, b, y))


def _changes(a: Module, x: Layer, b: Module, y: Layer) -> Iterator[str]:
    if x.at != y.at:
        yield f"moved from {_nps(x)} to {_nps(y)}"
    if x.type != y.type:
        yield f"{x.type} became {y.type}"
    for field in attrs.fields(type(x)):
        old, new = getattr(x, field.name), getattr(y, field.name)
        if field.name in OWN_LINES:
            continue
        if isinstance(old, str) and old in a.weights and isinstance(new, str) and new in b.weights:
            yield from _number_changes(field.name, a.array(old), b.array(new))
        elif old != new:
            yield f"{field.name} {old} became {new}"


def _nps(layer: Layer) -> str:
    places = [place for place in layer.at if place.kind != "hrc"]
    first = f"{places[0].kind}({places[0].column}, {places[0].row}, {places[0].id})" if places else "hrc()"
    return f"{len(layer.at)} NPs from {first} on" if len(places) > 1 else first


def _number_changes(name: str, old: Array, new: Array) -> Iterator[str]:
    if old.shape != new.shape:
        yield f"{name} {list(old.shape)} became {list(new.shape)}"
        return
    places = np.argwhere(old != new)
    if len(places):
        first = tuple(int(n) for n in places[0])
        shown = f"{list(first)}: {old[first]} became {new[first]}"
        yield f"{len(places)} of {old.size} numbers of {name} differ, the first at {shown}"
