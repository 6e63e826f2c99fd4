# SPDX-License-Identifier: Apache-2.0
"""Every limit of the chip as a row of one table.

The limits are those that the vendor's SDK 2.19.3 enforces; the conformance tests compare the verdicts
(docs/akd1000/limits.md). A row whose limit depends on the chip makes its words from the chip's numbers.
"""

from __future__ import annotations

from akc.targets.akida1.limits.convolution_limits import CONVOLUTIONS
from akc.targets.akida1.limits.dense_limits import FULLY_CONNECTED_LAYERS, LEARNING
from akc.targets.akida1.limits.image_limits import IMAGE_LAYER
from akc.targets.akida1.limits.number_limits import NUMBERS
from akc.targets.akida1.limits.row import CONVS, Limit
from akc.targets.akida1.np_memory import FNP3_BYTES

LIMITS: tuple[Limit, ...] = (*IMAGE_LAYER, *CONVOLUTIONS, *FULLY_CONNECTED_LAYERS, *LEARNING, *NUMBERS)
"""All limits that `check` tests, in the order of the page."""

# -- limits that only the placer can test -----------------------------------------------------------

NO_ROOM = Limit(
    code="AKC0520",
    what="the number of NPs it needs",
    ops=CONVS,
    limit=lambda chip: f"{len(chip.cnps)} in a sequence",
    test=None,
    stage="placement",
    help=("fewer filters or channels, a smaller map", "--host=allow cuts the network into several sequences"),
)
NO_FNP = Limit(
    code="AKC0521",
    what="its need",
    ops=("dense",),
    test=None,
    stage="placement",
    limit=lambda chip: (
        f"{len(chip.fnps('fnp3'))} dense layers of up to {FNP3_BYTES:,} bytes (FNP3) and {len(chip.fnps('fnp2'))} of"
        " any size (FNP2), less the NPs of convolutions"
    ),
    help=(
        "fewer dense layers, or smaller ones",
        "--host=allow cuts the network into several sequences",
    ),
)
ONE_CHANNEL = Limit(
    code="AKC0515",
    what="the share of a one-channel layer",
    ops=("conv",),
    test=None,
    stage="placement",
    limit="an even number of groups of 8 filters on every NP where the layer has more than 16 filters",
    holds=lambda chip: chip.even_groups,
    help=("--place=compact looks for such a cut", "16 filters or fewer, or a multiple of 16"),
)
PLACEMENT_LIMITS = (NO_ROOM, NO_FNP, ONE_CHANNEL)
