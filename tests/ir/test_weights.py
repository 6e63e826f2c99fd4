# SPDX-License-Identifier: Apache-2.0
"""Weights: every codec reads back to the same bits, and bad payloads are refused at the digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from akc.base.diagnostics import DiagnosticError, Source, Span
from akc.ir.types import TensorType
from akc.ir.weights import LINE_DIGITS, Weight, encode
from tests.ir.strategies import weights


@given(weights())
@settings(max_examples=200, deadline=None)
def test_every_weight_reads_back_to_the_same_bits(weight: Weight) -> None:
    codec, lines = encode(weight)
    again = Weight(type=weight.type, codec=codec, payload="\n".join(lines), comments=weight.comments)
    assert again.array.tobytes() == weight.array.tobytes()
    assert again == weight


def test_special_floats_read_back() -> None:
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4028235e38, 0.1], np.float32)
    weight = Weight.of(values, "f32")
    codec, lines = encode(weight)
    assert codec == "dec"
    again = Weight(type=weight.type, codec=codec, payload="\n".join(lines))
    assert again.array.tobytes() == values.tobytes()


def test_negative_zeros_are_not_folded_into_a_splat_of_zero() -> None:
    assert encode(Weight.of(np.array([0.0, -0.0], np.float32), "f32"))[0] == "dec"


def test_large_floats_are_base64() -> None:
    values = np.arange(2000, dtype=np.float32)
    codec, lines = encode(Weight.of(values, "f32"))
    assert codec == "b64"
    assert max(map(len, lines)) == LINE_DIGITS


@pytest.mark.parametrize(
    ("dtype", "values", "text"),
    [
        ("i4", [[-7, 7], [-1, 0]], ["97", "f0"]),
        ("i2", [[-1, 1], [0, 1]], ["31", "01"]),
        ("u1", [[1, 0], [0, 1]], ["10", "01"]),
        ("i8", [[-128, 127], [-1, 0]], ["807f", "ff00"]),
    ],
)
def test_hex_is_twos_complement_a_row_a_line(dtype: str, values: list[list[int]], text: list[str]) -> None:
    assert encode(Weight.of(values, dtype)) == ("hex", text)


@pytest.mark.parametrize(("dtype", "value"), [("i4", -8), ("i4", 8), ("i2", -2), ("u1", 2), ("u4", -1), ("i8", 128)])
def test_values_that_the_type_cannot_hold_are_refused(dtype: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{dtype} holds"):
        Weight.of([value, 0], dtype)


def _fault(kind: TensorType, codec: str, payload: str) -> str:
    source = Source("w", f'"{payload}"')
    weight = Weight(type=kind, codec=codec, payload=payload, span=Span(source, 1, 1 + len(payload)))
    with pytest.raises(DiagnosticError) as caught:
        _ = weight.array
    return str(caught.value)


def test_a_digit_that_is_no_weight_is_refused_at_the_digit() -> None:
    message = _fault(TensorType("i4", (2, 2)), "hex", "70\n18")
    assert "digit '8' is no i4 value" in message
    assert "w:2:2" in message
    assert "value 3 of row 1" in message


def test_a_short_row_is_named() -> None:
    message = _fault(TensorType("i4", (3, 4)), "hex", "1234\n123\n1234")
    assert "needs 12 values, found 11" in message
    assert "row 1 of 3 (from 0) has 3 digits, needs 4" in message
    assert "w:2:4" in message


@pytest.mark.parametrize(
    ("kind", "codec", "payload", "words"),
    [
        (TensorType("i4", (2,)), "hex", "1g", "'g' is no hex digit"),
        (TensorType("i32", (2,)), "dec", "1 x", "'x' is no i32 number"),
        (TensorType("f32", (2,)), "dec", "1 1.2.3", "'1.2.3' is no f32 number"),
        (TensorType("i32", (2,)), "dec", "1 2147483648", "2147483648 is no i32 value"),
        (TensorType("i32", (2,)), "dec", "1 2 3", "needs 2 values, found 3"),
        (TensorType("f32", (2,)), "b64", "AAAA", "needs 8 bytes, found 3"),
        (TensorType("f32", (2,)), "b64", "A?", "no base64"),
    ],
)
def test_bad_payloads_say_what_is_wrong(kind: TensorType, codec: str, payload: str, words: str) -> None:
    assert words in _fault(kind, codec, payload)


def test_elided_numbers_are_refused_by_code() -> None:
    weight = Weight(type=TensorType("i4", (2,)), codec="elided", payload="sha256:0123")
    with pytest.raises(DiagnosticError, match="AKC0204"):
        _ = weight.array
