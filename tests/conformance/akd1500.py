# SPDX-License-Identifier: Apache-2.0
"""AKD1500: placement and bytes of akc against those of the vendor's SDK, by class of network and mode.

Run `python -m tests.conformance.akd1500 --count 10000 --seed 1` for many networks and any seed (docs/conformance.md).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import Any

import akida

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets.akd1500 import TARGET
from tests.conformance import random_networks, vendor
from tests.conformance.passes_networks import SEVERAL, several_network
from tests.conformance.placement_networks import SHAPES, shaped_network
from tests.conformance.ways import REFUSALS, Bytes
from tests.targets.akida1.chips import in_sequence

KINDS = (*random_networks.CLASSES, *SHAPES, *SEVERAL)
MODES = {
    "vendor": akida.MapMode.AllNps,
    "vendor-minimal": akida.MapMode.Minimal,
    "vendor-hwpr": akida.MapMode.HwPr,
}
ONE, MORE, BOTH_REFUSE = "identical, one pass", "identical, several", "refused by both"
DIFFER, ONE_REFUSES = "different", "refused by one"
VERDICTS = (ONE, MORE, BOTH_REFUSE, DIFFER, ONE_REFUSES)
SLOW = ("crowded", "large")


def draw(kind: str, seed: int) -> Module:
    """The network of a class for a seed."""
    if kind in SEVERAL:
        return several_network(kind, seed)
    return shaped_network(kind, seed) if kind in SHAPES else random_networks.network(kind, seed)


def mapped(module: Module, mode: str) -> Any:
    """The SDK's model on its virtual AKD1500; None where it refuses."""
    try:
        model = vendor.to_akida(module)
        model.map(akida.AKD1500(), hw_only=True, mode=MODES[mode])
    except REFUSALS:
        return None
    return model


def assembled(module: Module, mode: str) -> Bytes | None:
    """(program_info, program_data) that akc makes; None where it refuses."""
    try:
        placed = TARGET.place(in_sequence(module), mode)
        return [(program.info, program.data) for program in TARGET.assemble(placed)]
    except DiagnosticError:
        return None


def verdict(kind: str, seed: int, mode: str) -> str:
    """One of VERDICTS."""
    module = draw(kind, seed)
    model, ours = mapped(module, mode), assembled(module, mode)
    if model is None or ours is None:
        return BOTH_REFUSE if model is ours else ONE_REFUSES
    if ours != vendor.programs(model):
        return DIFFER
    return ONE if len(model.sequences[-1].passes) == 1 else MORE


def tally(kind: str, seed: int, count: int, mode: str) -> tuple[Counter[str], list[int]]:
    """Verdicts over `count` seeds from `seed` on, and the seeds where the two sides do not agree."""
    found = {number: verdict(kind, number, mode) for number in range(seed, seed + count)}
    return Counter(found.values()), [n for n, one in found.items() if one in (DIFFER, ONE_REFUSES)]


def main(arguments: list[str] | None = None) -> int:
    """Compare many networks and print a table; exit code 1 if any two differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.akd1500", description=__doc__)
    parser.add_argument("--count", type=int, default=10000, help="networks in all, spread over classes and modes")
    parser.add_argument("--seed", type=int, default=1, help="where the seeds start")
    parser.add_argument("--kind", choices=KINDS, help="one class only")
    parser.add_argument("--mode", choices=MODES, help="one mode only")
    options = parser.parse_args(arguments)
    kinds = [options.kind] if options.kind else list(KINDS)
    modes = [options.mode] if options.mode else list(MODES)
    print(_row("class", VERDICTS))
    start, whole = time.monotonic(), Counter[str]()
    for kind in kinds:
        found, odd = Counter[str](), []
        each = max(1, -(-options.count // (len(kinds) * len(modes) * (5 if kind in SLOW else 1))))
        for mode in modes:
            part, wrong = tally(kind, options.seed, each, mode)
            found, odd = found + part, odd + [f"{mode} {number}" for number in wrong]
        whole += found
        print(_row(kind, [found[name] for name in VERDICTS]), *([f"  {odd[:6]}"] if odd else []), flush=True)
    print(_row("all", [whole[name] for name in VERDICTS]), f"  {whole.total()} maps, {time.monotonic() - start:.0f} s")
    return 1 if whole[DIFFER] or whole[ONE_REFUSES] else 0


def _row(name: str, cells: Any) -> str:
    return f"{name:14} " + " ".join(f"{cell:>20}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
