# SPDX-License-Identifier: Apache-2.0
"""Calls of the public functions: wrong names and wrong values are faults like any other, all told at once.

@public(host=one_of(HOSTS), example=EXAMPLE)     # a rule for each parameter that has one
def lower(source, *, host="refuse", example=None): ...

A rule takes the parameter's name and the value, and gives a diagnostic or None.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import wraps
from math import isfinite
from numbers import Integral
from typing import Any, ParamSpec, TypeVar

from akc.base.diagnostics import Diagnostic, DiagnosticError

P = ParamSpec("P")
R = TypeVar("R")
Rule = Callable[[str, Any], Diagnostic | None]


def public(further: Sequence[str] = (), /, **rules: Rule) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose arguments are checked before it runs; raises DiagnosticError AKC0912 to AKC0914.

    further: names that the function takes by `**`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            faults = list(_faults(function.__name__, signature, further, rules, args, kwargs))
            if faults:
                raise DiagnosticError(faults)
            return function(*args, **kwargs)

        return checked

    return decorate


def _faults(
    name: str, signature: inspect.Signature, further: Sequence[str], rules: dict[str, Rule], args: Any, kwargs: Any
) -> Iterable[Diagnostic]:
    named = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD and p.name != "self"]
    known = [*named, *further]
    unknown = [key for key in kwargs if key not in known]
    for key in unknown:
        message = f"{name} has no keyword {key}"
        yield Diagnostic(code="AKC0913", message=message, help=suggestion(key, known))
    if unknown:
        return
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as fault:
        yield Diagnostic(code="AKC0913", message=f"{name}: {fault}", help=f"it takes {', '.join(known)}")
        return
    for key, value in [*given.items(), *((k, v) for k, v in kwargs.items() if k in further)]:
        fault_found = rules[key](key, value) if key in rules else None
        if fault_found is not None:
            yield fault_found


def suggestion(word: object, known: Iterable[object], take: str = "take one of:", cutoff: float = 0.6) -> str:
    """The way out of a word that is not known: the one that was meant, and all that there are."""
    words = [str(one) for one in known]
    close = get_close_matches(str(word), words, n=1, cutoff=cutoff)
    listed = ", ".join(words) or "none"
    return f"did you mean {close[0]}? There are: {listed}" if close else f"{take} {listed}"


# -- rules -----------------------------------------------------------------------------------------


def unknown_word(name: str, value: object, known: Iterable[object]) -> Diagnostic:
    """The fault of a word that is none of those known."""
    return Diagnostic(code="AKC0912", message=f"{name} {value!r} is not known", help=suggestion(value, known))


def unfit(name: str, value: object, help: str) -> Diagnostic:
    """The fault of a value that is not what a parameter takes."""
    text = repr(value) if isinstance(value, str | bytes | int | float | bool | tuple | None) else ""
    found = text if text and len(text) <= 60 else f"an object of type {type(value).__name__}"
    return Diagnostic(code="AKC0914", message=f"{name} cannot be {found}", help=help)


def one_of(known: Callable[[], Sequence[object]]) -> Rule:
    """A word of a list, which is looked up when it is needed."""
    return lambda name, value: None if _is_in(value, known()) else unknown_word(name, value, known())


def _is_in(value: Any, known: Sequence[object]) -> bool:
    return isinstance(value, str) and value in known


def optional(rule: Rule) -> Rule:
    """None, or what the rule takes."""
    return lambda name, value: None if value is None else rule(name, value)


def that(holds: Callable[[Any], bool], help: str) -> Rule:
    """A value for which something holds; help says what."""
    return lambda name, value: None if holds(value) else unfit(name, value, help)


def instance(*kinds: type[Any], help: str) -> Rule:
    """An object of a class."""
    return that(lambda value: isinstance(value, kinds), help)


def whole(low: int) -> Rule:
    """A whole number from `low` on."""
    return that(lambda value: _is_whole(value) and value >= low, f"give a whole number from {low} on")


def is_shape(value: Any) -> bool:
    """Whether a value is a sequence of whole numbers from 1 on."""
    return isinstance(value, tuple | list) and len(value) > 0 and all(_is_whole(n) and n >= 1 for n in value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    try:
        return not isinstance(value, str | bytes | bool) and isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


PATH = instance(str, os.PathLike, help="give the name of a file")
WORD = instance(str, help="give a name")
FLAG = instance(bool, help="give True or False")
CALLBACK = that(callable, "give a function")
