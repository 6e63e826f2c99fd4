# SPDX-License-Identifier: Apache-2.0
"""SVG elements as text, with everything escaped."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """`<name attributes>children</name>`; `class_` is class, `_` in a name is `-`, None leaves an attribute out."""
    given = {key.strip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    head = Markup("").join(Markup(' {}="{}"').format(key, _plain(value)) for key, value in given.items())
    inner = Markup("").join(escape(child) for child in children)
    return Markup("<{}{}>{}</{}>").format(Markup(name), head, inner, Markup(name))


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value


def drawing(*children: Any, width: float, height: float, label: str, ids: str) -> Markup:
    """A whole picture that reads as a group with a name; it scales down, never up."""
    title = tag("title", label, id=ids)
    return tag("svg", title, *children, viewBox=f"0 0 {width:g} {height:g}", width=width, height=height, role="group",
               aria_labelledby=ids, xmlns="http://www.w3.org/2000/svg")  # fmt: skip


def hue(index: int) -> str:
    """A colour that differs from those of the neighbours, as the style sheet takes it."""
    return f"--h:{(index * 137 + 210) % 360}"
