# SPDX-License-Identifier: Apache-2.0
"""Limits of convolutions and their pools."""

from __future__ import annotations

from akc.targets.akida1.chip import Chip
from akc.targets.akida1.limits import tests
from akc.targets.akida1.limits.row import (
    CONVS,
    LARGEST_CHANNELS,
    LARGEST_INPUT_SIDE,
    Limit,
)
from akc.targets.akida1.np_memory import INPUT_BYTES, WEIGHT_BYTES, WEIGHT_LINES
from akc.targets.akida1.tiles import TILE_D0, TILE_D1


def pools_in_words(chip: Chip) -> str:
    """`max of 2x2 with stride 1x1 or 2x2`."""
    return " and ".join(
        f"max of {size}x{size} with stride {' or '.join(f'{n}x{n}' for n in range(1, size + 1))}"
        for size in chip.pools
        if size > 1
    )


CONVOLUTIONS: tuple[Limit, ...] = (
    Limit(
        code="AKC0501",
        what="the kernel",
        ops=("conv",),
        limit="1x1, 3x3, 5x5 and 7x7",
        test=tests.kernel(*tests.KERNELS[1]),
        key="weights",
        help=(
            "pass fit-windows pads a smaller or uneven kernel of the source network with zeros",
            "a kernel above 7 can be two smaller ones behind each other: train it so",
        ),
    ),
    Limit(
        code="AKC0501",
        what="the kernel",
        ops=("separable",),
        limit="3x3, 5x5 and 7x7",
        test=tests.kernel(*tests.SEPARABLE_KERNELS),
        key="weights",
        help=(
            "pass fit-windows pads a smaller or uneven kernel of the source network with zeros",
            "1x1 is akida.convolutional",
        ),
    ),
    Limit(
        code="AKC0502",
        what="the stride",
        ops=CONVS,
        limit="1, and 2 with 3x3, the same on both axes",
        test=tests.conv_stride,
        key="stride",
        help="stride 1 and a max pool of 2 give the same size",
    ),
    Limit(
        code="AKC0503",
        what="the padding",
        ops=CONVS,
        limit="same",
        key="padding",
        test=lambda f, m: tests.unless(f.padding == "same", f.padding),
        help="take padding=same and give the border's weights in the next dense layer 0 (pass fit-windows)",
    ),
    Limit(
        code="AKC0504",
        what="the type of the weights",
        ops=("conv", "dense"),
        limit="u1, i2 and i4",
        key="weights",
        test=lambda f, m: tests.unless(f.weight_bits in tests.WIDTHS, "i8"),
        help="lower with weights=4",
    ),
    Limit(
        code="AKC0504",
        what="the type of the weights",
        ops=("separable",),
        limit="i2 and i4",
        key="weights",
        test=lambda f, m: tests.unless(f.weight_bits in (2, 4), "i8" if f.weight_bits == 8 else "u1"),
        help="lower with weights=4 or weights=2",
    ),
    Limit(
        code="AKC0507",
        what="the number of channels",
        ops=CONVS,
        limit=f"up to {LARGEST_CHANNELS:,}",
        key="x",
        test=lambda f, m: tests.above(f.channels, LARGEST_CHANNELS),
        help="make the layer before narrower",
    ),
    Limit(
        code="AKC0507",
        what="the number of filters",
        ops=CONVS,
        limit=f"up to {LARGEST_CHANNELS:,}",
        key="weights",
        test=lambda f, m: tests.above(f.filters, LARGEST_CHANNELS),
        help="make the layer narrower",
    ),
    Limit(
        code="AKC0507",
        what="channels times d1 of the network's output",
        ops=CONVS,
        limit="less than 1,048,576",
        key="weights",
        stage="sequence",
        test=tests.output_row,
        holds=lambda chip: chip.dense,
        help="fewer filters, or a smaller map; transpose if d0 is the shorter side",
    ),
    Limit(
        code="AKC0508",
        what="the longer side of the map",
        ops=CONVS,
        limit=f"up to {LARGEST_INPUT_SIDE:,}",
        key="x",
        test=lambda f, m: tests.above(max(f.size), LARGEST_INPUT_SIDE),
        help="cut the input into windows on the host",
    ),
    Limit(
        code="AKC0509",
        what="the pooling",
        ops=CONVS,
        limit=pools_in_words,
        test=tests.max_pool,
        key="pool_size",
        help="two max pools of 2 behind two convolutions, or a convolution of stride 2",
    ),
    Limit(
        code="AKC0509",
        what="the pooled map",
        ops=CONVS,
        limit="maps no smaller than the window",
        test=tests.pool_inside,
        key="pool_size",
        help="leave the pooling out",
    ),
    Limit(
        code="AKC0510",
        what="the layer behind a max pool",
        ops=CONVS,
        test=tests.pool_neighbour,
        stage="sequence",
        key="pool",
        limit="a convolution or separable convolution of the same sequence there",
        help=(
            "put an identity 1x1 akida.convolutional behind it (pass insert-identity)",
            "an image layer may pool in front of anything",
        ),
    ),
    Limit(
        code="AKC0509",
        what="d0 under a global average",
        ops=CONVS,
        limit=f"up to {TILE_D0}",
        test=tests.average_columns,
        key="pool",
        help="pool or stride in an earlier layer; or transpose if d1 is the shorter side",
    ),
    Limit(
        code="AKC0509",
        what="d1 in front of a global average",
        ops=CONVS,
        limit="3 rows and more",
        test=tests.average_rows,
        key="pool",
        help="sum in the next dense layer: give every pixel the same weights",
    ),
    Limit(
        code="AKC0509",
        what="the input of a global average",
        ops=CONVS,
        stage="memory",
        test=tests.average_map,
        key="pool",
        limit=f"maps of up to {INPUT_BYTES:,} bytes, though it cuts them at every {TILE_D1} rows of d1",
        help="fewer channels or bits, or a smaller map",
    ),
    Limit(
        code="AKC0509",
        what="the input of an overlapping max pool",
        ops=CONVS,
        stage="memory",
        test=tests.overlapping_pool_tiled,
        limit="maps that one NP holds whole",
        key="pool_stride",
        help="pool_stride=[2, 2], fewer channels or a smaller map",
    ),
    Limit(
        code="AKC0509",
        what="the input of a stride of 2 with a max pool",
        ops=("conv",),
        stage="memory",
        test=tests.strided_pool_tiled,
        limit="maps that one NP holds whole",
        key="stride",
        help="use two layers, or a separable convolution",
    ),
    Limit(
        code="AKC0506",
        what="the memory of a single filter",
        ops=CONVS,
        stage="memory",
        test=tests.one_filter,
        key="weights",
        limit=f"{WEIGHT_BYTES:,} bytes and {WEIGHT_LINES} lines",
        help=(
            "2 bits for the weights of this layer alone: -O 'lower-int4{two_bits=NAME}', its name as it stands here",
            "fewer channels or a smaller kernel",
        ),
    ),
    Limit(
        code="AKC0506",
        what="the input map",
        ops=CONVS,
        stage="memory",
        test=tests.one_tile,
        key="x",
        limit=lambda chip: f"maps that can be cut into tiles of {INPUT_BYTES:,} bytes for at most {len(chip.cnps)} NPs",
        help="fewer channels, fewer bits or a smaller map",
    ),
    Limit(
        code="AKC0518",
        what="the input",
        ops=CONVS,
        limit="1, 2 and 4 bits for certain, and 3 with a register that says 2",
        test=tests.three_bits,
        key="x",
        severity="warning",
        help="quantize the input to 4 bits",
    ),
)
