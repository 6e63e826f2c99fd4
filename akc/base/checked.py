# SPDX-License-Identifier: Apache-2.0
"""Fields of files, checked before anything uses them: one way for every format.

A format declares its records as attrs classes whose fields carry a rule; `record` makes one of what stands in a file,
and notes every field that does not fit with its path in the file (`layer/3/neuron/vDecay`):

    @frozen(kw_only=True)
    class Neuron:
        vDecay: int = checked(Whole(0, 4096))
        bias: Array | None = checked(Numbers(axes=(1,)), default=None)

    faults = Faults("n.net")
    neuron = record(Neuron, {"vDecay": 5000}, "layer/3/neuron", faults)
    faults.stop()                      # raises with every fault: layer/3/neuron/vDecay is 5000 ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

import attrs
import numpy as np
from attrs import define, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError

T = TypeVar("T")
Array = np.ndarray[Any, np.dtype[Any]]

FOUND = "AKC0955"
MOST_FAULTS = 50
"""Faults of one file that are told; a damaged file may have thousands."""
LARGEST = 3.0e38
"""Numbers of a larger size do not survive a multiplication in float32."""


class Unfit(Exception):
    """A value that a rule does not take; the text says what was found, where the value alone does not tell."""


class Rule(Protocol):
    """What a field may hold."""

    def read(self, value: Any) -> Any:
        """The value as plain data; raises Unfit."""

    def __str__(self) -> str:
        """What is allowed, in words."""


@define
class Faults:
    """What was found wrong with one file."""

    file: str
    code: str = FOUND
    found: list[Diagnostic] = field(factory=list)

    def add(self, path: str, found: str, allowed: str) -> None:
        """Note a field that does not fit."""
        if len(self.found) < MOST_FAULTS:
            message = f"{self.file}: {path} is {found}"
            self.found.append(Diagnostic(code=self.code, message=message, help=f"allowed here: {allowed}"))

    def stop(self) -> None:
        """Raise DiagnosticError with all faults, if there are any."""
        if self.found:
            raise DiagnosticError(self.found)


def checked(rule: Rule, default: Any = attrs.NOTHING, key: str = "") -> Any:
    """A field of a record. default: for files that leave it out; key: its name in the file, if not the field's own."""
    return field(default=default, metadata={"rule": rule, "key": key})


def record(cls: type[T], raw: Any, path: str, faults: Faults) -> T | None:
    """A record of what stands in a file; None where a field does not fit. Fields without a rule keep their default."""
    if not isinstance(raw, Mapping):
        faults.add(path, shown(raw), "a group of named values")
        return None
    before, values = len(faults.found), {}
    for info in attrs.fields(cls):  # type: ignore[arg-type]
        rule, key = info.metadata.get("rule"), info.metadata.get("key") or info.name
        if rule is None:
            continue
        place = f"{path}/{key}" if path else key
        if key not in raw:
            if info.default is attrs.NOTHING:
                faults.add(place, "missing", str(rule))
            continue
        values[info.alias] = taken(rule, raw[key], place, faults)
    return None if len(faults.found) > before else cls(**values)


def taken(rule: Rule, value: Any, path: str, faults: Faults) -> Any:
    """One value by a rule; None and a fault where it does not fit."""
    if isinstance(rule, Record):
        return record(rule.cls, value, path, faults)
    try:
        return rule.read(value)
    except Unfit as fault:
        faults.add(path, str(fault) or shown(value), str(rule))
        return None


