# SPDX-License-Identifier: Apache-2.0
"""Gather the fragments of changes/ below the newest version of CHANGELOG.md, by area, and remove them.

python release/gather.py
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def gathered(changelog: str, version: str, fragments: dict[str, str]) -> str:
    """The changelog with these fragments (name to text) in the section of a version, made if need be."""
    head = f"## {version}\n"
    if head not in changelog:
        first = changelog.index("## ")
        changelog = f"{changelog[:first]}{head}\n{changelog[first:]}"
    before, _, behind = changelog.partition(head)
    section, rest = re.match(r"(.*?)((?:^## .*)?)\Z", behind, re.DOTALL | re.MULTILINE).groups()  # type: ignore[union-attr]
    entries = [line for line in re.split(r"\n(?=- )", section.strip()) if line]
    entries += [entry(name, text) for name, text in sorted(fragments.items())]
    body = "\n".join(sorted(dict.fromkeys(entries)))
    return f"{before}{head}\n{body}\n\n{rest}".rstrip() + "\n"


def entry(name: str, text: str) -> str:
    """One fragment as an item: `- **area**: words`."""
    area = name.partition("-")[0]
    words = "\n  ".join(line.strip() for line in text.strip().splitlines())
    return f"- **{area}**: {words}"


def main() -> None:
    """Rewrite CHANGELOG.md and remove what it now says."""
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    paths = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]
    page = ROOT / "CHANGELOG.md"
    page.write_text(gathered(page.read_text(), version[1], {path.stem: path.read_text() for path in paths}))
    for path in paths:
        path.unlink()
    print(f"{len(paths)} fragments are in CHANGELOG.md below {version[1]}")


if __name__ == "__main__":
    main()
