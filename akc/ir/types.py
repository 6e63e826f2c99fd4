# SPDX-License-Identifier: Apache-2.0
"""Tensor types: an element type, a shape, and a leading time axis where there is one."""

from __future__ import annotations

from math import prod

import numpy as np
from attrs import evolve, frozen


@frozen
class ElementType:
    """A row of the table of element types; `low` and `high` are the smallest and largest legal value.

    Narrow signed types are symmetric, since a chip weight is a sign and a magnitude: -8 is no i4.
    """

    name: str
    bits: int
    numpy: np.dtype[np.generic]
    low: int | None = None
    high: int | None = None


def _integer(name: str, bits: int, numpy: type[np.generic], low: int, high: int) -> ElementType:
    return ElementType(name, bits, np.dtype(numpy), low, high)


ELEMENT_TYPES: dict[str, ElementType] = {
    row.name: row
    for row in (
        ElementType("f32", 32, np.dtype(np.float32)),
        _integer("i64", 64, np.int64, -(2**63), 2**63 - 1),
        _integer("i32", 32, np.int32, -(2**31), 2**31 - 1),
        _integer("i8", 8, np.int8, -128, 127),
        _integer("i4", 4, np.int8, -7, 7),
        _integer("i2", 2, np.int8, -1, 1),
        _integer("u8", 8, np.uint8, 0, 255),
        _integer("u4", 4, np.uint8, 0, 15),
        _integer("u3", 3, np.uint8, 0, 7),
        _integer("u2", 2, np.uint8, 0, 3),
        _integer("u1", 1, np.uint8, 0, 1),
    )
}


@frozen
class TensorType:
    """`f32[T=100, 700]`: element type f32, 100 time steps, shape (700,). No batch axis, ever."""

    dtype: str
    shape: tuple[int, ...]
    steps: int | None = None

    @property
    def element(self) -> ElementType:
        """The row of the element type."""
        return ELEMENT_TYPES[self.dtype]

    @property
    def size(self) -> int:
        """Number of elements of one time step."""
        return prod(self.shape)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """The shape with the time axis in front, where there is one."""
        return self.shape if self.steps is None else (self.steps, *self.shape)

    def with_shape(self, *shape: int) -> TensorType:
        """The same elements and time in another shape."""
        return evolve(self, shape=tuple(shape))

    def __str__(self) -> str:
        time = [] if self.steps is None else [f"T={self.steps}"]
        return f"{self.dtype}[{', '.join(time + [str(n) for n in self.shape])}]"
