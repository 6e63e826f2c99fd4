# SPDX-License-Identifier: Apache-2.0
"""Kinds of operation fields: how each is read from text, printed, checked and documented.

An operation declares its fields with the functions below; parser, printer, verifier and the
generated reference page know nothing else about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import frozen

# -- raw values, as the parser delivers them -----------------------------------------------------


class Word(str):
    """A bare word, such as `subtract`."""


class Quoted(str):
    """A quoted string, without quotes and escapes."""


class ValueName(str):
    """`%name`, without the sign."""


class WeightName(str):
    """`#name`, without the sign."""


@frozen
class Range:
    """`start:stop`."""

    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.start}:{self.stop}"


@frozen
class Call:
    """`name(1, 2, key=value)`; the arguments are raw values."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        parts = [print_raw(a) for a in self.args] + [f"{k}={print_raw(v)}" for k, v in self.kwargs]
        return f"{self.name}({', '.join(parts)})"


def print_raw(raw: Any) -> str:
    """A raw value as text."""
    if isinstance(raw, ValueName):
        return f"%{raw}"
    if isinstance(raw, WeightName):
        return f"#{raw}"
    if isinstance(raw, Quoted):
        return quote(raw)
    if isinstance(raw, list | tuple):
        return f"[{', '.join(print_raw(item) for item in raw)}]"
    if isinstance(raw, float):
        return print_float(raw)
    return str(raw)


def print_float(number: float) -> str:
    """The shortest decimal that reads back to the same double."""
    return repr(float(number))


def quote(text: str) -> str:
    """A string in quotes, with backslash escapes for all that is not printed as itself."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    if not escaped.isprintable():
        escaped = "".join(letter if letter.isprintable() else _escaped(letter) for letter in escaped)
    return f'"{escaped}"'


def _escaped(letter: str) -> str:
    """A control character, a separator or half a surrogate pair, as Python's literals write it."""
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class FieldError(ValueError):
    """A raw value does not suit a field; the message says what the field takes."""


# -- kinds ---------------------------------------------------------------------------------------


@frozen
class Kind:
    """How one kind of field is read, printed and documented."""

    doc: str
    read: Callable[[Any], Any]
    print: Callable[[Any], str] = str
    positional: bool = False
    operands: Callable[[Any], tuple[str, ...]] = lambda value: ()
    weights: Callable[[Any], tuple[str, ...]] = lambda value: ()
    rename: Callable[[Any, Mapping[str, str]], Any] = lambda value, names: value
    forward: bool = False
    """Whether an operand may be defined further down (host.previous)."""
    words: tuple[str, ...] = ()
    """The bare words that it takes, where it takes a few words."""


def _field(kind: Kind, doc: str, default: Any = attrs.NOTHING, **meta: Any) -> Any:
    return attrs.field(default=default, metadata={"kind": kind, "doc": doc, **meta})


