# SPDX-License-Identifier: Apache-2.0
"""The table of ways to place a sequence: what `--place` takes."""

from __future__ import annotations

from akc.targets.akida1.placing.compact import place_compact
from akc.targets.akida1.placing.placement import Placer, place_all_nps, place_minimal

PLACERS: dict[str, Placer] = {
    "vendor": place_all_nps,
    "vendor-minimal": place_minimal,
    "vendor-hwpr": lambda layers: place_all_nps(layers, any_passes=True),
    "compact": place_compact,
}
"""vendor: as the SDK places by default (MapMode.AllNps); vendor-minimal: as its MapMode.Minimal;
vendor-hwpr: as its MapMode.HwPr, which differs where a program has several passes;
compact: fewest NPs at the same largest load per NP."""
