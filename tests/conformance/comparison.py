# SPDX-License-Identifier: Apache-2.0
"""Bytes against bytes: what akc and the vendor's SDK make of random networks, by class and way.

Run `python -m tests.conformance.comparison --help` for many networks and any seed (docs/conformance.md).
"""

from __future__ import annotations

import sys

from tests.conformance.tallying import BOTH_REFUSE, DIFFER, ONE_REFUSES, Comparison
from tests.conformance.ways import KINDS, WAYS, NotMade, draw

IDENTICAL, MORE, NOT_MADE = "identical", "akc takes more", "not made"
VERDICTS = (IDENTICAL, BOTH_REFUSE, MORE, NOT_MADE, DIFFER, ONE_REFUSES)
AGREED = (IDENTICAL, BOTH_REFUSE, MORE, NOT_MADE)


def verdict(way: str, kind: str, seed: int) -> str:
    """One of VERDICTS."""
    try:
        found = WAYS[way](draw(kind, seed), seed)
    except NotMade:
        return NOT_MADE
    if found.ours is None or found.theirs is None:
        return BOTH_REFUSE if found.ours is found.theirs else ONE_REFUSES
    if found.ours != found.theirs:
        return DIFFER
    return MORE if found.more else IDENTICAL


COMPARISON = Comparison(
    command="tests.conformance.comparison",
    kinds=tuple(KINDS),
    ways=tuple(WAYS),
    verdicts=VERDICTS,
    verdict=verdict,
    slow={"crowded": 5},
)
tally = COMPARISON.tally

if __name__ == "__main__":
    sys.exit(COMPARISON.main())