@frozen
class FieldInfo:
    """A field of an operation: name, kind, default (attrs.NOTHING if it must be given), meaning."""

    name: str
    kind: Kind
    default: Any
    doc: str
    dtypes: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether the text must give it."""
        return self.default is attrs.NOTHING


_FIELDS: dict[type, tuple[FieldInfo, ...]] = {}


def fields_of(op_class: type[Any]) -> tuple[FieldInfo, ...]:
    """The declared fields of an operation class, in text order."""
    if op_class not in _FIELDS:
        _FIELDS[op_class] = tuple(
            FieldInfo(f.name, f.metadata["kind"], f.default, f.metadata["doc"], f.metadata.get("dtypes", ()))
            for f in attrs.fields(op_class)
            if "kind" in f.metadata
        )
    return _FIELDS[op_class]


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise FieldError(message)


def _read_value_name(raw: Any) -> str:
    _expect(isinstance(raw, ValueName), "takes a value, such as %x")
    return str(raw)


def operand(doc: str, forward: bool = False) -> Any:
    """A value that the operation reads. `forward`: it may be defined further down."""
    kind = Kind(
        "value",
        _read_value_name,
        lambda v: f"%{v}",
        positional=True,
        operands=lambda v: (v,),
        rename=lambda v, names: names.get(v, v),
        forward=forward,
    )
    return _field(kind, doc)


def operand_list(doc: str) -> Any:
    """All remaining positional values."""
    kind = Kind(
        "values",
        lambda raw: tuple(_read_value_name(r) for r in raw),
        lambda vs: ", ".join(f"%{v}" for v in vs),
        positional=True,
        operands=tuple,
        rename=lambda vs, names: tuple(names.get(v, v) for v in vs),
    )
    return _field(kind, doc, default=())


def _read_weight(raw: Any) -> str:
    _expect(isinstance(raw, WeightName), "takes the name of a weight, such as #fc1.weights")
    return str(raw)


def weight_ref(doc: str, *dtypes: str, optional: bool = False) -> Any:
    """The name of a weight with one of these element types; None where optional and absent."""
    kind = Kind("weight", _read_weight, lambda v: f"#{v}", weights=lambda v: () if v is None else (v,))
    return _field(kind, doc, default=None if optional else attrs.NOTHING, dtypes=dtypes)


def number_or_weight(doc: str, default: Any = attrs.NOTHING) -> Any:
    """One number for all channels, or the name of an f32 vector (kept as WeightName)."""

    def read(raw: Any) -> float | WeightName | None:
        if isinstance(raw, WeightName):
            return raw
        _expect(isinstance(raw, int | float), "takes a number, or a weight such as #lif1.beta")
        return float(raw)

    kind = Kind("number or weight", read, print_raw, weights=lambda v: (str(v),) if isinstance(v, WeightName) else ())
    return _field(kind, doc, default=default, dtypes=("f32",))


def integer(doc: str, default: Any = attrs.NOTHING, low: int | None = None, high: int | None = None) -> Any:
    """A whole number from `low` to `high`."""
    bounds = f" from {low} to {high}" if high is not None else f" of at least {low}" if low is not None else ""

    def read(raw: Any) -> int:
        fits = type(raw) is int and (low is None or raw >= low) and (high is None or raw <= high)
        _expect(fits, f"takes a whole number{bounds}")
        return int(raw)

    return _field(Kind(f"integer{bounds}", read), doc, default=default)


def integers(doc: str, count: int | None = None, default: Any = attrs.NOTHING, low: int | None = None) -> Any:
    """A list of whole numbers, `count` of them unless None; kept as a tuple."""
    what = f"{count} whole numbers" if count else "whole numbers"
    bounds = f" of at least {low}" if low is not None else ""

    def read(raw: Any) -> tuple[int, ...]:
        good = isinstance(raw, list | tuple) and all(type(n) is int and (low is None or n >= low) for n in raw)
        _expect(good and (count is None or len(raw) == count), f"takes a list of {what}{bounds}")
        return tuple(raw)

    return _field(Kind(f"list of {what}{bounds}", read, print_raw), doc, default=default)


def number(doc: str, default: Any = attrs.NOTHING, low: float | None = None) -> Any:
    """A number (double precision)."""
    bounds = f" of at least {low}" if low is not None else ""

    def read(raw: Any) -> float:
        good = isinstance(raw, int | float) and not isinstance(raw, bool) and (low is None or raw >= low)
        _expect(good, f"takes a number{bounds}")
        return float(raw)

    return _field(Kind(f"number{bounds}", read, print_float), doc, default=default)


def keyword(doc: str, *words: str, default: Any = attrs.NOTHING) -> Any:
    """One of a few words."""

    def read(raw: Any) -> str:
        _expect(isinstance(raw, Word) and raw in words, f"takes one of {', '.join(words)}")
        return str(raw)

    return _field(Kind(f"one of {', '.join(words)}", read, words=words), doc, default=default)


def flag(doc: str, default: bool = False) -> Any:
    """`true` or `false`."""

    def read(raw: Any) -> bool:
        _expect(isinstance(raw, Word) and raw in ("true", "false"), "takes true or false")
        return bool(raw == "true")

    kind = Kind("true or false", read, lambda v: "true" if v else "false", words=("true", "false"))
    return _field(kind, doc, default=default)


def text(doc: str, default: Any = attrs.NOTHING) -> Any:
    """A quoted string."""

    def read(raw: Any) -> str:
        _expect(isinstance(raw, Quoted), "takes a quoted string")
        return str(raw)

    return _field(Kind("string", read, quote), doc, default=default)


def structure(doc: str, what: str, read: Callable[[Any], Any], default: Any = None) -> Any:
    """A value with its own reader (raises FieldError); its `str` is the text."""
    return _field(Kind(what, read, str), doc, default=default)


def structures(doc: str, what: str, read: Callable[[Any], Any]) -> Any:
    """A list of such values, () where absent."""

    def read_list(raw: Any) -> tuple[Any, ...]:
        _expect(isinstance(raw, list), f"takes a list of {what}")
        return tuple(read(item) for item in raw)

    kind = Kind(f"list of {what}", read_list, lambda vs: f"[{', '.join(str(v) for v in vs)}]")
    return _field(kind, doc, default=())
