# SPDX-License-Identifier: Apache-2.0
"""The AKD1000 as data: its 78 neural processors, its DMA controllers and its numbers.

Read from `akida.AKD1000()` of the vendor's SDK 2.19.3 (docs/akd1000/placement.md).
"""

from __future__ import annotations

from akc.targets.akida1.chip import Chip, Processor, node

NODE_ROWS: dict[int, range] = {1: range(3, 6), 2: range(3, 6), 3: range(2, 6), 4: range(2, 6), 5: range(2, 6)}
"""Rows of the ordinary nodes of each column."""

ORDINARY = (("cnp1", "fnp3"), ("cnp1", "cnp2"))
"""Kinds of the first NP of an ordinary node, and of the other three."""

FIRST_ROW: tuple[Processor, ...] = (
    Processor(3, 1, 2, ("cnp1",)),
    Processor(3, 1, 3, ("cnp1",)),
    *node(4, 1, ("cnp1", "fnp2"), ("cnp1", "fnp2")),
)
"""The NPs of row 1, beside the two DMA controllers."""

AKD1000 = Chip(
    name="akd1000",
    title="AKD1000",
    version=(0xBC, 0, 0, 2),
    mesh=(*FIRST_ROW, *(p for c, rows in NODE_ROWS.items() for r in rows for p in node(c, r, *ORDINARY))),
    event_dma=(3, 1, 0),
    config_dma=(3, 1, 1),
    mark="NSoC_v2",
)
