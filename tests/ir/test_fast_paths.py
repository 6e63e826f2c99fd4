# SPDX-License-Identifier: Apache-2.0
"""The quick ways through megabytes of payload give what the careful ones give."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akc.base.diagnostics import DiagnosticError
from akc.ir.parser import _find_comments
from akc.ir.types import TensorType
from akc.ir.weights import Weight, _decode_hex_slowly

DTYPES = ("u1", "u2", "u3", "u4", "u8", "i2", "i4", "i8")


def outcome(weight: Weight, decode: object) -> object:
    """The numbers, or the message of the fault."""
    try:
        array = decode(weight)  # type: ignore[operator]
    except DiagnosticError as fault:
        return str(fault)
    return array.dtype, array.shape, array.tobytes()


@given(st.sampled_from(DTYPES), st.text("0123456789abcdefABCDEF \n\t\r", max_size=24), st.integers(0, 12))
@settings(max_examples=500, deadline=None)
def test_hex_digits(dtype: str, payload: str, count: int) -> None:
    weight = Weight(type=TensorType(dtype, (count,)), codec="hex", payload=payload)
    assert outcome(weight, lambda w: w.array) == outcome(weight, _decode_hex_slowly)


@pytest.mark.parametrize("char", ["g", "-", "é", "€", "\x00"])
def test_what_is_no_digit(char: str) -> None:
    weight = Weight(type=TensorType("i4", (3,)), codec="hex", payload=f"1{char}2")
    with pytest.raises(DiagnosticError, match="AKC0002"):
        _ = weight.array


def test_comments_stand_outside_of_strings() -> None:
    """Texts put together from pieces, each with what it holds of comments."""
    pieces = [
        ("// one\n", "// one"), ('"// no"', None), (r'"a \" // no"', None), ("%x = 3\n", None), ('"b64//Qz//"', None),
        ('"over\nlines // no"', None), ("//\n", "//"), ("/ 2 /\n", None), (r'"\\"', None), ('// "two\n', '// "two'),
    ]  # fmt: skip
    chance = random.Random(1)
    for _ in range(500):
        chosen = [chance.choice(pieces) for _ in range(chance.randrange(12))]
        text = "".join(piece for piece, _ in chosen)
        found = list(_find_comments(text))
        assert [comment for _, comment in found] == [comment for _, comment in chosen if comment is not None]
        assert all(text.startswith(comment, at) for at, comment in found)


def test_a_comment_may_end_the_text() -> None:
    assert list(_find_comments("x // last")) == [(2, "// last")]
    assert list(_find_comments('x "never closed // no')) == []
