# SPDX-License-Identifier: Apache-2.0
"""Codes 05: limits of the chip."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0501": Code(
        "the chip has no such kernel",
        "The image layer takes 3x3, 5x5 and 7x7, a convolution 1x1 too, a separable convolution 3x3, 5x5 "
        "and 7x7. Other kernels can be padded with zeros up to 7x7; beyond, the network must be changed.",
    ),
    "AKC0502": Code(
        "the chip has no such stride",
        "Convolutions move by 1, and by 2 with a 3x3 kernel, the same on both axes. The image layer moves "
        "by 1, 2 or 3 on each axis.",
    ),
    "AKC0503": Code(
        "the chip has no such padding",
        "Inside the chip convolutions are padded so that the size stays the same (divided by the stride, "
        "rounded up). Only the image layer can leave the padding out.",
    ),
    "AKC0504": Code(
        "the chip has no weights of this type",
        "Convolutions and dense layers take weights of 1, 2 and 4 bits, separable convolutions of 2 and 4 bits.",
    ),
    "AKC0505": Code(
        "the image layer must have its activation",
        "The image front end gives levels, never potentials.",
    ),
    "AKC0506": Code(
        "a layer does not fit the memories of a neural processor",
        "Each NP has 44,800 bytes for filters and 43,008 bytes for its part of the input map. A layer is "
        "cut into filters and tiles, but one filter and one tile must fit.",
    ),
    "AKC0507": Code(
        "a layer is too wide",
        "Channels, filters, inputs and units are counted in fields of limited width.",
    ),
    "AKC0508": Code(
        "a map has a size that the chip does not take",
        "Heights and widths are limited by registers and by the image front end's line buffers.",
    ),
    "AKC0509": Code(
        "the chip has no such pooling",
        "Max pooling is 2x2, global average pooling (a sum) needs a small map. Pools work on potentials, "
        "before the activation.",
    ),
    "AKC0510": Code(
        "a max pool stands where it cannot",
        "A convolution with max pooling must be followed by another convolution of the same sequence.",
    ),
    "AKC0511": Code(
        "the image layer is not the first of its sequence",
        "Pixels enter the chip through the image front end, which stands before the mesh.",
    ),
    "AKC0512": Code(
        "a layer holds nothing but zeros",
        "The vendor's tools refuse such an image layer or separable convolution.",
    ),
    "AKC0513": Code(
        "a threshold is out of range",
        "Thresholds have 20 bits, those of the image layer 24.",
    ),
    "AKC0514": Code(
        "an act_step is out of range",
        "Steps are kept in sixteenths, in 20 bits; those of the image layer in 24.",
    ),
    "AKC0515": Code(
        "a one-channel convolution is cut into odd shares",
        "With one input channel and more than 16 filters, every NP must hold an even number of groups of 8 filters.",
    ),
    "AKC0516": Code(
        "a learning layer is not as the chip needs it",
        "Edge learning works in the last layer, a dense one with 1-bit inputs and weights; classes share "
        "the units evenly.",
    ),
    "AKC0517": Code(
        "a potential can leave 20 bits",
        "Some input could drive a potential out of 20 bits. The simulator keeps exact sums in convolutions, "
        "and nobody has shown what the chip does there. Below 20 bits all agree.",
    ),
    "AKC0518": Code(
        "inputs have three bits",
        "Three-bit levels exist in the vendor's file format. Dense layers refuse them.",
    ),
    "AKC0519": Code(
        "there is no layer that can learn",
        "Edge learning takes place in a last fully connected layer with `learning=akida_unsupervised(...)`. The pass "
        "learn makes one of a last dense layer; docs/akd1000/learning.md says what it does.",
    ),
    "AKC0520": Code(
        "a sequence needs more neural processors than there are",
        "The mesh has 78 NPs, and a sequence has it to itself. Ways out: fewer filters, a more compact "
        "placement, several sequences.",
    ),
    "AKC0521": Code(
        "a sequence needs more dense processors than there are",
        "Each dense layer takes one FNP: 18 FNP3 hold up to 43,008 bytes of weights each, 4 FNP2 read "
        "weights of any size from outside.",
    ),
    "AKC0522": Code(
        "a pin names a place that is not in the mesh",
        "docs/akd1000/placement.md lists every NP.",
    ),
    "AKC0523": Code(
        "a pin names an NP that cannot compute the layer",
        "Convolutions run as cnp1, dense layers as fnp3 or fnp2, the image layer as hrc. Only some NPs are FNPs.",
    ),
    "AKC0524": Code(
        "two pins use the same NP",
        "Every NP computes one share of one layer.",
    ),
    "AKC0525": Code(
        "pinned shares do not fit together",
        "The shares of a layer must lie inside it and must not overlap. A dense layer is never cut.",
    ),
    "AKC0526": Code(
        "a pinned share is not one that an NP can compute",
        "The share is too large for the memories or the tile of an NP, or its edges are where the registers "
        "cannot put them.",
    ),
    "AKC0528": Code(
        "a layer runs on the host",
        "With --host=allow, layers that the chip does not take are computed by the host's software. The message"
        " says which limit keeps the layer off the chip.",
    ),
    "AKC0529": Code(
        "a layer runs on the host",
        "`at=[host()]` has the host's software compute a layer, and float layers beside sequences (nn.add and the like)"
        " are the host's in any case. Both need --host=allow; with a pin, all layers of the sequence must be pinned"
        " so.",
    ),
    "AKC0530": Code(
        "the chip has no layer of this kind",
        "Not every chip has an image front end; where there is none, pictures go in as levels of up to 4 bits.",
    ),
}
"""Codes AKC0500 to AKC0599."""
