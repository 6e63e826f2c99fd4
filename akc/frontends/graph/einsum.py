# SPDX-License-Identifier: Apache-2.0
"""Einstein sums of two values that are one matrix product between transpositions."""

from __future__ import annotations

from attrs import frozen


@frozen
class Product:
    """x transposed by `first`, times y transposed by `second`, the result transposed by `last`."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    last: tuple[int, ...]


def as_product(equation: str) -> Product | None:
    """The product that an equation says; None for sums of another kind.

    One letter is summed over, one is of the first value only, one of the second, and all others are of all three.

    >>> as_product("bnd,bmd->bnm")
    Product(first=(0, 1, 2), second=(0, 2, 1), last=(0, 1, 2))
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    names = left.split(",")
    if not arrow or len(names) != 2 or "." in left or any(len(set(word)) != len(word) for word in (*names, result)):
        return None
    x, y = names
    shared = [c for c in result if c in x and c in y]
    summed = [c for c in x if c in y and c not in result]
    rows = [c for c in x if c not in y]
    columns = [c for c in y if c not in x]
    if not len(summed) == len(rows) == len(columns) == 1 or sorted(result) != sorted(shared + rows + columns):
        return None
    made = shared + rows + columns
    return Product(
        tuple(x.index(c) for c in (*shared, *rows, *summed)),
        tuple(y.index(c) for c in (*shared, *summed, *columns)),
        tuple(made.index(c) for c in result),
    )


def as_dense(equation: str) -> bool | None:
    """Whether the stored matrix of "abx,xy->aby" stands inputs first; None for sums of another kind.

    >>> as_dense("bnx,yx->bny")
    False
    """
    left, _, result = equation.partition("->")
    x, _, y = left.partition(",")
    if len(y) != 2 or len(set(x + result)) != len(x) + 1 or x[:-1] != result[:-1] or {x[-1], result[-1]} != set(y):
        return None
    return y[0] == x[-1]
