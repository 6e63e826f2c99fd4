# SPDX-License-Identifier: Apache-2.0
"""Limits of the image layer."""

from __future__ import annotations

from akc.targets.akida1.limits import tests
from akc.targets.akida1.limits.row import (
    Limit,
)

IMAGE_LAYER: tuple[Limit, ...] = (
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
)
