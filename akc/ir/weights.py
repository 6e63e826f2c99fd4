# SPDX-License-Identifier: Apache-2.0
"""Weights: named arrays whose text is decoded only when a pass asks for the numbers.

Encodings of the text (docs/language.md): hex for 1 to 8 bit types, one digit a value up to 4 bits
and two at 8 bits, two's complement; dec for small vectors; b64 for large float arrays (little
endian); splat for constants; elided for a digest in place of the numbers.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache, cached_property

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import Span, error
from akc.ir.types import ElementType, TensorType

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]

LINE_DIGITS = 96
DECIMAL_LIMIT = 1024
"""Float vectors up to this many values are written as decimals, larger ones as base64."""


@frozen(kw_only=True, slots=False, eq=False)
class Weight:
    """A named array. Made from an array by `Weight.of`, from text by the parser."""

    type: TensorType
    codec: str
    payload: str = field(repr=False)
    comments: tuple[str, ...] = ()
    span: Span | None = field(default=None, repr=False)
    """The payload's place in the user's text, its quotes not counted."""

    @classmethod
    def of(cls, array: object, dtype: str, comments: tuple[str, ...] = ()) -> Weight:
        """A weight from numbers; raises ValueError if one is not representable in `dtype`."""
        values = np.asarray(array)
        kind = TensorType(dtype, tuple(int(n) for n in values.shape))
        element = kind.element
        if element.low is not None and values.size:
            low, high = values.min(), values.max()
            if low < element.low or high > (element.high or 0):
                raise ValueError(f"{dtype} holds {element.low}..{element.high}, found {low}..{high}")
        weight = cls(type=kind, codec="array", payload="", comments=comments)
        frozen_array = np.array(values, dtype=element.numpy, order="C")
        frozen_array.flags.writeable = False
        weight.__dict__["array"] = frozen_array
        return weight

    @property
    def elided(self) -> bool:
        """Whether only a digest is known."""
        return self.codec == "elided"

    @cached_property
    def array(self) -> Array:
        """The numbers, read-only. Raises DiagnosticError AKC0002 (bad payload) or AKC0204 (elided)."""
        if self.elided:
            raise error(
                "AKC0204",
                "the numbers of this weight are elided",
                span=self.span,
                help="lower the model again without --weights=elide",
            )
        values = _DECODERS[self.codec](self)
        values.flags.writeable = False
        return values

    @cached_property
    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 of type and numbers."""
        if self.elided:
            return self.payload.removeprefix("sha256:")
        head = f"{self.type}\n".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.array).tobytes()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Weight)
            and self.type == other.type
            and self.comments == other.comments
            and self.digest == other.digest
        )

    def __hash__(self) -> int:
        return hash(self.digest)


# -- decoding -------------------------------------------------------------------------------------


def _fail(weight: Weight, message: str, offset: int | None, label: str = "", help: str = "") -> Exception:
    span = weight.span
    if span is not None and offset is not None:
        start = min(span.start + offset, span.end)
        span = Span(span.source, start, start + 1)
    return error("AKC0002", message, span=span, label=label, help=(help,) if help else ())


_HEX_VALUE = np.full(256, 255, np.uint8)
for _digit in range(16):
    _HEX_VALUE[ord("0123456789abcdef"[_digit])] = _digit
    _HEX_VALUE[ord("0123456789ABCDEF"[_digit])] = _digit
_BLANK = np.zeros(256, bool)
_BLANK[[ord(c) for c in " \t\r\n"]] = True


_BAD = 0x80
"""What the tables below give for a digit that is no value; no narrow type holds -128."""


@cache
def _digit_table(element: ElementType) -> bytes:
    """For each byte of the text the byte of its value (of its nibble for 8-bit types), or _BAD."""
    table = bytearray([_BAD] * 256)
    for digit in range(16):
        wraps = element.bits <= 4 and element.name.startswith("i") and digit >= 2 ** (element.bits - 1)
        value = digit - 2**element.bits if wraps else digit
        legal = (element.low or 0) <= value <= (element.high or 0) and digit < 2**element.bits
        for char in f"{digit:x}{digit:X}".encode():
            table[char] = value & 0xFF if legal or element.bits == 8 else _BAD
    return bytes(table)


