# SPDX-License-Identifier: Apache-2.0
"""Limits of weights, thresholds, steps and potentials."""

from __future__ import annotations

from akc.targets.akida1.limits import tests
from akc.targets.akida1.limits import weight_values as values
from akc.targets.akida1.limits.row import (
    MESH_LAYERS,
    Limit,
)

NUMBERS: tuple[Limit, ...] = (
    Limit(
        code="AKC0512",
        what="every weight",
        ops=("image", "separable"),
        limit="a layer with at least one weight that is not 0",
        test=values.all_zero,
        key="weights",
        help="the layer gives a constant: leave it out",
    ),
    Limit(
        code="AKC0513",
        what="a threshold",
        ops=("image",),
        limit="-8,388,608 to 8,388,607 (24 bits)",
        test=values.threshold_outside(tests.IMAGE_REGISTER_BITS),
        key="threshold",
        help="scale weights, threshold and act_step of the layer down",
    ),
    Limit(
        code="AKC0513",
        what="a threshold",
        ops=MESH_LAYERS,
        limit="-524,288 to 524,287 (20 bits)",
        test=values.threshold_outside(tests.REGISTER_BITS),
        key="threshold",
        help="scale weights, threshold and act_step of the layer down",
    ),
    Limit(
        code="AKC0514",
        what="an act_step",
        ops=(*MESH_LAYERS, "image"),
        limit="1/16 and more",
        test=values.step_too_small,
        key="act_step",
        help="scale weights, threshold and act_step of the layer up",
    ),
    Limit(
        code="AKC0514",
        what="an act_step",
        ops=("image",),
        limit="less than 1,048,576",
        test=values.step_too_large(tests.IMAGE_REGISTER_BITS),
        key="act_step",
        help="scale weights, threshold and act_step of the layer down",
    ),
    Limit(
        code="AKC0514",
        what="an act_step",
        ops=MESH_LAYERS,
        limit="less than 65,536",
        test=values.step_too_large(tests.REGISTER_BITS),
        key="act_step",
        help="scale weights, threshold and act_step of the layer down",
    ),
    Limit(
        code="AKC0517",
        what="the potential furthest from 0",
        ops=(*MESH_LAYERS, "image"),
        severity="warning",
        key="weights",
        limit="-524,288 to 524,287 (20 bits) for certain",
        test=values.potential_beyond(20),
        stage="memory",
        help="beyond, simulator and chip may differ; fewer or smaller weights per filter keep it inside",
    ),
)
