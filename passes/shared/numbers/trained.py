# SPDX-License-Identifier: Apache-2.0
"""Layers that were trained with whole-number weights: their integers, and the quantiser behind them, as they are."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.numbers.staircases import Fit, Limits, as_fraction, fit, staircase
from akc.passes.shared.rewriting.identities import is_identity

Whole = npt.NDArray[np.int64]

WIDEST = {False: 7, True: 127}
"""The largest weight, on the mesh and in the image layer."""

NEAR = 1e-3
"""How far from a whole number of steps a weight may be that was one: float32 leaves 1e-5 at most."""


@frozen(kw_only=True)
class Kept:
    """What became of a layer whose weights or levels the source had quantised.

    layer, origin: as in the text; filters, exact: how many there are, and how many give every level as the source does;
    off, reachable: boundaries between levels that lie elsewhere, and all that some input reaches; units: by how many
    potentials, all together; ties: boundaries whose place is a whole number; why: what had to be quantised again, in
    words, "" where nothing was.
    """

    layer: str
    origin: tuple[str, ...] = ()
    filters: int = 0
    exact: int = 0
    off: int = 0
    reachable: int = 0
    units: int = 0
    ties: int = 0
    times: int = 1
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether every level is the source's for every potential that can occur."""
        return not self.why and not self.off


@frozen
class KeptLayers:
    """What lower-int4 kept of a source that was quantised already."""

    layers: tuple[Kept, ...] = field(factory=tuple)

    def __str__(self) -> str:
        kept = [one for one in self.layers if not one.why]
        whole = len(kept) == len(self.layers) and all(one.holds for one in kept)
        levels = (
            "every level equal to the source's"
            if whole
            else f"{sum(one.holds for one in kept)} of them level for level"
        )
        return f"{len(kept)} of {len(self.layers)} layers; {levels}"


def weight_steps(module: Module, op: nn.Dense | nn.Conv) -> npt.NDArray[np.float64] | None:
    """The size of one, with its sign, of each filter's whole weights; 1 for identities that akc inserted."""
    if op.weight_step is not None:
        return module.array(op.weight_step).astype(np.float64)
    return np.ones(module.weights[op.weight].type.shape[0]) if is_identity(op, module) else None


def whole_weights(module: Module, op: nn.Dense | nn.Conv) -> Whole | None:
    """The integers of a layer's weights, in their shape; None where its weights were no whole numbers."""
    if op.weight_step is None:
        return np.asarray(module.array(op.weight), np.int64) if is_identity(op, module) else None
    weight = module.array(op.weight).astype(np.float64)
    step = module.array(op.weight_step).astype(np.float64).reshape(-1, *(1,) * (weight.ndim - 1))
    found = np.divide(weight, step, out=np.zeros_like(weight), where=step != 0)
    whole = np.rint(found)
    known = (np.abs(found - whole) <= NEAR).all() and not weight[np.broadcast_to(step == 0, weight.shape)].any()
    return np.asarray(whole, np.int64) if known else None


@frozen(eq=False, kw_only=True)
class Row:
    """One filter: whole weights as they are stored, what a potential and none of it are worth, all potentials.

    alpha is above 0, but for a filter without weights, where it is 0.
    """

    weights: Whole
    alpha: Fraction
    beta: Fraction
    span: tuple[int, int]

    @property
    def common(self) -> int:
        """What all weights are multiples of."""
        return int(np.gcd.reduce(self.weights, axis=None)) or 1

    def times(self, factor: int) -> Whole:
        """The weights without their common divisor, times a factor."""
        return self.weights // self.common * factor


def fitted(op: nn.Levels, found: list[Row], largest: int, registers: Limits) -> list[Fit]:
    """Threshold and step of each filter for the quantiser behind it; largest: what a weight may be."""
    fits: dict[Any, Fit] = {}
    result = []
    for row in found:
        alpha = row.alpha or as_fraction(op.scale)
        common = row.common
        most = largest * common // max(1, int(np.abs(row.weights).max(initial=0)))
        key = (alpha, row.beta, row.span, common, most)
        if key not in fits:
            fits[key] = fit(staircase(op, alpha, row.beta), row.span, common, most, registers)
        result.append(fits[key])
    return result


def summed_up(name: str, origin: tuple[str, ...], fits: list[Fit]) -> Kept:
    """The figures of a layer."""
    return Kept(
        layer=name,
        origin=origin,
        filters=len(fits),
        exact=sum(not one.units for one in fits),
        off=sum(one.off for one in fits),
        reachable=sum(one.reachable for one in fits),
        units=sum(one.units for one in fits),
        ties=sum(one.ties for one in fits),
        times=max((one.times for one in fits), default=1),
    )


def cells_of(module: Module, pool: Any) -> int:
    """Cells that a global average sums, 1 without one."""
    return prod(module.net.types[pool.x].shape[:2]) if isinstance(pool, nn.Mean) else 1
