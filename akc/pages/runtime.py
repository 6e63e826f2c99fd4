# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1000/runtime.md, made from the code's own rows."""

from __future__ import annotations

from akc.pages.markdown import table
from akc.targets.akida1.driver.chip_registers import FIELDS
from akc.targets.akida1.driver.dma import CONFIG, EVENT, HEADER, HRC, Layout

PAGES = ("runtime.md",)


def _bits(low: int, width: int) -> str:
    return str(low) if width == 1 else f"{low + width - 1}:{low}"


def registers(*blocks: str) -> str:
    """Rows of some register blocks."""
    rows = [
        (f"{f.offset:#04x}", _bits(f.low, f.width), f.name, f.meaning, f.known)
        for f in FIELDS.values()
        if f.block in blocks and f.known != "AKD1500"
    ]
    return table(("offset", "bits", "field", "meaning", "known from"), rows)


def layout(kind: Layout) -> str:
    """Fields of a descriptor or header."""
    rows = [
        (part.word, _bits(part.low, part.width), part.name, "" if part.always is None else part.always)
        for part in kind.parts
    ]
    return table(("word", "bits", "field", "always"), rows)


def tables() -> dict[str, str]:
    """Every table by the name of its place in the page."""
    return {
        "top": registers("top", "interrupts"),
        "dma": registers("dma"),
        **{kind.name: layout(kind) for kind in (CONFIG, EVENT, HRC, HEADER)},
    }
