# SPDX-License-Identifier: Apache-2.0
"""Codes 07: running and data."""

from __future__ import annotations

from akc.base.codes.code import Code

CODES: dict[str, Code] = {
    "AKC0701": Code("this is no sample file", "Samples are .npy or .npz files of numpy, without pickled objects."),
    "AKC0702": Code(
        "samples for an input are missing", "A .npz needs one array for each input of the net, by its name."
    ),
    "AKC0703": Code("samples do not fit the network", "The shape or the kind of numbers is not the input's."),
    "AKC0704": Code(
        "an operation cannot be run",
        "The simulator has no rule for it: it stands for something of the source network that akc has no"
        " operation for, or a time loop holds an operation that needs all steps at once.",
    ),
    "AKC0705": Code(
        "there are no chip integers to give or take",
        "A raw run starts at what enters the chip and ends at what its last layer gives. This network has no"
        " chip layer, or a layer that also needs numbers from the host.",
    ),
    "AKC0706": Code(
        "an act_step cannot be run",
        "The chip keeps an act_step as a count of sixteenths in 28 bits. Below 1/16 the count is 0, and from"
        " 16777216 on it wraps to another step or to 0.",
    ),
    "AKC0707": Code(
        "a chunk of a stream is damaged",
        "A stream is .npy arrays one after the other, events as CSV lines t,x,y,p, or AEDAT 4. What came in front of"
        " the damaged chunk has been answered.",
    ),
    "AKC0708": Code(
        "a chunk of a stream does not fit the network",
        "A chunk holds samples [n, *shape] or one sample [*shape]. Where the network's input has a time axis of T"
        " steps, it holds windows [n, T, *shape], any number of steps [k, *shape], or one step.",
    ),
    "AKC0709": Code(
        "events cannot be put into steps",
        "Events come in order of time, in microseconds, inside the network's input, with a polarity of 0 or 1 (or -1).",
    ),
    "AKC0710": Code(
        "a stream cannot feed this network",
        "A stream feeds one input. Events go to inputs of [2, H, W], [1, H, W], [H, W, 2], [H, W, 1] (off events"
        " first), [H, W], or [N] by their x.",
    ),
    "AKC0720": Code(
        "what was read gives other answers than the source",
        "After reading, akc runs the source itself on probe inputs and compares. A difference beyond what rounding can"
        " do means that something in the source was read as something else. The first layer that differs is named;"
        " everything in front of it agrees.",
    ),
    "AKC0721": Code(
        "the source cannot be run",
        "Holding the import against its source takes a run of the source on probe inputs, in the shape of the example."
        " `--check=off` compiles without.",
    ),
    "AKC0722": Code(
        "results of the source are missing",
        "Every result of the source becomes a result of the network, in order, unless --readout chooses one.",
    ),
    "AKC0723": Code(
        "a quantised text has other answers than its source",
        "`akc check --against` proves that a text computes what its source computes, up to rounding. Levels do not:"
        " `akc compare` says how near they come.",
    ),
    "AKC0740": Code(
        "the simulator has no such backend here",
        "numpy is always there. onnxruntime runs chip layers faster and comes with the extra `fast`; both give the"
        " same integers.",
    ),
}
"""Codes AKC0700 to AKC0799."""
