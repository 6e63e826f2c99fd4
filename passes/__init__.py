# SPDX-License-Identifier: Apache-2.0
"""Passes, one file each; `PASSES` is the table of them, the strings below it are the default pipelines.

Another package adds its own by entry points of the group `akc.passes`: a name, and `package.module:Class`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from akc.base.diagnostics import error
from akc.passes.fitting.expand_dilation import ExpandDilation
from akc.passes.fitting.expand_groups import ExpandGroups
from akc.passes.fitting.fit_windows import FitWindows
from akc.passes.fitting.halve_pools import HalvePools
from akc.passes.fitting.insert_identity import InsertIdentity
from akc.passes.fitting.insert_image_layer import InsertImageLayer
from akc.passes.fitting.legalize import Legalize
from akc.passes.fitting.mirror import Mirror
from akc.passes.fitting.offset_input import OffsetInput
from akc.passes.fitting.pad_input import PadInput
from akc.passes.fitting.repeat_rows import RepeatRows
from akc.passes.fitting.separate_depthwise import SeparateDepthwise
from akc.passes.fitting.separate_pointwise import SeparatePointwise
from akc.passes.fitting.space_to_depth import SpaceToDepth
from akc.passes.fitting.split_stride import SplitStride
from akc.passes.folding.carry_shift import CarryShift
from akc.passes.folding.fold_average import FoldAverage
from akc.passes.folding.fold_batchnorm import FoldBatchnorm
from akc.passes.folding.fold_global_average import FoldGlobalAverage
from akc.passes.folding.fold_input import FoldInput
from akc.passes.folding.fold_layout import FoldLayout
from akc.passes.joining.merge_branches import MergeBranches
from akc.passes.placing.merge_skipdma import MergeSkipdma
from akc.passes.placing.place import Place
from akc.passes.quantising.calibrate import Calibrate
from akc.passes.quantising.equalize import Equalize
from akc.passes.quantising.learn import Learn
from akc.passes.quantising.lower_int4 import LowerInt4
from akc.passes.quantising.train_readout import TrainReadout
from akc.passes.shared.contract import lacks
from akc.passes.spiking.drop_lstm import DropLstm
from akc.passes.spiking.fit_rate import FitRate
from akc.passes.spiking.hybrid import Hybrid
from akc.passes.spiking.keep_bias import KeepBias
from akc.passes.spiking.rate import Rate
from akc.passes.spiking.split_counts import SplitCounts
from akc.passes.spiking.step import Step

PASSES: dict[str, type[Any]] = {
    one.name: one
    for one in (
        SplitCounts,
        Rate,
        Step,
        Hybrid,
        DropLstm,
        TrainReadout,
        FoldLayout,
        FoldBatchnorm,
        FoldInput,
        CarryShift,
        FoldAverage,
        ExpandGroups,
        ExpandDilation,
        MergeBranches,
        HalvePools,
        SeparateDepthwise,
        SpaceToDepth,
        RepeatRows,
        SplitStride,
        FoldGlobalAverage,
        SeparatePointwise,
        InsertImageLayer,
        OffsetInput,
        Mirror,
        PadInput,
        InsertIdentity,
        FitWindows,
        Legalize,
        KeepBias,
        Equalize,
        Calibrate,
        LowerInt4,
        FitRate,
        Learn,
        MergeSkipdma,
        Place,
    )
}
"""akc's own passes by their names in a pipeline, in the order of the default pipelines."""

GROUP = "akc.passes"


def known_passes() -> dict[str, type[Any]]:
    """Every pass by its name: akc's own, then those of other packages; raises DiagnosticError AKC0433."""
    others = {point.name: point for point in entry_points(group=GROUP)}
    return PASSES | {name: _loaded(others[name]) for name in sorted(others) if name not in PASSES}


def _loaded(point: EntryPoint) -> type[Any]:
    """The class behind an entry point."""
    try:
        found = point.load()
        wrong = lacks(found) or ("" if found.name == point.name else f"it calls itself {found.name}")
    except Exception as fault:
        wrong = f"{type(fault).__name__}: {fault}"
    if wrong:
        raise error(
            "AKC0433",
            f"the pass {point.name} of {point.value} cannot be taken: {wrong}",
            help="docs/writing-a-pass.md says what a pass is; or take the package away that adds it",
        )
    return found  # type: ignore[no-any-return]


LEGALISE = (
    "drop-lstm,fold-layout,fold-batchnorm,fold-input,carry-shift,fold-average,expand-groups,"
    "expand-dilation,merge-branches,halve-pools,separate-depthwise,space-to-depth,repeat-rows,split-stride,fold-global-average,"
    "separate-pointwise,insert-image-layer,offset-input,mirror,pad-input,insert-identity,fit-windows,legalize"
)
"""Rewrites in real numbers: from imported to mappable."""

DROP, REWRITES = LEGALISE.split(",", 1)
"""What a user may ask for before anything else, and the rest."""

MERGE = "merge-skipdma"
"""What is left to do for a quantised network that is not placed."""

LOWER = f"{LEGALISE},equalize,calibrate,lower-int4,{MERGE}"
"""From imported to quantised."""

SPIKING = {
    "rate": f"{DROP},split-counts,rate,{REWRITES},calibrate,lower-int4,fit-rate,{MERGE}",
    "hybrid": f"{DROP},hybrid,{REWRITES},keep-bias,calibrate,lower-int4,{MERGE}",
    "step": f"{DROP},step,{REWRITES},calibrate,lower-int4{{activations=1 input=1}},{MERGE}",
}
"""From imported to quantised for spiking networks, by the way they run (akc.passes.shared.neurons.spikes)."""

PLACE = "place"
"""From quantised to placed."""

BUILD = f"{LOWER},{PLACE}"
"""From imported to placed."""
