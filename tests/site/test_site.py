# SPDX-License-Identifier: Apache-2.0
"""The site: it builds without a warning, and a link that leads nowhere is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(folder: Path, pages: Path) -> subprocess.CompletedProcess[str]:
    """Build the pages of a folder with the site's own settings."""
    settings = (ROOT / "site" / "mkdocs.yml").read_text()
    settings = settings.replace("../build/site/pages", str(pages)).replace("../build/site/html", str(folder / "html"))
    (folder / "mkdocs.yml").write_text(settings.replace("paths: [..]", f"paths: [{ROOT}]"))
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(folder / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    subprocess.run([sys.executable, ROOT / "site" / "assemble.py", tmp_path / "pages"], check=True)
    return tmp_path / "pages"


def test_the_site_is_built_without_a_warning(tmp_path: Path, pages: Path) -> None:
    done = build(tmp_path, pages)
    assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stderr
    html = tmp_path / "html"
    assert "Import a network and lower it to integers" in (html / "docs" / "api" / "index.html").read_text()
    assert "AKC0203" in (html / "docs" / "errors" / "index.html").read_text()
    assert "akida.fully_connected" in (html / "search" / "search_index.json").read_text()
    assert "Five minutes" in (html / "index.html").read_text()
    for guide in (html / "docs").glob("writing-a-*/index.html"):
        assert "```" not in guide.read_text(), guide


DEAD = {"nowhere.md": "[there](nowhere.md)", "#no-heading": "[there](language.md#no-heading)"}


def test_dead_links_are_errors(tmp_path: Path, pages: Path) -> None:
    page = pages / "docs" / "stability.md"
    page.write_text("\n\n".join([page.read_text(), *DEAD.values()]))
    done = build(tmp_path, pages)
    assert done.returncode != 0
    for what in DEAD:
        assert what in done.stdout + done.stderr
