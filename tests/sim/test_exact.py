# SPDX-License-Identifier: Apache-2.0
"""Products and calibrated texts come out the same, to the last bit, whatever the processor and however many threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akc.ir.module import Array
from akc.sim.exact import FLOAT_BITS, HALF_BITS, MOST_TAPS, _pieces, cellwise, piece_bits, product, whole

SCRIPT = """
import hashlib, sys
from pathlib import Path
import numpy as np
import akc
from tests.cli import models

r = np.random.default_rng(3)
path = models.dense(Path(sys.argv[1]) / "m.onnx", inputs=300, hidden=64)
x = r.uniform(0, 1, (600, 300)).astype(np.float32)
text = akc.print_module(akc.lower(str(path), calibrate=x))
float_x = r.normal(size=(64, 300)).astype(np.float32)
plain = float_x @ r.normal(size=(300, 50)).astype(np.float32)
print(hashlib.sha256(text.encode()).hexdigest(), hashlib.sha256(plain.tobytes()).hexdigest())
"""

MACHINES = {
    "as it is": {},
    "two threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "AVX2": {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    "SSE3": {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
}
"""What OpenBLAS and numpy take for other processors (https://numpy.org/doc/stable/reference/simd/build-options.html)."""


def _on(machine: str, folder: Path) -> list[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **MACHINES[machine]}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_calibrated_texts_do_not_depend_on_the_processor(tmp_path: Path) -> None:
    found = {machine: _on(machine, tmp_path) for machine in MACHINES}
    assert len({text for text, _ in found.values()}) == 1, found
    if platform.machine() == "x86_64":
        assert len({plain for _, plain in found.values()}) > 1, "the settings change nothing, so the test says nothing"


@given(st.integers(1, 40), st.integers(1, 300), st.integers(1, 12), st.floats(1e-20, 1e20), st.integers(0, 2**32 - 1))
def test_products_are_as_near_as_floats_can_be(n: int, inputs: int, units: int, size: float, seed: int) -> None:
    r = np.random.default_rng(seed)
    x = r.normal(size=(n, inputs)).astype(np.float32)
    matrix = (r.normal(size=(inputs, units)) * size).astype(np.float32)
    matrix[r.random(matrix.shape) < 0.3] = 0
    wanted = x.astype(np.float64) @ matrix.astype(np.float64)
    largest = np.abs(x).max(axis=1, keepdims=True) * np.abs(matrix).max(axis=0)
    assert (np.abs(product(matrix)(x) - wanted) <= largest * inputs * 2.0**-23).all()


@pytest.mark.parametrize("inputs", [1, 7, 2**17 + 3])
def test_products_of_whole_numbers_are_exact(inputs: int) -> None:
    r = np.random.default_rng(inputs)
    x = r.integers(0, 16, (3, inputs)).astype(np.float32)
    matrix = r.integers(-7, 8, (inputs, 4)).astype(np.float32)
    wanted = (x.astype(np.int64) @ matrix.astype(np.int64)).astype(np.float32)
    np.testing.assert_array_equal(product(matrix)(x), wanted)


@pytest.mark.parametrize(
    ("x", "matrix"),
    [
        (np.zeros((2, 3), np.float32), np.ones((3, 4), np.float32)),
        (np.ones((2, 3), np.float32), np.zeros((3, 4), np.float32)),
        (np.ones((0, 3), np.float32), np.ones((3, 4), np.float32)),
        (np.full((2, 3), 2**20, np.float32), np.full((3, 4), 2**-20, np.float32)),
        (np.full((1, 3), 1 - 2**-24, np.float32), np.full((3, 1), 1 - 2**-24, np.float32)),
    ],
)
def test_products_at_the_ends(x: Array, matrix: Array) -> None:
    wanted = (x.astype(np.float64) @ matrix.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(product(matrix)(x), wanted)


@pytest.mark.parametrize("inputs", [1, 2, 3, 31, 32, 33, 2**16, 2**17, 2**17 + 1, 2**18, 2**18 + 1, 2**21, 2**24])
def test_no_sum_leaves_the_whole_numbers_of_a_double(inputs: int) -> None:
    """The largest sum that a row of the largest numbers can give is a whole number that doubles hold; one bit more
    in a piece would not be, unless the pieces are halves already."""
    bits = piece_bits(inputs)
    assert inputs * 2**FLOAT_BITS * 2**bits <= 2**53
    assert bits == FLOAT_BITS or inputs * 2**FLOAT_BITS * 2**FLOAT_BITS > 2**53
    assert bits >= HALF_BITS or inputs * 2**FLOAT_BITS * 2 ** (bits + 1) > 2**53


def test_pieces_add_up_and_keep_to_their_bits() -> None:
    numbers = np.array([[2.0**24 - 1], [-(2.0**24)], [0.0], [12345.0]])
    for bits in (12, 9, 5, 1):
        pieces = _pieces(numbers, bits)
        np.testing.assert_array_equal(sum(piece * unit for piece, unit in pieces), numbers)
        assert all(np.abs(piece).max() <= 2**bits for piece, _ in pieces)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    r = np.random.default_rng(0)
    x, matrix = r.normal(size=(50, 90)).astype(np.float32), r.normal(size=(90, 11)).astype(np.float32)
    x[7] *= 1e6
    multiply = product(matrix)
    alone = np.concatenate([multiply(row[None]) for row in x])
    np.testing.assert_array_equal(multiply(x), alone)


@pytest.mark.parametrize("taps", [1, 9, 25, MOST_TAPS])
def test_channels_side_by_side_are_the_products_of_each(taps: int) -> None:
    """To the last bit, whatever the sizes of the numbers."""
    rng = np.random.default_rng(taps)
    sizes = (10.0 ** rng.uniform(-6, 6, (taps, 40, 5))).astype(np.float32)
    x = (rng.normal(size=sizes.shape) * sizes).astype(np.float32)
    weight = (rng.normal(size=(taps, 5)) * 10.0 ** rng.uniform(-3, 3, (taps, 5))).astype(np.float32)
    found = cellwise(weight)(list(x))
    for channel in range(5):
        wanted = product(weight[:, channel : channel + 1])(np.ascontiguousarray(x[:, :, channel].T))
        np.testing.assert_array_equal(found[:, channel], wanted[:, 0])


def test_few_inputs_need_one_product() -> None:
    """Up to 32 the sum of 24 by 24 bits is exact in one piece, so that it is the one of two halves."""
    rng = np.random.default_rng(3)
    matrix, rows = (rng.normal(size=shape).astype(np.float32) for shape in ((MOST_TAPS, 7), (50, MOST_TAPS)))
    numbers, power = whole(matrix, FLOAT_BITS, 0)
    x, row_power = whole(rows, FLOAT_BITS, 1)
    halves = sum(x @ piece * unit for piece, unit in _pieces(numbers, HALF_BITS))
    np.testing.assert_array_equal(product(matrix)(rows), (halves * row_power * power).astype(np.float32))
    largest = np.abs(rows).max(axis=1, keepdims=True)
    np.testing.assert_array_equal(product(matrix)(rows, largest), product(matrix)(rows))
