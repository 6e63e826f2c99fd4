# SPDX-License-Identifier: Apache-2.0
"""Thresholds, steps and rounding, held against the definition: the nearest level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akc.passes.shared.numbers.evidence import Evidence
from akc.passes.shared.numbers.quantisation import (
    Levels,
    decoding,
    input_levels,
    quantized,
    smallest_scale,
    threshold_and_step,
)
from akc.passes.shared.numbers.rounding import (
    largest_scale,
    least_error_scale,
    limits,
    round_nearest,
    round_with_feedback,
)
from akc.targets import load_target

MESH = load_target("akd1000").numbers.registers


def levels_of(potentials: np.ndarray, threshold: np.ndarray, act_step: np.ndarray, bits: int) -> np.ndarray:
    """What the chip makes of potentials (docs/akd1000/arithmetic.md)."""
    steps = np.floor(act_step * 16)
    return np.clip(np.ceil((potentials - threshold) * 2**bits / steps), 0, 2**bits - 1)


@given(
    alpha=st.floats(1e-4, 0.05),
    beta=st.floats(-2, 2),
    top=st.floats(0.5, 20),
    bits=st.sampled_from([1, 2, 4]),
)
@settings(deadline=None)
def test_levels_are_the_nearest(alpha: float, beta: float, top: float, bits: int) -> None:
    """No potential is more than one unit, and a sixteenth a level, away from where the level should change."""
    out = Levels.spanning(0.0, top, bits)
    threshold, act_step = threshold_and_step(np.array([alpha]), np.array([beta]), out, MESH)
    potentials = np.arange(-3000, 3000)
    got = levels_of(potentials, threshold, act_step, bits)
    value = alpha * potentials + beta
    slack = alpha * (1.01 + out.top / 2**bits)
    low = np.clip(np.ceil((value - slack) / out.step - 0.5), 0, out.top)
    high = np.clip(np.floor((value + slack) / out.step + 0.5), 0, out.top)
    if np.abs(threshold[0]) < MESH.threshold and act_step[0] * 16 < MESH.sixteenths and act_step[0] > 1 / 16:
        assert ((got >= low) & (got <= high)).all()


def test_one_bit_is_exact() -> None:
    """With one bit, a unit fires exactly where the value is above half of its top."""
    out = Levels.spanning(0.0, 3.0, 1)
    threshold, act_step = threshold_and_step(np.array([0.01]), np.array([0.4321]), out, MESH)
    potentials = np.arange(-500, 500)
    assert (levels_of(potentials, threshold, act_step, 1) == (0.01 * potentials + 0.4321 > 1.5)).all()


def test_decoding_gives_the_value() -> None:
    """(P - threshold) / act_step is alpha * P + beta, to half a unit."""
    alpha, beta = np.array([0.01, 0.3]), np.array([-1.0, 2.5])
    threshold, act_step = decoding(alpha, beta)
    potentials = np.array([[100, -7]])
    got = (potentials - threshold) / act_step
    assert (np.abs(got - (alpha * potentials + beta)) <= alpha / 2 + 1e-6).all()


def test_registers_are_kept() -> None:
    """A weight step below the smallest one would put threshold or act_step out of range."""
    out = Levels.spanning(0.0, 4.0, 4)
    gain, beta = np.array([0.1]), np.array([-3.0])
    scale = smallest_scale(gain, beta, out, MESH)
    threshold, act_step = threshold_and_step(gain * scale, beta, out, MESH)
    assert abs(threshold[0]) <= MESH.threshold
    assert act_step[0] * 16 <= MESH.sixteenths


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.4242, 2.8215), (-1.0, 1.0), (0.0, 255.0), (-3.0, 0.0)])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_inputs(low: float, high: float, bits: int) -> None:
    """Every input is at most about one level away from what its level stands for."""
    x = np.linspace(low, high, 999, dtype=np.float32)
    step, zero, levels = input_levels(low, high, bits, x)
    back = levels.step * quantized(x, step, zero, bits) + levels.offset
    assert np.abs(back - x).max() <= 1.05 * (high - low) / (2**bits - 1)
    assert 0 <= zero < 2**bits


def test_background_is_exact() -> None:
    """Where most inputs are one value, such as the black of digits, that one is met."""
    x = np.where(np.arange(1000) % 5 == 0, 2.8215, -0.4242).astype(np.float32)
    step, zero, levels = input_levels(-0.4242, 2.8215, 4, x)
    back = levels.step * quantized(x, step, zero, 4) + levels.offset
    np.testing.assert_allclose(back, x, atol=1e-5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_rounding_is_legal(bits: int) -> None:
    """Weights are whole numbers that the chip has."""
    matrix = np.random.default_rng(0).normal(size=(5, 40))
    low, high = limits(bits)
    for scale in (largest_scale(matrix, bits), least_error_scale(matrix, bits, np.ones(40), False)):
        whole = round_nearest(matrix, scale, bits)
        assert whole.min() >= low
        assert whole.max() <= high
        assert (whole == np.rint(whole)).all()


def test_least_error_is_less() -> None:
    """The mean-square-error step is no worse than the largest one."""
    matrix = np.random.default_rng(0).normal(size=(5, 400))

    def lost(scale: np.ndarray) -> float:
        return float(((matrix - round_nearest(matrix, scale, 2) * scale[:, None]) ** 2).sum())

    assert lost(least_error_scale(matrix, 2, np.ones(400), False)) < lost(largest_scale(matrix, 2))


def test_one_step_a_layer() -> None:
    """With per=layer all rows share a step."""
    matrix = np.random.default_rng(0).normal(size=(5, 40)) * np.arange(1, 6)[:, None]
    assert len(set(least_error_scale(matrix, 4, np.ones(40), True))) == 1


def _correlated(count: int = 400, inputs: int = 24) -> np.ndarray:
    random = np.random.default_rng(3)
    mixed = random.normal(size=(count, 6)) @ random.normal(size=(6, inputs)) + 0.3 * random.normal(size=(count, inputs))
    return np.clip(np.rint(mixed + 5), 0, 15)


def test_feedback_loses_less() -> None:
    """With correlated inputs, error feedback keeps the sums nearer than rounding to the nearest."""
    x = _correlated()
    matrix = np.random.default_rng(4).normal(size=(8, x.shape[1]))
    scale = largest_scale(matrix, 4)
    centred = x - x.mean(axis=0)
    moments = centred.T @ centred / len(x)

    def lost(whole: np.ndarray) -> float:
        return float(((centred @ (matrix - whole * scale[:, None]).T) ** 2).mean())

    assert lost(round_with_feedback(matrix, scale, 4, moments)) < 0.7 * lost(round_nearest(matrix, scale, 4))


def test_adjusted_weights_make_good() -> None:
    """Inputs that lost a part in front of the layer are weighed so that the sums come out again."""
    x = _correlated()
    matrix = np.random.default_rng(5).normal(size=(4, x.shape[1]))
    y = x @ matrix.T
    cut = np.minimum(x, 7)
    evidence = Evidence.of(cut, y)
    before = y - y.mean(axis=0) - (cut - cut.mean(axis=0)) @ matrix.T
    after = y - y.mean(axis=0) - (cut - cut.mean(axis=0)) @ evidence.adjusted(matrix).T
    assert (after**2).mean() < 0.5 * (before**2).mean()
