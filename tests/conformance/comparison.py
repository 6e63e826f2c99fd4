# SPDX-License-Identifier: Apache-2.0
"""Bytes against bytes: what akc and the vendor's SDK make of random networks, by class and way.

Run `python -m tests.conformance.comparison --help` for many networks and any seed (docs/conformance.md).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.conformance.ways import KINDS, WAYS, NotMade, draw

IDENTICAL, BOTH_REFUSE, MORE, NOT_MADE = "identical", "refused by both", "akc takes more", "not made"
DIFFER, ONE_REFUSES = "different", "refused by one"
VERDICTS = (IDENTICAL, BOTH_REFUSE, MORE, NOT_MADE, DIFFER, ONE_REFUSES)
AGREED = (IDENTICAL, BOTH_REFUSE, MORE, NOT_MADE)

SLOW = {"crowded": 5}
"""Classes that take the SDK long, and by how much fewer networks of them are drawn."""


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


def tally(way: str, kind: str, seed: int, count: int) -> tuple[Counter[str], list[int]]:
    """Verdicts over `count` seeds from `seed` on, and the seeds where the two sides do not agree."""
    verdicts: Counter[str] = Counter()
    odd: list[int] = []
    for number in range(seed, seed + count):
        found = verdict(way, kind, number)
        verdicts[found] += 1
        if found not in AGREED:
            odd.append(number)
    return verdicts, odd


def shares(count: int, ways: list[str], kinds: list[str]) -> dict[tuple[str, str], int]:
    """How many networks of each class go each way, `count` or a few more in all."""
    parts = len(ways) * sum(1 / SLOW.get(kind, 1) for kind in kinds)
    return {(way, kind): -(-count // int(parts * SLOW.get(kind, 1) + 0.5)) for way in ways for kind in kinds}


def main(arguments: list[str] | None = None) -> int:
    """Compare many networks and print a table; exit code 1 if any two differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.comparison", description=__doc__)
    parser.add_argument("--count", type=int, default=10000, help="networks in all, spread over classes and ways")
    parser.add_argument("--seed", type=int, default=1, help="where the seeds start")
    parser.add_argument("--kind", choices=KINDS, help="one class only")
    parser.add_argument("--way", choices=WAYS, help="one way of placing only")
    options = parser.parse_args(arguments)
    ways = [options.way] if options.way else list(WAYS)
    kinds = [options.kind] if options.kind else list(KINDS)
    totals: dict[str, Counter[str]] = {way: Counter() for way in ways}
    print(_head())
    start = time.monotonic()
    for (way, kind), count in shares(options.count, ways, kinds).items():
        found, odd = tally(way, kind, options.seed, count)
        totals[way] += found
        print(_row(way, kind, found), *([f"  seeds {odd[:8]}"] if odd else []), flush=True)
    whole: Counter[str] = sum(totals.values(), Counter())
    print("\n" + _head(), *(_row(way, "all", totals[way]) for way in ways), sep="\n")
    print(_row("all", f"{time.monotonic() - start:.0f} s", whole), f"  {whole.total()} networks")
    return 1 if whole[DIFFER] or whole[ONE_REFUSES] else 0


def _head() -> str:
    return f"{'way':12} {'class':14} " + " ".join(f"{name:>16}" for name in VERDICTS)


def _row(way: str, kind: str, found: Counter[str]) -> str:
    return f"{way:12} {kind:14} " + " ".join(f"{found[name]:16}" for name in VERDICTS)


if __name__ == "__main__":
    sys.exit(main())
