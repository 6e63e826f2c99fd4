# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1000/program.md, registers.md, memories.md and learning.md, made from the code's own rows."""

from __future__ import annotations

from collections.abc import Iterable

from akc.pages.markdown import table
from akc.targets.akida1.np_memory import conv_lines, pointwise_rows
from akc.targets.akida1.program.cnp_memory import depthwise_rows
from akc.targets.akida1.program.fnp_memory import PLANES, SIGNS, UNIT
from akc.targets.akida1.program.registers import BLOCKS, CODES, DENSE_WEIGHT_CODES, RegisterBlock
from akc.targets.akida1.program.slots import INFO_SLOTS, OTHER_SLOTS, Slot
from akc.targets.akida1.program.tracks import HEADER, UNIT_NAMES

PAGES = ("program.md", "registers.md", "memories.md", "learning.md")


def tables() -> dict[str, str]:
    """Every generated table by the name of its place."""
    return {
        "info slots": _slots(slot for slot in INFO_SLOTS),
        **{f"slots {name}": _slots(s for s in OTHER_SLOTS if s.table == name) for name in _other_tables()},
        "dma header": _block(HEADER),
        "units": table(("unit", "what is written"), UNIT_NAMES.items()),
        **{f"block {b.name}": _block(b) for b in BLOCKS if not all(row.later for row in b.fields)},
        "unit head": _block(UNIT),
        "bit codes": table(
            ("bits", "levels, separable weights", "dense weights"),
            ((bits, CODES[bits], DENSE_WEIGHT_CODES.get(bits, "-")) for bits in (1, 2, 3, 4)),
        ),
        "dense planes": table(
            ("weights", "signs", "bits of the magnitude", "words per 32 inputs"),
            ((f"{b} bits", len(SIGNS[b]), PLANES[b], len(SIGNS[b]) * PLANES[b]) for b in (1, 2, 4)),
        ),
        "conv sizes": table(
            ("kernel", "weights", *(f"{f} filters" for f in _FILTERS)),
            (
                (f"{k}x{k}", f"{b} bits", *(conv_lines(k, b, f) for f in _FILTERS))
                for k in (1, 3, 5, 7)
                for b in (1, 2, 4)
            ),
        ),
        "separable sizes": table(
            ("kernel", "weights", "depthwise rows, 8 channels", *(f"pointwise rows, {f} filters" for f in _FILTERS)),
            (
                (f"{k}x{k}", f"{b} bits", depthwise_rows(k, b, 8), *(pointwise_rows(b, f) for f in _FILTERS))
                for k in (3, 5, 7)
                for b in (2, 4)
            ),
        ),
        "learning fields": _block(
            RegisterBlock(
                "fnp", 0, 50, "", tuple(r for b in BLOCKS if b.name == "fnp" for r in b.fields if "learning" in r.name)
            )
        ),
    }


_FILTERS = (1, 8, 16, 32, 64)


def _other_tables() -> list[str]:
    return list(dict.fromkeys(slot.table for slot in OTHER_SLOTS))


def _slots(slots: Iterable[Slot]) -> str:
    rows = ((s.number, s.name, s.kind, s.meaning + (" (may be absent)" if s.optional else ""), s.status) for s in slots)
    return table(("slot", "field", "kind", "meaning", "status"), rows)


def _block(block: RegisterBlock) -> str:
    rows = (
        (block.where(row), row.bits, row.name, row.meaning, f"`{row.value:#x}`" if row.value else "", row.status)
        for row in sorted(block.fields, key=lambda row: (row.word, row.low))
        if not row.later
    )
    return table(("word", "bits", "field", "meaning", "if nothing is said", "status"), rows)
