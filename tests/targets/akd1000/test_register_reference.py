# SPDX-License-Identifier: Apache-2.0
"""The tables of the program's reference pages are the code's own rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from akc.targets.akd1000.register_reference import PAGES, filled, tables

FOLDER = Path(__file__).parents[3] / "docs" / "akd1000"


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    page = (FOLDER / name).read_text()
    assert filled(page) == page, "run `python -m akc.targets.akd1000.register_reference docs/akd1000`"


def test_every_table_is_on_a_page() -> None:
    pages = "".join((FOLDER / name).read_text() for name in PAGES)
    for name, text in tables().items():
        assert f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->" in pages
