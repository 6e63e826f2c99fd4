# SPDX-License-Identifier: Apache-2.0
"""The table of limits at work: it refuses networks, words the messages and makes docs/supported.md."""

from __future__ import annotations

from collections.abc import Iterable

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module
from akc.targets.akida1.layers import KIND_NAMES, LayerFacts, layers_of, on_host
from akc.targets.akida1.limits.row import Limit
from akc.targets.akida1.limits.table import LIMITS, PLACEMENT_LIMITS


def check(module: Module) -> list[Diagnostic]:
    """Every fault and warning of a module's chip layers that can be found without placing them.

    The module must be well formed (`akc.ir.verifier`); weights that are elided are not looked into.
    """
    return [
        d
        for sequence in module.net.sequences
        if not on_host(sequence)
        for layer in layers_of(module, sequence)
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
        found += [row.fault(layer.op, value) for row, value in _findings(layer, module, stage)]
    return found


def _findings(layer: LayerFacts, module: Module, stage: str) -> Iterable[tuple[Limit, object]]:
    for row in LIMITS:
        if row.stage == stage and layer.kind in row.ops and row.test is not None:
            found = row.test(layer, module)
            if found is not None:
                yield row, found


def supported_page() -> str:
    """The text of docs/supported.md: one table a kind of layer."""
    parts = [_PAGE_HEAD]
    for kind, words in KIND_NAMES.items():
        rows = [row for row in (*LIMITS, *PLACEMENT_LIMITS) if kind in row.ops]
        lines = [f"| {row.what} | {row.limit} | {row.severity} | {row.code} |" for row in rows]
        parts.append(
            f"\n## {words.capitalize()}\n\n| what | the chip takes | else | code |\n| --- | --- | --- | --- |\n"
        )
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


_PAGE_HEAD = """# What the AKD1000 takes

This page is written by the table of limits in `targets/akida1/limits/table.py`, the one that refuses
networks; `python -m akc.targets.akida1.limits.judge > docs/supported.md` writes it anew. Sizes are
[d0, d1, channels]. The limits are those of the vendor's SDK 2.19.3; docs/akd1000/limits.md explains them.
"""

if __name__ == "__main__":
    print(supported_page(), end="")
