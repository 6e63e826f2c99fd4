# SPDX-License-Identifier: Apache-2.0
"""Weight memories: decoding is the inverse of encoding for every kernel and weight type, and sizes are as placed."""

from __future__ import annotations

import numpy as np
import pytest

from akc.base.diagnostics import DiagnosticError
from akc.targets.akida1.np_memory import conv_lines, dense_words, separable_bytes
from akc.targets.akida1.program import cnp_memory, fnp_memory, hrc, number_forms

RANGES = {1: (0, 1), 2: (-1, 1), 4: (-7, 7)}
RNG = np.random.default_rng(11)


def _draw(bits: int, *shape: int) -> number_forms.Integers:
    low, high = RANGES[bits]
    return RNG.integers(low, high + 1, shape).astype(np.int8)


@pytest.mark.parametrize("bits", RANGES)
@pytest.mark.parametrize("inputs", [1, 31, 32, 33, 100])
def test_dense_memory(bits: int, inputs: int) -> None:
    memory = fnp_memory.Memory(_draw(bits, 5, inputs), bits, np.array([-(2**19), -1, 0, 1, 2**19 - 1]),
                               np.array([1 / 16, 1, 2.5, 60, 65535.9375], np.float32))  # fmt: skip
    words = fnp_memory.encode(memory)
    assert len(words) == dense_words(inputs, bits, 5)
    back = fnp_memory.decode(words, inputs, bits, activation=True)
    assert np.array_equal(back.weights, memory.weights)
    assert np.array_equal(back.thresholds, memory.thresholds)
    assert np.array_equal(back.steps, memory.steps)


def test_dense_memory_bit_by_bit() -> None:
    weights = np.zeros((1, 40), np.int8)
    weights[0, 33] = -5
    words = fnp_memory.encode(fnp_memory.Memory(weights, 4))
    assert [(i, int(word)) for i, word in enumerate(words) if word] == [(0, 0x80000), (13, 2), (15, 2)]


@pytest.mark.parametrize("bits", RANGES)
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("filters", [1, 7, 8, 9, 25])
def test_convolution_memory(kernel: int, bits: int, filters: int) -> None:
    weights = _draw(bits, filters, kernel, kernel, 3)
    words = cnp_memory.encode_filters(weights, bits)
    assert len(words) == 16 * 3 * conv_lines(kernel, bits, filters)
    assert np.array_equal(cnp_memory.decode_filters(words, kernel, bits, filters), weights)


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_separable_memory(kernel: int, bits: int, channels: int) -> None:
    depthwise, pointwise = _draw(bits, channels, kernel, kernel), _draw(bits, 13, channels)
    first, second = cnp_memory.encode_depthwise(depthwise, bits), cnp_memory.encode_pointwise(pointwise, bits)
    assert np.array_equal(cnp_memory.decode_depthwise(first, kernel, bits, channels), depthwise)
    assert np.array_equal(cnp_memory.decode_pointwise(second, bits, 13), pointwise)
    start = cnp_memory.pointwise_start(kernel, bits, channels)
    rows = 8 * start + len(second) // 2
    assert len(first) // 2 <= 8 * start
    assert -(-50 * rows // 8) == separable_bytes(kernel, bits, channels, 13)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_image_memory(kernel: int, channels: int) -> None:
    filters = 200 if (kernel, channels) == (3, 1) else 20
    weights = RNG.integers(-128, 128, (filters, kernel, kernel, channels)).astype(np.int8)
    banks = {number: words for number, words in enumerate(hrc.encode_banks(weights)) if len(words)}
    assert np.array_equal(hrc.decode_banks(banks, kernel, channels, filters), weights)


def test_image_thresholds() -> None:
    thresholds, steps = np.array([-(2**23), 2**23 - 1]), np.array([1 / 16, 1048575.9375], np.float32)
    words = hrc.encode_thresholds(thresholds, steps)
    assert [array.tolist() for array in hrc.decode_thresholds(words)] == [thresholds.tolist(), steps.tolist()]


def test_steps_are_cut_to_sixteenths() -> None:
    assert number_forms.stored_steps(np.array([0.99, 1.0, 1.06, 1.07], np.float32), 20).tolist() == [15, 16, 16, 17]


@pytest.mark.parametrize("step", [0.0, 0.06, 65536.0, np.nan, np.inf])
def test_steps_out_of_range_are_refused(step: float) -> None:
    with pytest.raises(DiagnosticError, match="AKC0612"):
        number_forms.stored_steps(np.array([1.0, step], np.float32), 20)


@pytest.mark.parametrize("threshold", [-(2**19) - 1, 2**19])
def test_thresholds_out_of_range_are_refused(threshold: int) -> None:
    with pytest.raises(DiagnosticError, match="AKC0612"):
        number_forms.stored_thresholds(np.array([threshold]), 20)


def test_dense_inputs_are_reordered() -> None:
    weights = np.arange(2 * 3 * 4, dtype=np.int16)[None]
    chip = number_forms.dense_to_chip(weights, (2, 3, 4))
    for d0, d1, channel in np.ndindex(2, 3, 4):
        assert chip[0, d0 + 2 * (d1 + 3 * channel)] == weights[0, (d0 * 3 + d1) * 4 + channel]
    assert np.array_equal(number_forms.dense_from_chip(chip, (2, 3, 4)), weights)
