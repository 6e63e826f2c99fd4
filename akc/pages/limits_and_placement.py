# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/akd1000/limits.md and placement.md, made from the code's own rows."""

from __future__ import annotations

from itertools import groupby

from akc.pages.markdown import table
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.chip import HAND_OUT
from akc.targets.akida1.layers import KIND_NAMES
from akc.targets.akida1.limits.row import STAGES
from akc.targets.akida1.limits.table import LIMITS, PLACEMENT_LIMITS
from akc.targets.akida1.limits.tests import IMAGE_FILTERS
from akc.targets.akida1.np_memory import CONV_LINES, DENSE_WORDS, DEPTHWISE_LINES

PAGES = ("limits.md", "placement.md")


def tables() -> dict[str, str]:
    """Every generated table by the name of its place."""
    return {
        "limits": _limits(),
        "stages": table(("stage", "meaning"), STAGES.items()),
        "image filters": table(
            ("kernel", "1 channel", "3 channels"),
            ((f"{k}x{k}", IMAGE_FILTERS[1, k], IMAGE_FILTERS[3, k]) for k in (3, 5, 7)),
        ),
        "mesh": _mesh(),
        "hand-out": table(
            ("turn", "NPs that can be", "how many"),
            (
                (turn, " and ".join(k.upper() for k in kinds), sum(p.kinds == kinds for p in AKD1000.mesh))
                for turn, kinds in enumerate(HAND_OUT, 1)
            ),
        ),
        "conv lines": table(
            ("kernel", "u1", "i2", "i4"),
            ((f"{k}x{k}", *(_lines(k, bits) for bits in (1, 2, 4))) for k in (1, 3, 5, 7)),
        ),
        "depthwise lines": table(
            ("kernel", "i2", "i4"),
            ((f"{k}x{k}", *("{} / {}".format(*DEPTHWISE_LINES[k, bits]) for bits in (2, 4))) for k in (3, 5, 7)),
        ),
        "dense words": table(("weights", "m"), zip(("u1", "i2", "i4"), DENSE_WORDS.values(), strict=True)),
    }


def _limits() -> str:
    rows = [
        (", ".join(KIND_NAMES[kind] for kind in row.ops), row.what, row.words(AKD1000), row.stage, row.code)
        for row in (*LIMITS, *PLACEMENT_LIMITS)
        if any(row.concerns(kind, AKD1000) for kind in row.ops)
    ]
    return table(("layers", "what", "the chip takes", "stage", "code"), rows)


def _lines(kernel: int, bits: int) -> str:
    row = CONV_LINES[kernel, bits]
    groups = "g" if row.above == 1 else f"{row.above} g"
    lines = groups if row.below == 1 else f"ceil({groups} / {row.below})"
    return lines if row.factor == 1 else f"{row.factor} {lines}"


def _mesh() -> str:
    nodes = [(place, list(nps)) for place, nps in groupby(AKD1000.mesh, key=lambda p: (p.column, p.row))]
    rows = []
    for (column, row), processors in nodes:
        kinds = ["/".join(k.upper() for k in p.kinds) for p in processors]
        first = processors[0].id
        rows.append((column, row, *["-"] * first, *kinds, *["-"] * (4 - first - len(kinds))))
    return table(("column", "row", "id 0", "id 1", "id 2", "id 3"), rows)
