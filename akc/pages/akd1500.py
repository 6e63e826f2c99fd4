# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1500/README.md: what differs from the AKD1000, made from the chips' own data."""

from __future__ import annotations

from itertools import groupby

from akc.pages.markdown import table
from akc.targets.akd1000 import AKD1000
from akc.targets.akd1500 import AKD1500
from akc.targets.akida1.chip import HAND_OUT, Chip
from akc.targets.akida1.layers import KIND_NAMES
from akc.targets.akida1.limits.table import LIMITS, PLACEMENT_LIMITS
from akc.targets.akida1.program.registers import CNP, FNP, HRC_MODE, HRC_OUTPUT

PAGES = ("README.md",)


def tables() -> dict[str, str]:
    """Every generated table by the name of its place."""
    return {
        "numbers": table(("what", "AKD1000", "AKD1500"), _numbers()),
        "mesh": _mesh(AKD1500),
        "hand-out": table(
            ("turn", "NPs that can be", "how many"),
            (
                (turn, " and ".join(k.upper() for k in kinds), sum(p.kinds == kinds for p in AKD1500.mesh))
                for turn, kinds in enumerate(HAND_OUT, 1)
            ),
        ),
        "limits": table(("layers", "what", "AKD1000", "AKD1500", "code"), _limits()),
        "fields": table(("block", "word", "bits", "field", "meaning"), _fields()),
    }


def _numbers() -> list[tuple[object, ...]]:
    chips = (AKD1000, AKD1500)
    return [
        ("device version", *(".".join(f"{n:02x}" for n in c.version) for c in chips)),
        ("NPs", *(len(c.mesh) for c in chips)),
        ("FNP3, FNP2", *(f"{len(c.fnps('fnp3'))}, {len(c.fnps('fnp2'))}" for c in chips)),
        ("event DMA, configuration DMA", *(f"{c.event_dma}, {c.config_dma}" for c in chips)),
        ("filters of a CNP", *(c.filters for c in chips)),
        ("inputs and outputs", *("whole maps" if c.dense else "events" for c in chips)),
        ("passes of a program", *("several" if c.passes else "one" for c in chips)),
        ("configuration tracks and one more, times passes", *(c.descriptors for c in chips)),
        ("ways of placing", *(", ".join(c.modes) for c in chips)),
    ]


def _limits() -> list[tuple[object, ...]]:
    """Rows whose words differ, or that only one chip has."""
    rows: list[tuple[object, ...]] = []
    for row in (*LIMITS, *PLACEMENT_LIMITS):
        words = [row.words(c) if row.concerns(row.ops[0], c) else "-" for c in (AKD1000, AKD1500)]
        if words[0] != words[1]:
            rows.append((", ".join(KIND_NAMES[kind] for kind in row.ops), row.what, *words, row.code))
    return rows


def _fields() -> list[tuple[object, ...]]:
    return [
        (block.name, block.where(row), row.bits, row.name, row.meaning)
        for block in (CNP, FNP, HRC_MODE, HRC_OUTPUT)
        for row in sorted(block.fields, key=lambda row: (row.word, row.low))
        if row.later
    ]


def _mesh(chip: Chip) -> str:
    rows = []
    for (column, row), nps in groupby(chip.mesh, key=lambda p: (p.column, p.row)):
        rows.append((column, row, *("/".join(kind.upper() for kind in p.kinds) for p in nps)))
    return table(("column", "row", "id 0", "id 1", "id 2", "id 3"), rows)