def _decode_hex(weight: Weight) -> Array:
    """One digit a value up to 4 bits, two at 8 bits; two's complement of the type's own width.

    One pass over the bytes; only where something is wrong a second one finds the place.
    """
    element = weight.type.element
    found = weight.payload.encode("latin-1", "replace").translate(_digit_table(element), b" \t\r\n")
    numbers: Array = np.frombuffer(found, np.uint8)
    per_value = 1 if element.bits <= 4 else 2
    if len(numbers) != weight.type.size * per_value or _BAD in found:
        return _decode_hex_slowly(weight)
    if per_value == 2:
        nibbles = np.frombuffer(found, np.uint8)
        numbers = nibbles[0::2] << 4 | nibbles[1::2]
    return numbers.view(element.numpy).reshape(weight.type.full_shape)


def _decode_hex_slowly(weight: Weight) -> Array:
    """The same with the place of every digit, for messages."""
    element = weight.type.element
    raw = np.frombuffer(weight.payload.encode("latin-1", "replace"), np.uint8)
    positions = np.flatnonzero(~_BLANK[raw])
    digits = _HEX_VALUE[raw[positions]]
    if (digits > 15).any():
        at = int(positions[np.argmax(digits > 15)])
        raise _fail(weight, f"{weight.payload[at]!r} is no hex digit", at)
    per_value = 1 if element.bits <= 4 else 2
    _check_count(weight, positions, per_value)
    codes = digits.astype(np.int16)
    if per_value == 2:
        codes = codes[0::2] * 16 + codes[1::2]
    values = codes
    if element.name.startswith("i"):
        values = np.where(codes >= 2 ** (element.bits - 1), codes - 2**element.bits, codes)
    bad = (values < (element.low or 0)) | (values > (element.high or 0)) | (codes >= 2**element.bits)
    if bad.any():
        index = int(np.argmax(bad))
        at = int(positions[index * per_value])
        shown = weight.payload[at : at + per_value]
        raise _fail(
            weight,
            f"digit {shown!r} is no {element.name} value",
            at,
            f"value {index} of row {index // max(_row_length(weight.type), 1)}",
            f"{element.name} holds {element.low} to {element.high}, two's complement",
        )
    return values.astype(element.numpy).reshape(weight.type.full_shape)


def _row_length(kind: TensorType) -> int:
    return kind.size // kind.shape[0] if kind.shape and kind.shape[0] else kind.size


def _check_count(weight: Weight, positions: Array, per_value: int) -> None:
    """The number of digits must be right; a line break tells which row is short or long."""
    need = weight.type.size * per_value
    if len(positions) == need:
        return
    row = _row_length(weight.type) * per_value
    message = f"{weight.type} needs {need // per_value} values, found {len(positions) / per_value:g}"
    offset, label = len(weight.payload.rstrip()), ""
    bad = _first_bad_row(weight.payload, row)
    if bad is not None:
        number, found, offset = bad
        rows = weight.type.shape[0] if weight.type.shape else 1
        label = f"row {number} of {rows} (from 0) has {found} digits, needs {row}"
    raise _fail(weight, message, offset, label)


def _first_bad_row(payload: str, row: int) -> tuple[int, int, int] | None:
    """(row number, its digits, offset of its end) of the first row that ends amid a line or short.

    Rows start on a fresh line and full lines hold LINE_DIGITS, so a shorter line ends its row.
    """
    filled = number = 0
    offset = 0
    for line in payload.splitlines(keepends=True):
        digits = len("".join(line.split()))
        filled += digits
        end = offset + len(line.rstrip())
        if filled == row:
            filled, number = 0, number + 1
        elif filled > row or (digits and digits < LINE_DIGITS):
            return number, filled, end
        offset += len(line)
    return (number, filled, len(payload.rstrip())) if filled else None


