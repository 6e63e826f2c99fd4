# SPDX-License-Identifier: Apache-2.0
"""Pages of docs/akd1000: words written by hand, tables made from the code's rows between two marks each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with these texts between `<!-- begin NAME -->` and `<!-- end NAME -->`, where it has such marks."""
    for name, text in tables.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, mark, rest = page.partition(begin)
        if mark:
            page = f"{head}{begin}{text}\n{end}{rest.partition(end)[2]}"
    return page


def fill(folder: Path, names: Iterable[str], tables: Mapping[str, str]) -> None:
    """Rewrite these pages of a folder with current tables."""
    for name in names:
        (folder / name).write_text(filled((folder / name).read_text(), tables))
