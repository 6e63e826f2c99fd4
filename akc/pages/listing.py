# SPDX-License-Identifier: Apache-2.0
"""The table of generated pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from akc.pages import akd1500, compatibility, limits_and_placement, nir_producers, program_and_registers, runtime
from akc.pages.diagnostics import errors_page
from akc.pages.markdown import filled
from akc.pages.operations import operations_page
from akc.pages.pass_list import passes_page
from akc.pages.refused import refused_page
from akc.pages.supported import supported_page

Page = Callable[[str], str]
"""From what the page says now to what it should say."""


def _whole(make: Callable[[], str]) -> Page:
    return lambda now: make()


def _tables(make: Callable[[], Mapping[str, str]]) -> Page:
    return lambda now: filled(now, make())


PAGES: dict[str, Page] = {
    "docs/ops.md": _whole(operations_page),
    "docs/errors.md": _whole(errors_page),
    "docs/supported.md": _whole(supported_page),
    "docs/passes/README.md": _whole(passes_page),
    "docs/frontends/refused.md": _whole(refused_page),
    "docs/compatibility.md": _whole(compatibility.page),
    "docs/frontends/nir.md": _tables(nir_producers.tables),
    **{f"docs/akd1500/{name}": _tables(akd1500.tables) for name in akd1500.PAGES},
    **{
        f"docs/akd1000/{name}": _tables(source.tables)
        for source in (limits_and_placement, program_and_registers, runtime)
        for name in source.PAGES
    },
}
"""File below the repository's root, and what makes its text."""
