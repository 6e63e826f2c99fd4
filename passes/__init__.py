# SPDX-License-Identifier: Apache-2.0
"""Passes, one file each; `PASSES` is the table of them, the strings below it are the default pipelines."""

from __future__ import annotations

from typing import Any

from akc.passes.calibrate import Calibrate
from akc.passes.fold_batchnorm import FoldBatchnorm
from akc.passes.fold_input import FoldInput
from akc.passes.fold_layout import FoldLayout
from akc.passes.lower_int4 import LowerInt4
from akc.passes.merge_skipdma import MergeSkipdma
from akc.passes.place import Place

PASSES: dict[str, type[Any]] = {
    one.name: one
    for one in (FoldLayout, FoldBatchnorm, FoldInput, Calibrate, LowerInt4, MergeSkipdma, Place)
}
"""Every pass by its name in a pipeline."""

LEGALISE = "fold-layout,fold-batchnorm,fold-input"
"""Rewrites in real numbers: from imported to mappable."""

MERGE = "merge-skipdma"
"""What is left to do for a quantised network that is not placed."""

LOWER = f"{LEGALISE},calibrate,lower-int4,{MERGE}"
"""From imported to quantised."""

PLACE = "place"
"""From quantised to placed."""

BUILD = f"{LOWER},{PLACE}"
"""From imported to placed."""
