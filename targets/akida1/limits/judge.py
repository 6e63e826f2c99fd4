# SPDX-License-Identifier: Apache-2.0
"""The table of limits at work: it refuses networks and words the messages."""

from __future__ import annotations

from collections.abc import Iterable

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module
from akc.ir.ops.akida import on_host
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import LayerFacts, layers_of
from akc.targets.akida1.limits.row import Limit
from akc.targets.akida1.limits.table import LIMITS


def check(module: Module, chip: Chip) -> list[Diagnostic]:
    """Every fault and warning of a module's chip layers that can be found without placing them.

    The module must be well formed (`akc.ir.verifier`); weights that are elided are not looked into.
    """
    return [
        d
        for sequence in module.net.sequences
        if not on_host(sequence)
        for layer in layers_of(module, sequence, chip)
        for d in layer_faults(layer, module)
    ]


def layer_faults(
    layer: LayerFacts, module: Module, stages: Iterable[str] = ("layer", "sequence", "memory")
) -> list[Diagnostic]:
    """The faults of one layer; memory is only looked at where the geometry is legal."""
    found: list[Diagnostic] = []
    for stage in stages:
        if stage == "memory" and any(d.severity == "error" for d in found):
            break
        found += [row.fault(layer, value) for row, value in _findings(layer, module, stage)]
    return found


def _findings(layer: LayerFacts, module: Module, stage: str) -> Iterable[tuple[Limit, object]]:
    for row in LIMITS:
        if row.stage == stage and row.concerns(layer.kind, layer.chip) and row.test is not None:
            found = row.test(layer, module)
            if found is not None:
                yield row, found
