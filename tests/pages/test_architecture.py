# SPDX-License-Identifier: Apache-2.0
"""Every name of code that the architecture page gives is there, and so is every room."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
NAMES = sorted(set(re.findall(r"`(akc\.[\w.]+)`", PAGE)))
FOLDERS = sorted(set(re.findall(r"`((?:akc|passes|targets|grammar|tests)/?[\w/]*)`", PAGE)))


@pytest.mark.parametrize("name", NAMES)
def test_name_is_there(name: str) -> None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return
    pytest.fail(f"{name} is nowhere")


@pytest.mark.parametrize("name", FOLDERS)
def test_room_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_the_page_names_the_whole_road() -> None:
    assert len(NAMES) > 20
    assert len(FOLDERS) > 10
