# SPDX-License-Identifier: Apache-2.0
"""A chip that does not exist, as another package would add it: a small mesh, no image layer, no FNP2."""

from __future__ import annotations

from akc.targets.akida1.chip import Chip, Processor, node
from akc.targets.akida1.target import Akida1

TOY = Chip(
    name="toy",
    title="Toy",
    version=(0x01, 0x02, 0x03, 0x04),
    mesh=(*node(2, 1, ("cnp1", "fnp3"), ("cnp1", "cnp2")), Processor(7, 2, 3, ("cnp1", "fnp3"))),
    event_dma=(7, 1, 0),
    config_dma=(7, 1, 1),
    image_layer=False,
    modes=("vendor", "compact"),
    filters=40,
    dense_inputs=2048,
)
TARGET = Akida1(TOY)
