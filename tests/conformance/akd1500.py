# SPDX-License-Identifier: Apache-2.0
"""AKD1500: placement and bytes of akc against those of the vendor's SDK, by class of network and mode.

Run `python -m tests.conformance.akd1500 --count 10000 --seed 1` for many networks and any seed (docs/conformance.md).
"""

from __future__ import annotations

import sys
from typing import Any

import akida

from akc.base.diagnostics import DiagnosticError
from akc.ir.module import Module
from akc.targets.akd1500 import TARGET
from tests.conformance import random_networks, vendor
from tests.conformance.passes_networks import SEVERAL, several_network
from tests.conformance.placement_networks import SHAPES, shaped_network
from tests.conformance.tallying import BOTH_REFUSE, DIFFER, ONE_REFUSES, Comparison
from tests.conformance.ways import REFUSALS, Bytes
from tests.targets.akida1.chips import in_sequence

KINDS = (*random_networks.CLASSES, *SHAPES, *SEVERAL)
MODES = {
    "vendor": akida.MapMode.AllNps,
    "vendor-minimal": akida.MapMode.Minimal,
    "vendor-hwpr": akida.MapMode.HwPr,
}
ONE, MORE = "identical, one pass", "identical, several"
VERDICTS = (ONE, MORE, BOTH_REFUSE, DIFFER, ONE_REFUSES)


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


def verdict(mode: str, kind: str, seed: int) -> str:
    """One of VERDICTS."""
    module = draw(kind, seed)
    model, ours = mapped(module, mode), assembled(module, mode)
    if model is None or ours is None:
        return BOTH_REFUSE if model is ours else ONE_REFUSES
    if ours != vendor.programs(model):
        return DIFFER
    return ONE if len(model.sequences[-1].passes) == 1 else MORE


COMPARISON = Comparison(
    command="tests.conformance.akd1500",
    kinds=KINDS,
    ways=tuple(MODES),
    verdicts=VERDICTS,
    verdict=verdict,
    slow={"crowded": 5, "large": 5},
)
tally = COMPARISON.tally

if __name__ == "__main__":
    sys.exit(COMPARISON.main())
