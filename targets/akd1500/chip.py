# SPDX-License-Identifier: Apache-2.0
"""The AKD1500 as data: its 32 neural processors, dense inputs and outputs, several passes in a program.

Read from `akida.AKD1500()` of the vendor's SDK 2.19.3, and found by comparing its programs.
"""

from __future__ import annotations

from akc.targets.akida1.chip import Chip, Processor, node

ORDINARY = (("cnp1", "fnp3"), ("cnp1", "cnp2"))
"""Kinds of the first NP of an ordinary node, and of the other three."""
PLACES = ((1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3))
"""(column, row) of the ordinary nodes."""
FIRST: tuple[Processor, ...] = node(1, 2, ("cnp1", "fnp2"), ("cnp1",))
"""The node beside the DMA controllers."""

AKD1500 = Chip(
    name="akd1500",
    title="AKD1500",
    version=(0xBC, 0xA1, 3, 9),
    mesh=(*FIRST, *(p for column, row in PLACES for p in node(column, row, *ORDINARY))),
    event_dma=(1, 1, 0),
    config_dma=(1, 1, 1),
    modes=("vendor", "vendor-minimal", "vendor-hwpr", "compact"),
    filters=512,
    dense_inputs=81920,
    pools=(1, 2, 3),
    even_groups=False,
    dense=True,
    passes=True,
    descriptors=254,
    cards=False,
)
