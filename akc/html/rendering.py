# SPDX-License-Identifier: Apache-2.0
"""Templates to HTML: whole pages that need nothing from outside, and fragments for notebooks with the same parts."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_NUMBERS = count(1)


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("akc.html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters |= {"number": number, "percent": percent, "shape": shape, "short": short}
    return found


def page(title: str, sections: Any, **given: Any) -> str:
    """A whole document. sections: (id, heading, template) in order; given: what the templates read."""
    return _render("page.html", title=title, sections=sections, prefix="", **given)


def new_prefix() -> str:
    """What makes the ids of a fragment its own."""
    return f"akc{next(_NUMBERS)}-"


def fragment(template: str, prefix: str = "", **given: Any) -> str:
    """One part with its style, for a cell of a notebook; its ids begin with a prefix."""
    return _render("fragment.html", part=template, prefix=prefix, **given)


def _render(template: str, **given: Any) -> str:
    return _environment().get_template(template).render(style=_file("style.css"), script=_file("script.js"), **given)


@cache
def _file(name: str) -> Markup:
    loader = _environment().loader
    assert loader is not None
    return Markup(loader.get_source(_environment(), name)[0])


# -- numbers in words ------------------------------------------------------------------------------


def number(value: float | int | None) -> str:
    """`12,345`, `1.25`, `-` for None."""
    if value is None:
        return "-"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share from 0 to 1 as `12.3 %`, `-` for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def shape(sizes: Any) -> str:
    """`28x28x8`, `-` for None."""
    return "-" if sizes is None else "x".join(str(n) for n in sizes)


def short(text: str, length: int = 26) -> str:
    """A text that fits a box."""
    return text if len(text) <= length else text[: length - 1] + "…"
