# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1000/runtime.md, made from the driver's own rows.

`python -m akc.targets.akd1000.driver.reference docs/akd1000/runtime.md` puts them into the page,
between `<!-- begin NAME -->` and `<!-- end NAME -->`; a test holds that they are current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from akc.targets.akd1000.driver.dma import CONFIG, EVENT, HEADER, HRC, Layout
from akc.targets.akd1000.driver.registers import FIELDS


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])


def _bits(low: int, width: int) -> str:
    return str(low) if width == 1 else f"{low + width - 1}:{low}"


def registers(*blocks: str) -> str:
    """Rows of some register blocks."""
    rows = [
        (f"{f.offset:#04x}", _bits(f.low, f.width), f.name, f.meaning, f.known)
        for f in FIELDS.values()
        if f.block in blocks
    ]
    return _table(("offset", "bits", "field", "meaning", "known from"), rows)


def layout(kind: Layout) -> str:
    """Fields of a descriptor or header."""
    rows = [
        (part.word, _bits(part.low, part.width), part.name, "" if part.always is None else part.always)
        for part in kind.parts
    ]
    return _table(("word", "bits", "field", "always"), rows)


def tables() -> dict[str, str]:
    """Every table by the name of its place in the page."""
    return {
        "top": registers("top", "interrupts"),
        "dma": registers("dma"),
        **{kind.name: layout(kind) for kind in (CONFIG, EVENT, HRC, HEADER)},
    }


def filled(page: str) -> str:
    """The page with current tables."""
    for name, text in tables().items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        head, _, rest = page.partition(begin)
        page = f"{head}{begin}{text}\n{end}{rest.partition(end)[2]}" if rest else page
    return page


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(filled(file.read_text()))
