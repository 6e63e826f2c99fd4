# SPDX-License-Identifier: Apache-2.0
"""Levels of the IR: computed from what a module holds, by the rules of one table.

imported: what a frontend gives. mappable: no operation left that the target has no way for. quantised:
`akida.*` layers with integer weights. placed: every layer with all of its places.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from attrs import frozen

from akc.ir.module import Module, Op
from akc.ir.ops.akida import Layer
from akc.ir.ops.nn import Opaque
from akc.ir.types import TensorType

LEVELS = ("imported", "mappable", "quantised", "placed")


@frozen
class Rule:
    """At `level` and above every op must pass `holds`; `message` says what one that does not lacks.

    holds: called with the op, the module and whether it holds chip layers.
    """

    level: str
    message: str
    holds: Callable[[Op, Module, bool], bool]
    passes: str
    """The passes that lead there."""


RULES = (
    Rule(
        "mappable",
        "is no operation of a mappable network",
        lambda op, module, beside_chip: not isinstance(op, Opaque),
        "fold-batchnorm,fold-layout,legalize",
    ),
    Rule(
        "quantised",
        "is not quantised",
        lambda op, module, beside_chip: isinstance(op, Layer) or op.border or beside_chip,
        "lower-int4",
    ),
    Rule(
        "placed",
        "has no complete place",
        lambda op, module, beside_chip: not isinstance(op, Layer) or is_placed(op, module),
        "place",
    ),
)


def _beside_chip(module: Module) -> bool:
    """Whether the module holds chip layers, so that its float ops are host ops."""
    return any(isinstance(op, Layer) for op in module.net.ops)


def level_of(module: Module) -> str:
    """The highest level whose rules, and those of all levels below it, hold for every op."""
    level, beside_chip = LEVELS[0], _beside_chip(module)
    for rule in RULES:
        if not all(rule.holds(op, module, beside_chip) for op in module.net.ops):
            return level
        if rule.level != "mappable" and not beside_chip:
            return level
        level = rule.level
    return level


def reaches(level: str, needed: str) -> bool:
    """Whether a module of `level` is good enough where `needed` is."""
    return LEVELS.index(level) >= LEVELS.index(needed)


def first_obstacle(module: Module, needed: str) -> tuple[Op, Rule] | None:
    """The first op that keeps a module below a level, and the rule that it breaks."""
    beside_chip = _beside_chip(module)
    for rule in RULES[: LEVELS.index(needed)]:
        for op in module.net.ops:
            if not rule.holds(op, module, beside_chip):
                return op, rule
    return None


def is_placed(op: Layer, module: Module) -> bool:
    """Whether the places of a layer cover all of its filters and input map."""
    x, filters = module.net.types[op.x], op.type.shape[-1]
    if any(place.kind == "hrc" for place in op.at):
        return True
    whole = filters * prod(x.shape[:2])
    return bool(op.at) and sum(_share(place, x, filters) for place in op.at) == whole


def _share(place: object, x: TensorType, filters: int) -> int:
    sizes = {"filters": filters, "d0": x.shape[0], "d1": x.shape[1]}
    lengths = []
    for key, size in sizes.items():
        part = getattr(place, key)
        lengths.append(size if part is None else part.stop - part.start)
    return prod(lengths)
