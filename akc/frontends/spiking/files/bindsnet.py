# SPDX-License-Identifier: Apache-2.0
"""The records of a BindsNET network: populations and connections (BindsNET 0.3.4, nodes.py and topology.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from attrs import frozen

from akc.base.checked import Array, Faults, Flag, Numbers, Real, Whole, Wholes, Word, checked, record, taken
from akc.frontends.torch.pickles import Bag

NUMBER = Numbers()
DECAY = Numbers(above=True, low=0, infinite=True)
SIZES = Wholes((1, 2, 3), low=1, high=1 << 16)


@frozen(kw_only=True)
class Nodes:
    """A population: n or shape, and the buffers that its class has."""

    n: int | None = checked(Whole(1, 1 << 24), None)
    shape: tuple[int, ...] = checked(Wholes((1, 2, 3, 4), low=1, high=1 << 24), ())
    s: Array | None = checked(Numbers(dtype=None, empty=True), None)
    thresh: Array | None = checked(Numbers(infinite=True), None)
    theta: Array | None = checked(NUMBER, None)
    reset: Array | None = checked(NUMBER, None)
    rest: Array | None = checked(NUMBER, None)
    tc_decay: Array | None = checked(DECAY, None)
    tc_i_decay: Array | None = checked(DECAY, None)
    refrac: float | None = checked(Real(0, 1e6), None)
    lbound: float | None = checked(Real(infinite=True), None)
    one_spike: bool | None = checked(Flag(), None)


@frozen(kw_only=True)
class Synapses:
    """A connection: w [in, out] or the kernels of its class, b [out]."""

    w: Array | None = checked(Numbers(axes=(1, 2, 3, 4, 5, 6)), None)
    value: Array | None = checked(Numbers(axes=(1, 2, 3, 4, 5, 6)), None)
    b: Array | None = checked(Numbers(axes=(0, 1)), None)
    kernel_size: tuple[int, ...] | None = checked(SIZES, None)
    stride: tuple[int, ...] | None = checked(SIZES, None)
    padding: tuple[int, ...] | None = checked(Wholes((1, 2, 3), low=0, high=1 << 16), None)
    dilation: tuple[int, ...] | None = checked(SIZES, None)


@frozen(kw_only=True)
class Feature:
    """A feature of a pipeline: its class, and the numbers that it multiplies or adds."""

    kind: str
    value: Array | None = checked(Numbers(axes=(0, 1, 2)), None)


NEEDS: dict[str, tuple[str, ...]] = {
    "LIFNodes": ("tc_decay", "thresh", "reset", "rest"),
    "BoostedLIFNodes": ("tc_decay", "thresh"),
    "CurrentLIFNodes": ("tc_decay", "tc_i_decay", "thresh", "reset", "rest"),
    "AdaptiveLIFNodes": ("tc_decay", "thresh", "reset", "rest", "theta"),
    "DiehlAndCookNodes": ("tc_decay", "thresh", "reset", "rest", "theta"),
    "IFNodes": ("thresh", "reset"),
    "Connection": ("w",),
    "SparseConnection": ("w",),
    "LocalConnection": ("w",),
    "LocalConnection1D": ("w", "kernel_size", "stride"),
    "LocalConnection2D": ("w", "kernel_size", "stride"),
    "Conv1dConnection": ("w",),
    "Conv2dConnection": ("w",),
}
"""What a class must have."""


def plain(raw: Any) -> dict[str, Any]:
    """The attributes of an object; None says that there is none."""
    values = raw.attributes() if isinstance(raw, Bag) else raw if isinstance(raw, Mapping) else {}
    return {key: value for key, value in values.items() if value is not None}


def read(cls: type[Any], kind: str, raw: Any, path: str, faults: Faults) -> dict[str, Any]:
    """The checked attributes of a population or connection that are there; {} and faults where some do not fit."""
    values = plain(raw)
    found = record(cls, values, path, faults)
    for key in NEEDS.get(kind, ()):
        if key not in values:
            faults.add(f"{path}/{key}", "missing", f"a {kind} has one")
    if found is None:
        return {}
    kept = {f.name: getattr(found, f.name) for f in attrs.fields(cls)}
    _fit_together(kept, path, faults)
    return {key: value for key, value in kept.items() if value is not None and not (key == "shape" and not value)}


def _fit_together(values: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Parameters of neurons that are added to each other."""
    thresh, theta = values.get("thresh"), values.get("theta")
    if thresh is None or theta is None:
        return
    try:
        np.broadcast_shapes(thresh.shape, theta.shape)
    except ValueError:
        faults.add(f"{path}/theta", f"{theta.size} numbers", f"{thresh.size} numbers, as thresh, or one")


def features(raw: Any, path: str, faults: Faults) -> list[Feature]:
    """The features of a pipeline."""
    found = []
    for index, bag in enumerate(raw if isinstance(raw, list | tuple) else ()):
        if not isinstance(bag, Bag):
            faults.add(f"{path}/{index}", "no object", "a feature of a pipeline")
            continue
        value = plain(bag).get("value")
        number = None if value is None else taken(Numbers(axes=(0, 1, 2)), value, f"{path}/{index}/value", faults)
        found.append(Feature(kind=bag.kind, value=number))
    return found


def ends_of(pair: Any, path: str, faults: Faults) -> tuple[str, str] | None:
    """The names of two populations."""
    if isinstance(pair, tuple | list) and len(pair) == 2:
        ends = [taken(Word(longest=200), end, path, faults) for end in pair]
        return None if None in ends else (str(ends[0]), str(ends[1]))
    faults.add(path, "no pair", "the names of two populations")
    return None
