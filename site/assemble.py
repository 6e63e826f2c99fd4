# SPDX-License-Identifier: Apache-2.0
"""Lay the pages of the repository out for MkDocs: the same tree, so that the links of the pages lead where they did.

python site/assemble.py FOLDER
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/*.md", "examples/*.md", "editors/*.md")
"""What git calls the pages."""

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    """The pages of the repository, changelog fragments left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PAGES]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.splitlines() if not name.startswith(("changes/", ".github/"))]


def linked(page: Path) -> list[Path]:
    """The files that a page links to, sources above all; what is not there is left to MkDocs, which refuses it."""
    found = [(ROOT / page.parent / target).resolve() for target in LINK.findall((ROOT / page).read_text())]
    return [path.relative_to(ROOT) for path in found if path.is_file() and path.is_relative_to(ROOT)]


def assemble(folder: Path) -> None:
    """Copy them to `folder`, which is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in {file for page in pages() for file in (page, *linked(page))}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