def shown(value: Any) -> str:
    """A value in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a group"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array {'x'.join(map(str, value.shape))} of {value.dtype}"
    if isinstance(value, bool | int | float | str | bytes | np.generic | np.ndarray):
        text = _plain(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"a {type(value).__name__}"


def _plain(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    return repr(value)


# -- rules -----------------------------------------------------------------------------------------


def _span(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return ""
    if np.isinf(high):
        return f" of at least {low:g}"
    return f" from {low:g} to {high:g}"


def _one(value: Any) -> Any:
    """The only number of a value: 3, [3], or an array of one element."""
    if isinstance(value, bool | np.bool_):
        raise Unfit
    if isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple | np.ndarray | np.generic):
        array = np.asarray(value)
        if array.size == 1 and array.dtype.kind in "iuf":
            return array.reshape(-1)[0].item()
    raise Unfit


@frozen
class Whole:
    """A whole number; floats count where nothing is lost."""

    low: float = -(2**31)
    high: float = 2**31 - 1

    def read(self, value: Any) -> int:
        """The number."""
        number = _one(value)
        if isinstance(number, float) and not number.is_integer():  # infinities and NaN are no integers
            raise Unfit
        if not self.low <= number <= self.high:
            raise Unfit
        return int(number)

    def __str__(self) -> str:
        return f"a whole number{_span(self.low, self.high)}"


@frozen
class Real:
    """A number; above: it may not be `low` itself; infinite: +inf and -inf count."""

    low: float = -np.inf
    high: float = np.inf
    above: bool = False
    infinite: bool = False

    def read(self, value: Any) -> float:
        """The number."""
        given = _one(value)
        if isinstance(given, int) and given.bit_length() > 120:
            raise Unfit
        number = float(given)
        fits = self.low < number if self.above else self.low <= number
        if not (fits and number <= self.high) or not (self.infinite or abs(number) <= LARGEST):
            raise Unfit
        return number

    def __str__(self) -> str:
        span = f" above {self.low:g}" if self.above else _span(self.low, self.high)
        return f"a {'' if self.infinite else 'finite '}number{span}"


@frozen
class Flag:
    """Yes or no; 0 and 1 count."""

    def read(self, value: Any) -> bool:
        """The flag."""
        array = np.asarray(value) if isinstance(value, bool | int | float | np.ndarray | np.generic) else np.zeros(0)
        if array.size != 1 or array.dtype.kind not in "biuf" or array.reshape(-1)[0] not in (0, 1):
            raise Unfit
        return bool(array.reshape(-1)[0])

    def __str__(self) -> str:
        return "true or false"


@frozen
class Word:
    """A text; among `words`, if they are given."""

    words: tuple[str, ...] = ()
    longest: int = 1000

    def read(self, value: Any) -> str:
        """The text."""
        if isinstance(value, np.ndarray | np.generic | list | tuple):
            array = np.asarray(value)
            value = array.reshape(-1)[0] if array.size == 1 and array.dtype.kind in "OSU" else None
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError:
                raise Unfit("no UTF-8 text") from None
        if not isinstance(value, str) or len(value) > self.longest or (self.words and value not in self.words):
            raise Unfit
        return str(value)

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}" if self.words else f"a text of at most {self.longest} characters"


@frozen
class Wholes:
    """A few whole numbers; counts: how many there may be."""

    counts: tuple[int, ...] = ()
    low: float = 0
    high: float = 2**31 - 1

    def read(self, value: Any) -> tuple[int, ...]:
        """The numbers."""
        if isinstance(value, int | float | list | tuple | np.ndarray | np.generic) and np.size(value) <= 64:
            items = [value] if isinstance(value, int | float) else list(_flat(value))
            if not self.counts or len(items) in self.counts:
                return tuple(Whole(self.low, self.high).read(item) for item in items)
        raise Unfit

    def __str__(self) -> str:
        count = " or ".join(map(str, self.counts)) or "some"
        return f"{count} whole numbers{_span(self.low, self.high)}"


def _flat(value: Any) -> Iterator[Any]:
    for item in value if isinstance(value, list | tuple) else np.asarray(value).reshape(-1):
        if isinstance(item, list | tuple | np.ndarray):
            raise Unfit
        yield item


@frozen(kw_only=True)
class Numbers:
    """An array of numbers. axes: how many axes it may have; low, high: of every number; infinite: these count too.

    dtype: what it becomes, or None to keep it; whole: every number is whole; empty: it may have no numbers.
    """

    axes: tuple[int, ...] = ()
    low: float = -LARGEST
    high: float = LARGEST
    above: bool = False
    infinite: bool = False
    whole: bool = False
    dtype: Any = np.float32
    empty: bool = False

    def read(self, value: Any) -> Array:
        """The array."""
        if isinstance(value, Mapping | str | bytes) or value is None:
            raise Unfit
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise Unfit
        if self.axes and array.ndim not in self.axes:
            raise Unfit
        if not array.size and not self.empty:
            raise Unfit(f"{shown(array)}, which is empty" if array.ndim else "empty")
        self._check(array)
        return array if self.dtype is None else array.astype(self.dtype)

    def _check(self, array: Array) -> None:
        """Raise Unfit with the first number that does not fit."""
        good = (array > self.low if self.above else array >= self.low) & (array <= self.high)
        if self.infinite:
            good |= np.isinf(array)
        if self.whole:
            good &= array == np.floor(array)
        if not good.all():
            at = int(np.argmin(good.reshape(-1)))
            raise Unfit(f"{array.reshape(-1)[at].item():g} at place {at}")

    def __str__(self) -> str:
        axes = f" with {' or '.join(map(str, self.axes))} axes" if self.axes else ""
        kind = "whole numbers" if self.whole else "numbers" if self.infinite else "finite numbers"
        wide = self.low <= -LARGEST and self.high >= LARGEST
        span = f" above {self.low:g}" if self.above else "" if wide else _span(self.low, self.high)
        return f"{kind}{span}{axes}"


@frozen
class Record:
    """A record inside a record."""

    cls: type[Any]

    def read(self, value: Any) -> Any:
        """See `taken`, which reads records with their path."""
        raise Unfit

    def __str__(self) -> str:
        return "a group of named values"
