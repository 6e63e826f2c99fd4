# SPDX-License-Identifier: Apache-2.0
"""Many networks compared with the vendor's SDK, counted by class and way, for the suite and as commands."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field, frozen

BOTH_REFUSE, DIFFER, ONE_REFUSES = "refused by both", "different", "refused by one"


@frozen(kw_only=True)
class Comparison:
    """What is compared.

    command: the module that runs it; kinds, ways: classes of networks, and ways to place them; verdict: one of
    `verdicts` for a way, a class and a seed; slow: classes that take the SDK long, and by how much fewer networks of
    them are drawn.
    """

    command: str
    kinds: tuple[str, ...]
    ways: tuple[str, ...]
    verdicts: tuple[str, ...]
    verdict: Callable[[str, str, int], str]
    slow: Mapping[str, int] = field(factory=dict)

    def tally(self, way: str, kind: str, seed: int, count: int) -> tuple[Counter[str], list[int]]:
        """Verdicts over `count` seeds from `seed` on, and the seeds where the two sides do not agree."""
        found = {number: self.verdict(way, kind, number) for number in range(seed, seed + count)}
        return Counter(found.values()), [n for n, one in found.items() if one in (DIFFER, ONE_REFUSES)]

    def shares(self, count: int, ways: Iterable[str], kinds: Iterable[str]) -> dict[tuple[str, str], int]:
        """How many networks of each class go each way, `count` or a few more in all."""
        ways, kinds = tuple(ways), tuple(kinds)
        parts = len(ways) * sum(1 / self.slow.get(kind, 1) for kind in kinds)
        return {
            (way, kind): max(1, -(-count // int(parts * self.slow.get(kind, 1) + 0.5)))
            for way in ways
            for kind in kinds
        }

    def main(self, arguments: list[str] | None = None) -> int:
        """Compare many networks and print a table; exit code 1 if any two differ."""
        options = self._options(arguments)
        ways, kinds = options.way or self.ways, options.kind or self.kinds
        totals: dict[str, Counter[str]] = {way: Counter() for way in ways}
        print(self._head())
        start = time.monotonic()
        for (way, kind), count in self.shares(options.count, ways, kinds).items():
            found, odd = self.tally(way, kind, options.seed, count)
            totals[way] += found
            print(self._row(way, kind, found), *([f"  seeds {odd[:8]}"] if odd else []), flush=True)
        whole: Counter[str] = sum(totals.values(), Counter())
        print("\n" + self._head(), *(self._row(way, "all", totals[way]) for way in ways), sep="\n")
        print(self._row("all", f"{time.monotonic() - start:.0f} s", whole), f"  {whole.total()} networks")
        return 1 if whole[DIFFER] or whole[ONE_REFUSES] else 0

    def _options(self, arguments: list[str] | None) -> Any:
        parser = argparse.ArgumentParser(prog=f"python -m {self.command}", description="docs/conformance.md says more")
        parser.add_argument("--count", type=int, default=10000, help="networks in all, spread over classes and ways")
        parser.add_argument("--seed", type=int, default=1, help="where the seeds start")
        parser.add_argument("--kind", choices=self.kinds, action="append", help="only this class; may be repeated")
        parser.add_argument("--way", choices=self.ways, action="append", help="only this way; may be repeated")
        return parser.parse_args(arguments)

    def _head(self) -> str:
        return f"{'way':14} {'class':14} " + " ".join(f"{name:>19}" for name in self.verdicts)

    def _row(self, way: str, kind: str, found: Counter[str]) -> str:
        return f"{way:14} {kind:14} " + " ".join(f"{found[name]:19}" for name in self.verdicts)
