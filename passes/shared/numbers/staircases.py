# SPDX-License-Identifier: Apache-2.0
"""A quantiser behind a layer of whole-number weights as threshold and step, and whether every level is the same.

The source reaches level k from the potential t_k = (scale (k - c - zero) - beta) / alpha on; potentials are whole, so
that is from a whole number B_k on. The chip reaches it from T + 1 + floor((k - 1) S / n) on, with S sixteenths of
act_step and n levels (docs/akd1000/arithmetic.md). Multiplying all weights of a filter by m makes the chip's places
finer. All of it is worked out in fractions: a potential that lies halfway between two levels must be seen as such.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.ir.ops import nn
from akc.targets import Registers

Limits = tuple[Registers, int]
"""What a filter's registers hold, and the largest potential that is not cut."""

HALVES = ("even", "odd", "upper", "lower")
REACH = 2
"""How far from the best place, in units of one potential of the source, threshold and step are looked for."""


RARE = 1e-2
"""How much it counts which of the boundaries are off, and whether to one side, beside how many are."""


@frozen(kw_only=True)
class Fit:
    """A filter: `times` its weights, threshold and sixteenths of act_step.

    off: boundaries that lie elsewhere than the source's; units: by how many potentials, all together; reachable:
    boundaries that some input reaches; ties: boundaries whose place is a whole number.
    """

    times: int
    threshold: int
    sixteenths: int
    off: int
    units: int
    reachable: int
    ties: int


@frozen(kw_only=True)
class Staircase:
    """The levels of a quantiser, over potentials: x = alpha * P + beta, alpha above 0."""

    alpha: Fraction
    beta: Fraction
    scale: Fraction
    zero: Fraction
    top: int
    rounding: str

    def places(self) -> list[Fraction]:
        """t_k for k = 1 ... top."""
        shift = Fraction(1, 2) if self.rounding in HALVES else Fraction(int(self.rounding == "up"))
        return [(self.scale * (k - shift - self.zero) - self.beta) / self.alpha for k in range(1, self.top + 1)]

    def boundaries(self) -> list[int]:
        """B_k, the smallest whole potential at level k or above, for k = 1 ... top."""
        return [floor(t) + int(not (t.denominator == 1 and self._belongs(k))) for k, t in enumerate(self.places(), 1)]

    def _belongs(self, k: int) -> bool:
        """Whether a potential exactly at the place of level k is at level k."""
        return {"even": k % 2 == 0, "odd": k % 2 == 1}.get(self.rounding, self.rounding in ("upper", "down"))


def as_fraction(number: float) -> Fraction:
    """A number as the float32 that the source computes with."""
    return Fraction(float(np.float32(number)))


def staircase(op: nn.Levels, alpha: Fraction, beta: Fraction) -> Staircase:
    """The staircase of nn.levels over potentials."""
    return Staircase(
        alpha=alpha,
        beta=beta,
        scale=as_fraction(op.scale),
        zero=Fraction(op.zero),
        top=op.top,
        rounding=op.rounding,
    )


def fit(stairs: Staircase, span: tuple[int, int], common: int, most: int, registers: Limits) -> Fit:
    """The smallest factor with which every reachable level is right; else the one with the fewest potentials wrong.

    span: the smallest and the largest potential; common: what all weights, and so all potentials, are multiples of,
    and are divided by; most: the largest factor of the weights divided so.
    """
    stairs = evolve(stairs, alpha=stairs.alpha * common)
    low, high = span[0] // common, span[1] // common
    found: Fit | None = None
    for times in range(1, max(1, most) + 1):
        if times > 1 and max(-low, high) * times > registers[1]:
            break
        one = _fit_times(stairs, low, high, times, registers)
        if found is None or one.units < found.units:
            found = one
        if not one.units:
            break
    assert found is not None
    return found


def _fit_times(stairs: Staircase, low: int, high: int, times: int, registers: Limits) -> Fit:
    wanted, levels = stairs.boundaries(), stairs.top + 1
    slope = float(stairs.scale * levels * times / stairs.alpha)
    places = stairs.places()
    reach = [k for k, b in enumerate(wanted) if low < b <= high]
    counted: dict[str, Any] = {
        "times": times,
        "reachable": len(reach),
        "ties": sum(places[k].denominator == 1 for k in reach),
    }
    lost = sum(abs(wanted[k]) * times > registers[1] for k in reach)
    exact = _exact(wanted, low, high, times, levels, slope, registers)
    threshold, sixteenths, off, units = exact or _nearest(wanted, low, high, times, levels, slope, registers)
    return Fit(threshold=threshold, sixteenths=sixteenths, off=off + lost, units=units + lost, **counted)


def _exact(
    wanted: list[int], low: int, high: int, times: int, levels: int, slope: float, registers: Limits
) -> tuple[int, int, int, int] | None:
    """As _nearest, with no boundary off: every reachable one lies between the same two potentials."""
    beyond = -(10**30)
    least = [times * high if b > high else beyond if b <= low else times * (b - 1) for b in wanted]
    most = [10**30 if b > high else times * low - 1 if b <= low else times * b - 1 for b in wanted]
    first = min(max(times * (wanted[0] - 1), -registers[0].threshold), registers[0].threshold - times + 1)
    for threshold in range(first, first + times):
        if not least[0] <= threshold <= most[0]:
            continue
        lower, upper = 1, registers[0].sixteenths
        for k in range(1, len(wanted)):
            lower = max(lower, -((levels * (threshold - least[k])) // k))
            upper = min(upper, -((levels * (threshold - most[k] - 1)) // k) - 1)
        if lower <= upper:
            return threshold, min(max(round(slope), lower), upper), 0, 0
    return None


def _nearest(
    wanted: list[int],
    low: int,
    high: int,
    times: int,
    levels: int,
    slope: float,
    registers: Limits,
) -> tuple[int, int, int, int]:
    """Threshold, sixteenths, boundaries off and by how many potentials.

    As few potentials as can be get another level; among equals those of high levels, which are rarer, and as many a
    higher one as a lower one, so that the next layer's sums err to neither side.
    """
    whole = np.clip(np.asarray([max(min(b, 2**40), -(2**40)) for b in wanted], np.int64), low, high + 1)
    span, beyond = REACH * times, registers[0].threshold
    middle = min(max(times * min(max(wanted[0], -(2**40)), 2**40) - 1, -beyond), beyond)
    thresholds = np.clip(np.arange(middle - span, middle + span + 1), -beyond, beyond)
    size = min(max(round(slope), 1), registers[0].sixteenths)
    sixteenths = np.clip(np.arange(size - span - 1, size + span + 2), 1, registers[0].sixteenths)
    steps = (np.arange(len(wanted))[:, None] * sixteenths) // levels
    places = thresholds[:, None, None] + 1 + steps
    reached = np.clip(-(-places // times), low, high + 1)
    early = whole[:, None] - reached
    often = np.exp(-2 * (np.arange(1, len(wanted) + 1) / len(wanted)) ** 2)[:, None]
    cost = np.abs(early).sum(axis=1) + RARE * (np.abs(early * often).sum(axis=1) + abs((early * often).sum(axis=1)))
    distance = np.abs(sixteenths - slope)[None] * 1e-6 + np.abs(thresholds - middle)[:, None] * 1e-9
    best = np.unravel_index(int(np.argmin(cost + distance)), cost.shape)
    missed = np.abs(early[best[0], :, best[1]])
    return int(thresholds[best[0]]), int(sixteenths[best[1]]), int((missed > 0).sum()), int(missed.sum())
