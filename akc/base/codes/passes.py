# SPDX-License-Identifier: Apache-2.0
"""Codes 04: passes and pipelines."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0401": Code(
        "this is not a pipeline",
        "A pipeline is a list of passes, such as `fold-batchnorm,lower-int4{weights=4 scale=mse},place`.",
    ),
    "AKC0402": Code("there is no such pass", "`akc passes` lists them with their options."),
    "AKC0403": Code("the pass has no such option", "`akc passes NAME` lists the options of a pass."),
    "AKC0404": Code("an option has a value that it cannot take", "`akc passes NAME` says what each option takes."),
    "AKC0410": Code(
        "calibration samples do not fit the network",
        "Samples are arrays named like the network's inputs, with the batch axis first and one sample in the"
        " shape of the input.",
    ),
    "AKC0411": Code(
        "ranges were estimated without samples",
        "The range of every activation decides how its levels are spread. Without samples akc estimates them"
        " from the weights and from the range of the input; a few hundred samples give better networks.",
    ),
    "AKC0412": Code(
        "samples are needed",
        "Error-feedback rounding measures what rounding does to the sums of a layer, on calibration samples.",
    ),
    "AKC0413": Code(
        "a value has no recorded range",
        "Quantising needs to know between which numbers an activation lies. The pass calibrate writes it into"
        " the text as `in [lo, hi]`; it can also be written by hand.",
    ),
    "AKC0415": Code(
        "the border of a signed input is not zero",
        "Mesh convolutions pad with level 0. Where the input is signed, level 0 stands for its smallest value, so the"
        " outermost cells see that in place of 0. The image layer has a padding value and no such trouble.",
    ),
    "AKC0416": Code(
        "the image layer cannot take this input",
        "It takes maps of at least 5x5 cells with at most 256 on d1. The pass insert-image-layer was asked to put it in"
        " front of a dense layer, whose inputs make no such map.",
    ),
    "AKC0420": Code(
        "the chip has no such layer",
        "AKD1000 computes convolutions, depthwise separable convolutions and dense layers, each followed by"
        " a pool and a ReLU. The help line says what can be done about this operation.",
    ),
    "AKC0421": Code(
        "a recurrent layer is in the way",
        "A program of the chip keeps no state from one input to the next. The pass drop-lstm can replace a"
        " recurrent layer, with a loss.",
    ),
    "AKC0422": Code(
        "the chip has no such convolution",
        "Kernels are square and odd, up to 7x7; the stride is 1, or 2 with 3x3; the border is the one of"
        " padding=same. The image layer, which takes pictures of one or three channels, allows more.",
    ),
    "AKC0423": Code(
        "the chip has no such pool",
        "Max pools have a 2x2 window behind a convolution; averages are taken over the whole map.",
    ),
    "AKC0424": Code(
        "an activation is missing",
        "Between two layers the chip hands over levels that are 0 or more, as behind a ReLU.",
    ),
    "AKC0425": Code(
        "the network branches",
        "Layers of AKD1000 stand in a row: one input, one output, no second use of a value in between.",
    ),
    "AKC0426": Code(
        "a normalisation cannot be folded",
        "Scale and shift go into the layer in front of them, or into a layer behind them that does not pad."
        " A shift in front of padding cannot be folded, since the border holds zeros.",
    ),
    "AKC0427": Code(
        "a layer has a shape that the chip cannot take",
        "Chip layers take maps [d0, d1, channels] or vectors.",
    ),
    "AKC0430": Code(
        "a recurrent layer was dropped",
        "drop-lstm was asked to leave it out. What the layer remembered over time is lost, and the layers"
        " behind it see other numbers than they were trained on: train them again, or measure.",
    ),
    "AKC0431": Code(
        "a recurrent layer cannot be dropped",
        "What replaces it must have the shape of its result: as many features as hidden states.",
    ),
    "AKC0432": Code(
        "a source is no source of this net",
        "`source { ... }` holds the network that the net of a text stands for, in front of `fit-rate`, which fits the"
        " one to the other on the same samples: so both take the same inputs.",
    ),
    "AKC0433": Code(
        "a pass is no pass",
        "A pass is a frozen attrs class that says its name, the levels that it requires and ensures, what it preserves"
        " and what it reads; another package registers one by an entry point of the group akc.passes under its name.",
    ),
    "AKC0450": Code(
        "branches are left to the host",
        "The chip has no sum and no concatenation of two maps. The pass merge-branches writes branches that meet again"
        " as one row of layers, where each layer stays within the chip's limits, the branches have their strides at the"
        " same depths, and side by side the same activations. Here one of these is not so.",
    ),
    "AKC0451": Code(
        "an option names a layer that is not there",
        "Layers are called as in the text: by the result of one of their operations.",
    ),
    "AKC0452": Code(
        "levels of a quantised network lie elsewhere on the chip",
        "The weights are the source's own, and so are all levels but those of inputs whose potential falls between the"
        " source's boundary and the chip's, which lies on a sixteenth of act_step. The message counts the boundaries"
        " that some input can reach.",
    ),
    "AKC0453": Code(
        "layers of a quantised network are quantised again",
        "The chip has weights of -7 to 7 (-127 to 127 in the image layer) and 2, 4 or 16 levels. Layers with more, or"
        " without a quantiser on one side, are quantised by akc as layers of floats are.",
    ),
    "AKC0454": Code(
        "a quantiser of Brevitas has no words in the text",
        "nn.levels has one scale, a whole number of bits, and rounds to the nearest level, down or up.",
    ),
    "AKC0455": Code(
        "PyTorch is not installed",
        "Tuning trains with PyTorch, which is an optional part.",
    ),
    "AKC0456": Code(
        "a network cannot be trained in the chip's integers",
        "Training needs a quantised network, and a gradient for everything behind its chip layers.",
    ),
    "AKC0457": Code(
        "there is nothing to tune by",
        "Training needs some hundreds of samples, and for each the source's answer or a label.",
    ),
}
"""Codes AKC0400 to AKC0499."""
