# SPDX-License-Identifier: Apache-2.0
"""Markdown: tables, and pages of words written by hand with generated tables between two marks each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with these texts between `<!-- begin NAME -->` and `<!-- end NAME -->`, where it has such marks."""
    for name, text in tables.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, mark, rest = page.partition(begin)
        if mark:
            page = f"{head}{begin}{text}\n{end}{rest.partition(end)[2]}"
    return page
