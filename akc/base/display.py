# SPDX-License-Identifier: Apache-2.0
"""How objects of akc look in a notebook: each class says that it is shown, akc.html says how."""

from __future__ import annotations

from importlib import import_module

SHOWING = "akc.html.showing"
"""Where `html_of` stands; it loads when something is shown."""


class Displayed:
    """A class whose objects a notebook shows as HTML; elsewhere they are printed as ever."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """HTML of one cell of a notebook."""
        return str(import_module(SHOWING).html_of(self))
