# SPDX-License-Identifier: Apache-2.0
"""What a value of a traced time loop is, once the loop is folded into one step.

Folding keeps one node for all steps; which step a value belongs to is said beside it, so that nothing can be taken
for the same value at another time.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from akc.base.diagnostics import Diagnostic

EACH = "each"
"""The time of a value that is the same at every step, as what is made of a constant input alone."""
FREE = "free"
"""The time of a value behind a read-out: it has no step any more."""

Time = int | str
At = tuple[Any, int]
"""A node of the folded graph, and a step."""


@frozen(eq=False)
class Const:
    """A tensor that is known, and its node in the folded graph."""

    tensor: Any
    node: Any


@frozen(eq=False)
class Step:
    """The value of a folded node at one step, at EACH of them, or FREE of time."""

    node: Any
    time: Time


@frozen(eq=False)
class Timed:
    """The values of a folded node at these steps, along an axis `dim`.

    kept: the folded node has this axis too, with length 1; whole: the same numbers as an ordinary value, where there
    is one (a repeated input).
    """

    node: Any
    dim: int
    steps: tuple[int, ...]
    kept: bool = False
    whole: Any = None


@frozen(eq=False)
class Total:
    """A sum over steps: a factor for each value at a step."""

    terms: Mapping[At, float]


@frozen(eq=False)
class Peak:
    """The largest over values at steps, and over a number where there is one."""

    terms: tuple[At, ...]
    floor: float | None = None


@frozen(eq=False)
class Slots:
    """A tensor that is written along an axis, entry by entry: what stands where, and what it held before."""

    base: Const
    dim: int
    entries: Mapping[int, Any] = field(factory=dict)


@frozen(eq=False)
class Many:
    """The results of an operation that gives several."""

    parts: tuple[Any, ...]


@frozen(eq=False)
class Unread:
    """A result that has no value here; it is refused where it is read, with this way out."""

    what: str
    help: str


ValueOf = Const | Step | Timed | Total | Peak | Slots | Many | Unread


class Folding(Protocol):
    """What operators ask of akc.frontends.spiking.fold.Folder."""

    env: dict[Any, Any]
    sites: dict[Any, Any]
    neurons: Sequence[Any]

    @property
    def steps(self) -> int:
        """How many steps the trace shows."""

    def value(self, argument: Any) -> Any:
        """The value of a traced node."""

    def settled(self, value: Any, node: Any) -> Any:
        """A value of one step, or free."""

    def freed(self, value: Any, node: Any) -> Any:
        """A value behind a read-out."""

    def general(self, node: Any) -> Any:
        """An ordinary operator."""

    def constant(self, tensor: Any, name: str, owner: str = "") -> Const:
        """A known tensor."""

    def make(self, target: Any, arguments: Any, keywords: Any, like: Any, value: Any = None) -> Any:
        """A folded node."""

    def part(self, made: Any, index: int, like: Any) -> Any:
        """One of several results of a folded node."""

    def read(self, x: Any, how: str, steps: Mapping[int, float], like: Any) -> Any:
        """A read-out of a folded node."""

    def fault(self, node: Any, message: str, help: Any, origin: str = "", code: str = "AKC0383") -> Diagnostic:
        """A refusal at the user's line."""


def times_of(values: list[Any]) -> set[Time]:
    """The times of those values that have one."""
    return {v.time for v in values if isinstance(v, Step)}


def short_name(node: Any) -> str:
    """The bare name of a node's operator, such as add."""
    if node.target is operator.getitem:
        return "getitem"
    return str(node.target).removeprefix("aten.").removeprefix("akc.").split(".")[0]


def shape_of(node: Any) -> tuple[int, ...]:
    """The shape of what a node gives."""
    return tuple(int(n) for n in node.meta["val"].shape)


def READ(x: Any, how: str, steps: Any) -> Any:
    """The mark of a read-out in a folded graph: how, and the factor of each step. It is never called."""
    return x


def WINDOWS(x: Any, count: int) -> Any:
    """The mark of sums over windows, side by side, in a folded graph. It is never called."""
    return x
