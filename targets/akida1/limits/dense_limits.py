# SPDX-License-Identifier: Apache-2.0
"""Limits of fully connected layers, and of the one that learns."""

from __future__ import annotations

from akc.targets.akida1.limits import tests
from akc.targets.akida1.limits import weight_values as values
from akc.targets.akida1.limits.row import (
    LARGEST_CHANNELS,
    LARGEST_DENSE_SIDE,
    LARGEST_UNITS,
    Limit,
)

FULLY_CONNECTED_LAYERS: tuple[Limit, ...] = (
    Limit(
        code="AKC0518",
        what="the input",
        ops=("dense",),
        limit="1, 2 and 4",
        test=tests.three_bits,
        key="x",
        help="quantize the input to 4 bits",
    ),
    Limit(
        code="AKC0507",
        what="the number of inputs",
        ops=("dense",),
        limit=lambda chip: f"up to {chip.dense_inputs:,}",
        key="weights",
        test=lambda f, m: tests.above(f.inputs, f.chip.dense_inputs),
        help="pool or stride in an earlier layer, or split the layer and add the parts on the host",
    ),
    Limit(
        code="AKC0508",
        what="the longer side of the map",
        ops=("dense",),
        limit=f"up to {LARGEST_DENSE_SIDE:,}",
        key="x",
        test=lambda f, m: tests.above(max(f.size), LARGEST_DENSE_SIDE),
        help="reshape the input: a dense layer on [1, 1, inputs] has no such limit",
    ),
    Limit(
        code="AKC0507",
        what="the number of channels of a spatial network input",
        ops=("dense",),
        limit=f"up to {LARGEST_CHANNELS:,}",
        key="x",
        test=lambda f, m: tests.unless(
            not f.from_host or f.size == (1, 1) or f.channels <= LARGEST_CHANNELS, f"{f.channels:,}"
        ),
        help="reshape the input to [1, 1, inputs]",
    ),
    Limit(
        code="AKC0507",
        what="the number of units",
        ops=("dense",),
        limit=f"up to {LARGEST_UNITS:,}",
        key="weights",
        test=lambda f, m: tests.above(f.filters, LARGEST_UNITS),
        help="split the layer",
    ),
)

LEARNING: tuple[Limit, ...] = (
    Limit(
        code="AKC0516",
        what="a learning layer",
        ops=("dense",),
        limit="1-bit inputs and 1-bit weights",
        test=tests.learning_bits,
        key="learning",
        help="act_bits=1 in the layer before, u1 weights here",
    ),
    Limit(
        code="AKC0516",
        what="num_weights",
        ops=("dense",),
        limit="1 up to the number of inputs",
        test=tests.learning_weights,
        key="learning",
    ),
    Limit(
        code="AKC0516",
        what="the number of ones",
        ops=("dense",),
        limit="num_weights ones in every unit of a learning layer",
        test=values.learning_ones,
        key="weights",
        help="pass learn draws such weights",
    ),
    Limit(
        code="AKC0516",
        what="a learning layer",
        ops=("dense",),
        limit="the same number of units for every class",
        test=tests.learning_classes,
        key="learning",
        help="make the units a multiple of num_classes",
    ),
    Limit(
        code="AKC0516",
        what="a learning layer",
        ops=("dense",),
        limit="learning in the last layer only",
        test=tests.learning_last,
        key="learning",
        stage="sequence",
        help="leave `learning` out here",
    ),
)