def _decode_dec(weight: Weight) -> Array:
    words = weight.payload.split()
    kind, element = weight.type, weight.type.element
    if len(words) != kind.size:
        raise _fail(weight, f"{kind} needs {kind.size} values, found {len(words)}", len(weight.payload.rstrip()))
    try:
        if element.low is None:
            with np.errstate(over="ignore"):  # the verifier tells of numbers that are not finite
                return np.array(words, np.float64).astype(np.float32).reshape(kind.full_shape)
        numbers = [int(word) for word in words]
    except ValueError:
        raise _bad_word(weight, words) from None
    for index, number in enumerate(numbers):
        if not element.low <= number <= (element.high or 0):
            raise _fail(
                weight,
                f"{number} is no {element.name} value",
                _word_offset(weight.payload, index),
                help=f"{element.name} holds {element.low} to {element.high}",
            )
    return np.array(numbers, element.numpy).reshape(kind.full_shape)


def _bad_word(weight: Weight, words: list[str]) -> Exception:
    parse = float if weight.type.element.low is None else int
    for index, word in enumerate(words):
        try:
            parse(word)
        except ValueError:
            return _fail(weight, f"{word!r} is no {weight.type.dtype} number", _word_offset(weight.payload, index))
    raise AssertionError("every word parses")


def _word_offset(payload: str, index: int) -> int:
    offset = 0
    for _ in range(index + 1):
        while payload[offset].isspace():
            offset += 1
        start = offset
        while offset < len(payload) and not payload[offset].isspace():
            offset += 1
    return start


def _decode_b64(weight: Weight) -> Array:
    kind, element = weight.type, weight.type.element
    try:
        data = base64.b64decode("".join(weight.payload.split()), validate=True)
    except ValueError as fault:
        raise _fail(weight, f"this is no base64: {fault}", 0) from None
    need = kind.size * element.numpy.itemsize
    if len(data) != need:
        raise _fail(weight, f"{kind} needs {need} bytes, found {len(data)}", len(weight.payload.rstrip()))
    return np.frombuffer(data, element.numpy.newbyteorder("<")).astype(element.numpy).reshape(kind.full_shape)


def _decode_splat(weight: Weight) -> Array:
    one = Weight(type=TensorType(weight.type.dtype, (1,)), codec="dec", payload=weight.payload, span=weight.span)
    return np.full(weight.type.full_shape, one.array[0])


_DECODERS = {"hex": _decode_hex, "dec": _decode_dec, "b64": _decode_b64, "splat": _decode_splat}


# -- encoding -------------------------------------------------------------------------------------


def encode(weight: Weight) -> tuple[str, list[str]]:
    """The codec that the printer uses for a weight, and the lines of its payload."""
    if weight.elided:
        return "elided", [weight.payload]
    values = weight.array
    if values.size > 1 and (values == values.flat[0]).all() and not np.signbit(values).any() ^ np.signbit(values).all():
        return "splat", [_decimal(values.flat[0])]
    element = weight.type.element
    if element.bits <= 8:
        return "hex", _hex_lines(weight)
    if element.name != "f32" or values.size <= DECIMAL_LIMIT:
        return "dec", _decimal_lines(values)
    text = base64.b64encode(np.ascontiguousarray(values).astype("<f4").tobytes()).decode()
    return "b64", [text[i : i + LINE_DIGITS] for i in range(0, len(text), LINE_DIGITS)]


def _decimal(value: np.generic) -> str:
    """The shortest decimal that reads back to the same bits."""
    if isinstance(value, np.floating):
        text = str(value)
        return text.removesuffix(".0") if "e" not in text and "n" not in text and text != "-0.0" else text
    return str(int(value))


def _decimal_lines(values: Array) -> list[str]:
    lines: list[str] = []
    line = ""
    for value in values.flat:
        word = _decimal(value)
        if line and len(line) + 1 + len(word) > LINE_DIGITS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def _hex_lines(weight: Weight) -> list[str]:
    """Each row of the first axis starts on a fresh line."""
    element = weight.type.element
    codes = weight.array.astype(np.int16).reshape(-1) & (2**element.bits - 1)
    digits = codes[:, None] >> np.array([4, 0], np.int16) & 15 if element.bits > 4 else codes[:, None]
    text = _HEX_DIGITS[digits.reshape(-1)].tobytes().decode()
    row = _row_length(weight.type) * digits.shape[1]
    if len(weight.type.shape) < 2:
        row = len(text)
    return [
        text[start : min(start + LINE_DIGITS, end)]
        for begin in range(0, len(text), max(row, 1))
        for end in [begin + row]
        for start in range(begin, end, LINE_DIGITS)
    ]
