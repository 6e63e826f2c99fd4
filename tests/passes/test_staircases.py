# SPDX-License-Identifier: Apache-2.0
"""Quantisers as thresholds and steps: what is claimed exact is held against every potential there is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from akc.passes.shared.numbers.staircases import Staircase, fit
from akc.sim.integer import POTENTIAL_MAX, LayerNumbers, activate
from akc.targets import load_target

MESH = (load_target("akd1000").numbers.registers, POTENTIAL_MAX)

ROUNDINGS = ("even", "odd", "upper", "lower", "down", "up")


def _random(rng: np.random.Generator) -> tuple[Staircase, tuple[int, int]]:
    power = rng.random() < 0.5
    alpha = Fraction(1, 2 ** int(rng.integers(2, 7))) if power else Fraction(float(np.float32(rng.uniform(0.01, 0.4))))
    beta = Fraction(int(rng.integers(-40, 40)), 8) if power else Fraction(float(np.float32(rng.normal())))
    top = int(rng.choice([1, 3, 15]))
    stairs = Staircase(
        alpha=alpha,
        beta=beta,
        scale=Fraction(1, 2 ** int(rng.integers(0, 4))) if power else Fraction(float(np.float32(rng.uniform(0.1, 2)))),
        zero=Fraction(int(rng.integers(0, top + 1)) if rng.random() < 0.3 else 0),
        top=top,
        rounding=str(rng.choice(ROUNDINGS)),
    )
    return stairs, (-int(rng.integers(0, 400)), int(rng.integers(0, 400)))


def _level(stairs: Staircase, potential: int) -> int:
    """The source's level by its definition, in fractions."""
    x = (stairs.alpha * potential + stairs.beta) / stairs.scale + stairs.zero
    down, rest = x.__floor__(), x - x.__floor__()
    half = {"even": down % 2, "odd": 1 - down % 2, "upper": 1, "lower": 0}.get(stairs.rounding, 0)
    if stairs.rounding == "down":
        level = down
    elif stairs.rounding == "up":
        level = down + (rest > 0)
    else:
        level = down + (1 if rest > Fraction(1, 2) else half if rest == Fraction(1, 2) else 0)
    return min(max(level, 0), stairs.top)


@pytest.mark.parametrize("seed", range(4))
def test_claims_of_exactness_are_true_and_misses_are_counted(seed: int) -> None:
    rng, exact = np.random.default_rng(seed), 0
    for _ in range(150):
        stairs, (low, high) = _random(rng)
        found = fit(stairs, (low, high), 1, int(rng.integers(1, 8)), MESH)
        potentials = np.arange(low, high + 1)
        numbers = LayerNumbers(
            threshold=np.array([found.threshold]),
            steps=np.array([found.sixteenths]),
            bound=10**4,
            levels=stairs.top + 1,
        )
        ours = activate((potentials * found.times)[:, None], numbers)[:, 0]
        theirs = np.array([_level(stairs, int(p)) for p in potentials])
        assert int(np.abs(ours.astype(int) - theirs).sum()) == found.units
        assert (found.units == 0) == (found.off == 0)
        exact += found.units == 0
    assert 60 < exact < 150


def test_one_threshold_is_always_exact() -> None:
    rng = np.random.default_rng(9)
    for _ in range(100):
        stairs, span = _random(rng)
        if stairs.top == 1:
            assert fit(stairs, span, 1, 1, MESH).units == 0


def test_ties_to_even_cannot_be_said_in_equal_steps() -> None:
    stairs = Staircase(
        alpha=Fraction(1, 32), beta=Fraction(0), scale=Fraction(1), zero=Fraction(0), top=15, rounding="even"
    )
    found = fit(stairs, (-600, 600), 1, 7, MESH)
    assert (found.off, found.units, found.ties, found.reachable) == (7, 7, 15, 15)


def test_a_common_divisor_is_taken_out_first() -> None:
    stairs = Staircase(
        alpha=Fraction(float(np.float32(0.0371))), beta=Fraction(1, 3), scale=Fraction(1, 3), zero=Fraction(0), top=3,
        rounding="even",
    )  # fmt: skip
    halves = fit(stairs, (-200, 200), 2, 7, MESH)
    ones = fit(Staircase(**{**{k: getattr(stairs, k) for k in ("beta", "scale", "zero", "top", "rounding")},
                            "alpha": 2 * stairs.alpha}), (-100, 100), 1, 7, MESH)  # fmt: skip
    assert halves == ones
