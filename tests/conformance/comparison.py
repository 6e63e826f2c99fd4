# SPDX-License-Identifier: Apache-2.0
"""Bytes against bytes: what akc and the vendor's SDK make of one random network.

Run `python -m tests.conformance.comparison --help` for many networks and any seed (docs/conformance.md).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from akc.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets.akd1000 import TARGET
from tests.conformance import random_networks, vendor
from tests.conformance.random_networks import in_one_sequence

Bytes = list[tuple[bytes, bytes]]
IDENTICAL, BOTH_REFUSE, DIFFER, ONE_REFUSES = "identical", "refused by both", "different", "refused by one"
AGREED = (IDENTICAL, BOTH_REFUSE)


def assembled(module: Module) -> Bytes:
    """(program_info, program_data) of every sequence of a placed module."""
    return [(program.info, program.data) for program in TARGET.assemble(module)]


def own_way(module: Module, seed: int) -> tuple[Bytes | None, Bytes | None]:
    """akc's placement and bytes, and the SDK's, all layers in one sequence; None where refused."""
    try:
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, minimal=False)
        theirs: Bytes | None = vendor.programs(model)
    except (RuntimeError, ValueError):
        theirs = None
    try:
        ours: Bytes | None = assembled(TARGET.place(in_one_sequence(module)))
    except DiagnosticError:
        ours = None
    return ours, theirs


def minimal_way(module: Module, seed: int) -> tuple[Bytes | None, Bytes | None]:
    """The same with the fewest NPs."""
    try:
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, minimal=True)
        theirs: Bytes | None = vendor.programs(model)
    except (RuntimeError, ValueError):
        theirs = None
    try:
        ours: Bytes | None = assembled(TARGET.place(in_one_sequence(module), "vendor-minimal"))
    except DiagnosticError:
        ours = None
    return ours, theirs


def several_sequences(module: Module, seed: int) -> tuple[Bytes | None, Bytes | None]:
    """Networks that run on the chip in part: akc's cut in the SDK's way, and the SDK's (hw_only=False).

    The SDK refuses some values when a layer is made, before anything is cut.
    """
    try:
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, hw_only=False)
    except (RuntimeError, ValueError):
        return None, None
    ours = TARGET.partition(in_one_sequence(module), "vendor")
    return assembled(ours), vendor.programs(model)


def steered(module: Module, seed: int) -> tuple[Bytes | None, Bytes | None]:
    """The SDK is steered to random filter limits and random NPs; akc assembles the same placement."""
    rng = np.random.default_rng(seed)
    try:
        model = vendor.to_akida(module)
        vendor.map_on_akd1000(model, minimal=True, constraints=vendor.steering(rng))
    except (RuntimeError, ValueError):
        return None, None
    return assembled(vendor.placed_like(module, model)), vendor.programs(model)


WAYS: dict[str, Callable[[Module, int], tuple[Bytes | None, Bytes | None]]] = {
    "own": own_way,
    "minimal": minimal_way,
    "sequences": several_sequences,
    "steered": steered,
}
"""How a network is placed before the bytes are compared."""


def verdict(way: str, kind: str, seed: int) -> str:
    """One of IDENTICAL, BOTH_REFUSE, DIFFER, ONE_REFUSES."""
    ours, theirs = WAYS[way](random_networks.network(kind, seed), seed)
    if ours is None or theirs is None:
        return BOTH_REFUSE if ours is theirs else ONE_REFUSES
    return IDENTICAL if ours == theirs else DIFFER


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


def main(arguments: list[str] | None = None) -> int:
    """Compare many networks and print a table; exit code 1 if any two differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.comparison", description=__doc__)
    parser.add_argument("--count", type=int, default=10000, help="networks in all, spread over classes and ways")
    parser.add_argument("--seed", type=int, default=1, help="where the seeds start")
    parser.add_argument("--kind", choices=random_networks.CLASSES, help="one class only")
    parser.add_argument("--way", choices=WAYS, help="one way of placing only")
    options = parser.parse_args(arguments)
    kinds = [options.kind] if options.kind else list(random_networks.CLASSES)
    ways = [options.way] if options.way else list(WAYS)
    each = -(-options.count // (len(kinds) * len(ways)))
    total: Counter[str] = Counter()
    print(f"{'way':10} {'class':14} " + " ".join(f"{name:>16}" for name in (*AGREED, DIFFER, ONE_REFUSES)))
    start = time.monotonic()
    for way in ways:
        for kind in kinds:
            found, odd = tally(way, kind, options.seed, each)
            total += found
            print(_row(way, kind, found), *([f"  seeds {odd[:8]}"] if odd else []), flush=True)
    print(_row("all", f"{time.monotonic() - start:.0f} s", total))
    return 1 if total[DIFFER] or total[ONE_REFUSES] else 0


def _row(way: str, kind: str, found: Counter[str]) -> str:
    return f"{way:10} {kind:14} " + " ".join(f"{found[name]:16}" for name in (*AGREED, DIFFER, ONE_REFUSES))


if __name__ == "__main__":
    sys.exit(main())
