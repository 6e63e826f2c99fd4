# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1000 are the code's own rows, each on its page."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from akc.pages import limits_and_placement, program_and_registers, runtime
from akc.pages.markdown import filled

FOLDER = Path(__file__).parents[2] / "docs" / "akd1000"


@pytest.mark.parametrize("source", (limits_and_placement, program_and_registers, runtime))
def test_every_table_is_on_a_page(source: ModuleType) -> None:
    pages = "".join((FOLDER / name).read_text() for name in source.PAGES)
    for name, text in source.tables().items():
        assert f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->" in pages


def test_an_old_table_is_replaced_and_the_words_stay() -> None:
    page = "before\n<!-- begin a -->\nold\n<!-- end a -->\nafter\n"
    assert filled(page, {"a": "new", "b": "elsewhere"}) == page.replace("old", "new")
