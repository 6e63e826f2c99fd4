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

FENCE = '```python title="{}"'

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def pages() -> list[Path]:
    """The pages of the repository, changelog fragments left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PAGES]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.splitlines() if not name.startswith(("changes/", ".github/"))]


def linked(page: Path) -> list[Path]:
    """The files that a page links to, sources above all; what is not there is left to MkDocs, which refuses it."""
    found = [(ROOT / page.parent / target).resolve() for target in LINK.findall(for_the_site(page))]
    return [path.relative_to(ROOT) for path in found if path.is_file() and path.is_relative_to(ROOT)]


def assemble(folder: Path) -> None:
    """Copy them to `folder`, which is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in {file for page in pages() for file in (page, *linked(page))}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            (folder / path).write_text(for_the_site(path))
        else:
            shutil.copyfile(ROOT / path, folder / path)


def for_the_site(page: Path) -> str:
    """The page, links to folders led to their README; a folder without one is named, not linked.

    What the guides say behind ```python for their test becomes a title, which is what MkDocs takes there.
    """

    def led(match: re.Match[str]) -> str:
        words, target = match.groups()
        path = ROOT / page.parent / target
        if not path.is_dir():
            return match.group()
        return f"[{words}]({target.rstrip('/')}/README.md)" if (path / "README.md").exists() else words

    text = re.sub(r"\[([^\]\n]*)\]\(([^)#:]+)\)", led, (ROOT / page).read_text())
    return re.sub(r"^```python (?:file=)?([^\s=]+)$", titled, text, flags=re.MULTILINE)


def titled(match: re.Match[str]) -> str:
    """A block's opening with its file as the title; without one for the words that say what to do with it."""
    return FENCE.format(match[1]) if "." in match[1] else "```python"


if __name__ == "__main__":
    assemble(Path(sys.argv[1]))
