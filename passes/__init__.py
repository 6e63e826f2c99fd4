# SPDX-License-Identifier: Apache-2.0
"""Passes, one file each; `PASSES` is the table of them, the strings below it are the default pipelines."""

from __future__ import annotations

from typing import Any

from akc.passes.calibrate import Calibrate
from akc.passes.carry_shift import CarryShift
from akc.passes.drop_lstm import DropLstm
from akc.passes.equalize import Equalize
from akc.passes.expand_dilation import ExpandDilation
from akc.passes.expand_groups import ExpandGroups
from akc.passes.fit_rate import FitRate
from akc.passes.fit_windows import FitWindows
from akc.passes.fold_average import FoldAverage
from akc.passes.fold_batchnorm import FoldBatchnorm
from akc.passes.fold_global_average import FoldGlobalAverage
from akc.passes.fold_input import FoldInput
from akc.passes.fold_layout import FoldLayout
from akc.passes.halve_pools import HalvePools
from akc.passes.hybrid import Hybrid
from akc.passes.insert_identity import InsertIdentity
from akc.passes.insert_image_layer import InsertImageLayer
from akc.passes.keep_bias import KeepBias
from akc.passes.learn import Learn
from akc.passes.legalize import Legalize
from akc.passes.lower_int4 import LowerInt4
from akc.passes.merge_skipdma import MergeSkipdma
from akc.passes.mirror import Mirror
from akc.passes.offset_input import OffsetInput
from akc.passes.pad_input import PadInput
from akc.passes.place import Place
from akc.passes.rate import Rate
from akc.passes.repeat_rows import RepeatRows
from akc.passes.separate_depthwise import SeparateDepthwise
from akc.passes.separate_pointwise import SeparatePointwise
from akc.passes.space_to_depth import SpaceToDepth
from akc.passes.split_counts import SplitCounts
from akc.passes.split_stride import SplitStride
from akc.passes.step import Step
from akc.passes.train_readout import TrainReadout

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
        HalvePools,
        ExpandGroups,
        ExpandDilation,
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
"""Every pass by its name in a pipeline, in the order of the default pipelines."""

LEGALISE = (
    "drop-lstm,fold-layout,fold-batchnorm,fold-input,carry-shift,fold-average,halve-pools,expand-groups,"
    "expand-dilation,separate-depthwise,space-to-depth,repeat-rows,split-stride,fold-global-average,separate-pointwise,"
    "insert-image-layer,offset-input,mirror,pad-input,insert-identity,fit-windows,legalize"
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
"""From imported to quantised for spiking networks, by the way they run (akc.passes.spikes)."""

PLACE = "place"
"""From quantised to placed."""

BUILD = f"{LOWER},{PLACE}"
"""From imported to placed."""
