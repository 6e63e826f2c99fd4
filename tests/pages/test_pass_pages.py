# SPDX-License-Identifier: Apache-2.0
"""The page of each pass shows what the pass really does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from akc.ir.parser import parse
from akc.ir.printer import print_module
from akc.passes import PASSES
from tests.passes.building import context

PAGES = Path(__file__).parents[2] / "docs" / "passes"
TEXTS = {
    name: re.findall(r"^```akir\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    for name in PASSES
    if (page := PAGES / f"{name}.md").exists()
}


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_has_a_page(name: str) -> None:
    """The table of passes links to it."""
    assert (PAGES / f"{name}.md").read_text().startswith(f"# {name}")


@pytest.mark.parametrize("name", [name for name, texts in TEXTS.items() if texts])
def test_before_and_after(name: str) -> None:
    """The second text on a page is what the pass makes of the first."""
    before, after = TEXTS[name]
    assert print_module(PASSES[name]().run(parse(before), context())) == after
