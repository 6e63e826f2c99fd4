# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1000/runtime.md are the driver's own rows."""

from __future__ import annotations

from pathlib import Path

from akc.targets.akd1000.driver.reference import filled, tables

PAGE = Path(__file__).parents[4] / "docs" / "akd1000" / "runtime.md"


def test_the_page_is_current() -> None:
    page = PAGE.read_text()
    assert filled(page) == page, "run `python -m akc.targets.akd1000.driver.reference docs/akd1000/runtime.md`"
    for name, text in tables().items():
        assert f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->" in page
