# SPDX-License-Identifier: Apache-2.0
"""Every limit of the chip as a row of one table.

The limits are those that the vendor's SDK 2.19.3 enforces; the conformance tests compare the verdicts
(docs/akd1000/limits.md). A row whose limit depends on the chip makes its words from the chip's numbers.
"""

from __future__ import annotations

from akc.targets.akida1.chip import Chip
from akc.targets.akida1.limits import tests
from akc.targets.akida1.limits import weight_values as values
from akc.targets.akida1.limits.row import Limit
from akc.targets.akida1.np_memory import FNP3_BYTES, INPUT_BYTES, WEIGHT_BYTES, WEIGHT_LINES
from akc.targets.akida1.tiles import TILE_D0, TILE_D1

MESH_LAYERS = ("conv", "separable", "dense")
CONVS = ("conv", "separable")

LARGEST_CHANNELS = 2048
LARGEST_DENSE_SIDE = 2047
LARGEST_UNITS = 2**17 - 1
LARGEST_INPUT_SIDE = 4096


def pools_in_words(chip: Chip) -> str:
    """`max of 2x2 with stride 1x1 or 2x2`."""
    return " and ".join(
        f"max of {size}x{size} with stride {' or '.join(f'{n}x{n}' for n in range(1, size + 1))}"
        for size in chip.pools
        if size > 1
    )


LIMITS: tuple[Limit, ...] = (
    # -- the image layer --------------------------------------------------------------------------
    Limit(
        code="AKC0530",
        what="an image layer",
        ops=("image",),
        limit="none: it has no image front end",
        test=lambda f, m: "there",
        holds=lambda chip: not chip.image_layer,
        help="lower without the pass insert-image-layer, or take another target",
    ),
    Limit(
        code="AKC0511",
        what="the place in the sequence",
        ops=("image",),
        limit="an image layer first of all",
        test=lambda f, m: tests.unless(f.from_host, "behind another layer"),
        stage="sequence",
        help="start another sequence at the image layer",
    ),
    Limit(
        code="AKC0501",
        what="the kernel",
        ops=("image",),
        limit="3x3, 5x5 and 7x7",
        test=tests.kernel(*tests.IMAGE_KERNELS),
        key="weights",
        help="pass fit-windows pads a smaller or uneven kernel of the source network with zeros",
    ),
    Limit(
        code="AKC0507",
        what="the number of channels",
        ops=("image",),
        limit="1 or 3",
        key="x",
        test=lambda f, m: tests.unless(f.channels in (1, 3), f.channels),
        help="turn the picture to grey or colour in front, or use akida.convolutional on 4-bit levels",
    ),
    Limit(
        code="AKC0507",
        what="the number of filters",
        ops=("image",),
        test=tests.image_filters,
        key="weights",
        limit="512, 192 and 96 filters of 3x3, 5x5 and 7x7 at 1 channel; 192, 64 and 32 at 3 channels",
        help="use fewer filters or a smaller kernel",
    ),
    Limit(
        code="AKC0502",
        what="the stride",
        ops=("image",),
        limit="1, 2 or 3 on each axis",
        key="stride",
        test=lambda f, m: tests.unless(set(f.stride) <= set(tests.IMAGE_STRIDES), tests.size(f.stride)),
        help="resize the picture on the host",
    ),
    Limit(
        code="AKC0508",
        what="d0 of the picture",
        ops=("image",),
        limit="5 and more, and no less than the kernel",
        key="x",
        test=tests.image_rows,
        help="pad the picture on the host",
    ),
    Limit(
        code="AKC0508",
        what="d1 of the picture",
        ops=("image",),
        key="x",
        test=tests.image_columns,
        limit="5 to 256, with padding=valid no less than kernel and stride together",
        help="transpose the picture if d0 is the shorter axis, or resize it on the host",
    ),
    Limit(
        code="AKC0509",
        what="the pooling",
        ops=("image",),
        limit="max of 1 or 2 on each axis, its stride the same",
        test=tests.image_pool,
        key="pool",
        help="pool in the next layer, a convolution",
    ),
    Limit(
        code="AKC0509",
        what="d1 behind the pooling",
        ops=("image",),
        limit="2 and more",
        test=tests.image_pooled_columns,
        key="pool_size",
        help="pool along d0 only",
    ),
    Limit(
        code="AKC0505",
        what="activation",
        ops=("image",),
        limit="activation=true in the image layer",
        key="activation",
        test=lambda f, m: tests.unless(f.op.activation, "false"),
        help="let the layer give levels",
    ),
    # -- convolutions -----------------------------------------------------------------------------
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
    # -- fully connected layers -------------------------------------------------------------------
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
    # -- learning ---------------------------------------------------------------------------------
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
    # -- numbers ----------------------------------------------------------------------------------
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
