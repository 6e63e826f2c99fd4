# SPDX-License-Identifier: Apache-2.0
"""Matrix products of floats with the same last bit on every machine.

BLAS adds in an order of its own, which depends on the processor and on the number of threads, so the last bits of
a float product do, too; a weight that is rounded to 4 bits by such a number falls to one side here and to the other
there. Whole numbers have no such trouble: as long as every partial sum stays below 2**53, doubles add them exactly, in
any order. So factors become whole numbers times a power of two: 24 bits, as many as a float32 holds, where 24 is
counted from the largest of a row (of the left factor) or a column (of the right one). The right one is cut into two
halves of 12 bits where a product in one piece could leave 53 (the splitting of Ozaki et al., Error-free transformations
of matrix multiplication, 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from akc.sim.registry import Array

Doubles = npt.NDArray[np.float64]

SUM_BITS, FLOAT_BITS, HALF_BITS = 53, 24, 12


def whole(x: Array, bits: int, axis: int) -> tuple[Doubles, Doubles]:
    """Whole numbers of at most so many bits, and powers of two, one along `axis`: their product is x, rounded."""
    largest = np.maximum(x.max(axis=axis, keepdims=True, initial=0.0), -x.min(axis=axis, keepdims=True, initial=0.0))
    return _scaled(x, largest, bits)


def _scaled(x: Array, largest: Array, bits: int) -> tuple[Doubles, Doubles]:
    """The same for numbers whose largest magnitudes are known."""
    exponent = np.frexp(largest)[1] - bits
    numbers: Doubles = x * np.ldexp(1.0, -exponent)
    return np.rint(numbers, out=numbers), np.ldexp(1.0, exponent)


def piece_bits(inputs: int) -> int:
    """Bits of the right factor's pieces: with so many, sums of `inputs` products stay within SUM_BITS."""
    spare = SUM_BITS - FLOAT_BITS - int(inputs - 1).bit_length()
    return FLOAT_BITS if spare >= FLOAT_BITS else min(HALF_BITS, spare)


def product(matrix: Array) -> Callable[..., Array]:
    """A function from rows [n, inputs] to rows @ matrix [n, units]; matrix: float32 [inputs, units].

    Rows of float32 give float32, the same on every machine; rows of float64 give float64, as BLAS adds. Its second
    argument, where the caller knows it, is the largest magnitude of each row [n, 1].
    """
    inputs = max(len(matrix), 1)
    numbers, power = whole(matrix, FLOAT_BITS, 0)
    bits = piece_bits(inputs)
    pieces = [(numbers, 1.0)] if bits == FLOAT_BITS else _pieces(numbers, bits)

    def multiply(rows: Array, largest: Array | None = None) -> Array:
        if rows.dtype == np.float64:
            return np.asarray(rows @ matrix.astype(np.float64))
        x, row_power = whole(rows, FLOAT_BITS, 1) if largest is None else _scaled(rows, largest, FLOAT_BITS)
        total = x @ pieces[0][0] * pieces[0][1]
        for piece, unit in pieces[1:]:
            total += x @ piece * unit
        result: Array = (total * row_power * power).astype(np.float32)
        return result

    return multiply


def cellwise(weight: Array) -> Callable[[Sequence[Array]], Array]:
    """A function from taps, arrays [..., channels], to the sum of tap * weight; weight: float32 [taps, channels].

    The same numbers as `product` gives for each channel alone, all channels at a time.
    """
    numbers, power = whole(weight, FLOAT_BITS, 0)

    def add_up(taps: Sequence[Array]) -> Array:
        if taps[0].dtype == np.float64:
            return np.asarray(sum(tap * one for tap, one in zip(taps, weight.astype(np.float64))))
        largest = np.abs(taps[0])
        for tap in taps[1:]:
            np.maximum(largest, np.abs(tap), out=largest)
        exponent = np.frexp(largest)[1] - FLOAT_BITS
        scale, total = np.ldexp(1.0, -exponent), np.zeros(largest.shape)
        for tap, one in zip(taps, numbers):
            x = tap * scale
            np.rint(x, out=x)
            x *= one
            total += x
        return np.asarray(total * np.ldexp(1.0, exponent) * power, np.float32)

    return add_up


MOST_TAPS = 2 ** (SUM_BITS - 2 * FLOAT_BITS)
"""So many products of two numbers of 24 bits add up exactly in one sum."""


def _pieces(numbers: Doubles, bits: int) -> list[tuple[Doubles, float]]:
    """Whole numbers of at most so many bits, and what one of each is worth: added up, `numbers`."""
    pieces = []
    rest, unit = numbers, 1.0
    for _ in range(-(-FLOAT_BITS // bits) - 1):
        above = np.rint(rest / 2**bits)
        pieces.append((np.ascontiguousarray(rest - above * 2**bits), unit))
        rest, unit = above, unit * 2**bits
    pieces.append((np.ascontiguousarray(rest), unit))
    return [(piece, unit) for piece, unit in pieces[::-1] if piece.any()] or pieces[:1]
