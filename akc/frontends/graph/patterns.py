# SPDX-License-Identifier: Apache-2.0
"""Small patterns over the common form: what a group looks like, written as nested tuples.

("mul", "x", ("sigmoid", "x")) matches a product, in either order, of a value and its own sigmoid.
A word stands for any value (the same one each time), "?" for any, a number for a constant of that
size, "#" for any constant. Factors that are single numbers are looked through: exporters spread them
differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any

from attrs import define, field

from akc.frontends.graph.graph import Graph, Node, scalar

Pattern = Any
COMMUTATIVE = frozenset({"add", "mul"})


@define
class Matcher:
    """Matches patterns against the values of a graph."""

    graph: Graph
    producers: Mapping[str, Node] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.producers = self.graph.producers()

    def match(self, pattern: Pattern, value: str) -> dict[str, str] | None:
        """What each word of the pattern stands for; None where it does not match."""
        found: dict[str, str] = {}
        return found if self._match(pattern, value, found) else None

    def _match(self, pattern: Pattern, value: str, found: dict[str, str]) -> bool:
        if isinstance(pattern, tuple):
            return self._match_node(pattern, value, found) or self._match_unscaled(pattern, value, found)
        constant = self.graph.constants.get(value)
        if isinstance(pattern, int | float):
            number = scalar(constant)
            return number is not None and isclose(number, pattern, rel_tol=1e-3)
        if pattern == "#":
            return constant is not None
        if constant is not None:
            return False
        if pattern == "?" or found.setdefault(pattern, value) == value:
            return True
        return self.unscaled(value) == self.unscaled(found[pattern])

    def _match_unscaled(self, pattern: Pattern, value: str, found: dict[str, str]) -> bool:
        bare = self.unscaled(value)
        return bare != value and self._match_node(pattern, bare, found)

    def _match_node(self, pattern: Pattern, value: str, found: dict[str, str]) -> bool:
        kind, *parts = pattern
        node = self.producers.get(value)
        if node is None or node.kind != kind or len(node.inputs) != len(parts):
            return False
        orders = [node.inputs, node.inputs[::-1]] if kind in COMMUTATIVE else [node.inputs]
        for order in orders:
            trial = dict(found)
            if all(self._match(part, name, trial) for part, name in zip(parts, order)):
                found.update(trial)
                return True
        return False

    def unscaled(self, value: str) -> str:
        """The value behind factors that are single numbers."""
        while (node := self.producers.get(value)) is not None and node.kind in ("mul", "div"):
            left, right = node.inputs
            if scalar(self.graph.constants.get(right)) is not None:
                value = left
            elif node.kind == "mul" and scalar(self.graph.constants.get(left)) is not None:
                value = right
            else:
                break
        return value
