# SPDX-License-Identifier: Apache-2.0
"""docs/supported.md: what the chip takes, from the table of limits that refuses networks."""

from __future__ import annotations

from akc.pages.markdown import table
from akc.targets.akd1000 import AKD1000
from akc.targets.akida1.layers import KIND_NAMES
from akc.targets.akida1.limits.table import LIMITS, PLACEMENT_LIMITS

HEAD = """# What the AKD1000 takes

Made from the table of limits, the one that refuses networks, by `python -m akc.pages`. Sizes are [d0, d1, channels].
The limits are those of the vendor's SDK 2.19.3; docs/akd1000/limits.md explains them."""


def supported_page() -> str:
    """The text of docs/supported.md: one table a kind of layer."""
    parts = [HEAD]
    for kind, words in KIND_NAMES.items():
        rows = [
            (row.what, row.words(AKD1000), row.severity, row.code)
            for row in (*LIMITS, *PLACEMENT_LIMITS)
            if row.concerns(kind, AKD1000)
        ]
        parts += [f"## {words.capitalize()}", table(("what", "the chip takes", "else", "code"), rows)]
    return "\n\n".join(parts) + "\n"
