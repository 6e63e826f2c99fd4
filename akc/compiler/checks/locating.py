# SPDX-License-Identifier: Apache-2.0
"""The first layer of an import whose values are not those of the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from attrs import frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.sim.registry import Array
from akc.sim.run import Values

CLOSE = 1e-4
"""Values of the two sides that differ by less, relative to the largest, are the same."""


@frozen
class Place:
    """origin: the user's names of the layer; said: the layer in words, and what agrees before it."""

    origin: tuple[str, ...]
    said: str


def first_difference(module: Module, ours: Values, theirs: Mapping[str, list[Array]]) -> Place:
    """The first operation whose values [1, ...] none of the source's own values of that layer equal.

    theirs: what each layer of the source gave, call by call. A layer that has no name in common with the source is
    passed over; where all others agree, what follows the last of them is meant.
    """
    sorted_values = {name: [_sorted(array) for array in _over_time(calls)] for name, calls in theirs.items()}
    everything = [array for arrays in sorted_values.values() for array in arrays]
    agreed: Op | None = None
    for op in module.net.ops:
        if isinstance(op, nn.Reshape | nn.Permute) or op.name not in ours:
            continue
        own = _sorted(ours[op.name])
        if any(_alike(own, other) for other in everything):
            agreed = op
            continue
        named = [a for name in _names(op) for a in sorted_values.get(name, ()) if len(a) == len(own)]
        if named:
            before = f"; {_called(agreed)} still agrees" if agreed is not None else ""
            return Place(op.origin, f"{_called(op)} is the first layer that differs{before}")
    if agreed is None:
        return Place((), "no layer of the two has a name in common")
    return Place(
        agreed.origin, f"every layer that has a name agrees, {_called(agreed)} the last; what follows it differs"
    )


def _called(op: Op | None) -> str:
    return "" if op is None else f"'{op.origin[-1]}' ({op.mnemonic})" if op.origin else f"%{op.name} ({op.mnemonic})"


def _names(op: Op) -> Iterator[str]:
    """What a source may call a layer: its path, or the result of its node."""
    for name in op.origin:
        yield name
        yield name.rpartition(" -> ")[2]


def _over_time(calls: list[Array]) -> Iterator[Array]:
    """The values of one call, of all calls side by side."""
    alike = [c for c in calls if c.shape == calls[0].shape]
    yield np.stack(alike)
    yield calls[0]


def _sorted(array: Array) -> Array:
    return np.sort(np.asarray(array, np.float64).reshape(-1))


def _alike(x: Array, y: Array) -> bool:
    if x.shape != y.shape:
        return False
    scale = max(1e-12, float(np.abs(y).max(initial=0.0)))
    return bool(np.allclose(x, y, rtol=0, atol=CLOSE * scale, equal_nan=True))
