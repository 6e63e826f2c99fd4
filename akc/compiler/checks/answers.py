# SPDX-License-Identifier: Apache-2.0
"""What a source answers, and how its arrays stand beside those of the import, whatever the order of their axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
from attrs import field, frozen

from akc.ir.module import Value
from akc.sim.registry import Array


@frozen(kw_only=True)
class Answers:
    """outputs: the results in the source's order; values: what its layers gave on the way, by the user's name, each
    [batch, ...] or a list of those over time; how: what ran it."""

    outputs: list[Array]
    values: Mapping[str, list[Array]] = field(factory=dict)
    how: str = ""


class SourceRunner(Protocol):
    """A source that can be run: a live module, a file through another program, an independent reading of a file."""

    name: str
    readout: str | None
    """How the user wants the results of all steps read, where the source does not say it."""

    @property
    def at_once(self) -> bool:
        """Whether all samples go in together."""

    def one_by_one(self) -> SourceRunner:
        """The same source, which takes each sample by itself, as it was traced."""

    def run(self, inputs: Mapping[str, Array], keep: str = "") -> Answers:
        """Results for inputs in the import's own layout, batch axis first.

        keep: "neurons" for what layers of neurons gave on the way, where the source has such layers, "all" for every
        layer's values.
        """


def aligned(source: Array, shape: tuple[int, ...], batch: int) -> Iterator[Array]:
    """The source's array as [batch, *shape], in every way that its axes allow: the batch may stand anywhere."""
    wanted = _bare(shape)
    array = np.asarray(source)
    for axis in [a for a, n in enumerate(array.shape) if n == batch] if batch > 1 else [None]:
        moved = array if axis is None else np.moveaxis(array, axis, 0)
        rest = moved.shape if axis is None else moved.shape[1:]
        if _bare(rest) == wanted:
            yield moved.reshape(batch, *shape)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


READ = {
    "count": lambda x: x.sum(axis=1),
    "membrane": lambda x: x.mean(axis=1),
    "max": lambda x: x.max(axis=1),
    "last": lambda x: x[:, -1],
}
"""What the read-outs that a user may choose do to [batch, T, ...]."""


def read_over_time(source: Array, how: str, value: Value, steps: int, batch: int) -> Iterator[Array]:
    """A result of all steps, read as the user wants, as [batch, *shape]."""
    if how not in READ:
        return
    for over_time in aligned(source, (steps, *value.type.shape), batch):
        yield READ[how](over_time.astype(np.float64))
