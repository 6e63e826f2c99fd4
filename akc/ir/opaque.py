# SPDX-License-Identifier: Apache-2.0
"""What networks hold that the AKD1000 has no way for: names, reasons and ways out.

The names are the `op` of nn.opaque and the `layer_name` of layers for the host. The legality pass and the
documentation read this table; a name without a row (an operator that nobody foresaw) gets `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from akc.ir.functions import FUNCTIONS, JOINS, NO_BRANCHES, NO_STAIRCASE, ONE_BRANCH, REDUCTIONS, RETRAIN

TABLES: tuple[Mapping[str, Any], ...] = (FUNCTIONS, REDUCTIONS, JOINS)


@frozen
class OpaqueKind:
    """A row: why the chip cannot do it, and what to do instead."""

    why: str
    way_out: str


_BATCH_NORM = "use nn.BatchNorm, which is folded into the layer before it, and fine-tune"
_CUT = "let the network end in front of it, and do the rest on the host"
_EXPORT_ONE = "export the trained model in evaluation mode (model.eval())"


def _norm(what: str) -> OpaqueKind:
    return OpaqueKind(
        f"it divides by a spread that is computed {what} at run time; the chip only adds and compares", _BATCH_NORM
    )


_NO_RECURRENCE = "a pass through the chip is feed-forward; its layers keep no state"
_DROP_RECURRENT = (
    "keep the layers around it and let drop-lstm take it out, or retrain a network of convolutions over a window"
)

OPAQUE_KINDS: dict[str, OpaqueKind] = {
    "attention": OpaqueKind(
        "it multiplies computed values with each other; the chip multiplies by stored weights only",
        "use convolutions or dense layers over the whole window instead",
    ),
    "matrix product": OpaqueKind(
        "both factors are computed; the chip multiplies by stored weights only",
        "use a layer with stored weights (nn.Linear)",
    ),
    "concat": OpaqueKind(NO_BRANCHES, ONE_BRANCH),
    "squeeze-excite": OpaqueKind(
        "it scales channels by values computed from the map itself; the chip multiplies by stored weights only",
        "leave the squeeze-excite blocks out and fine-tune",
    ),
    "LayerNorm": _norm("over each sample's features"),
    "RMSNorm": _norm("over each sample's features"),
    "GroupNorm": _norm("over each sample's channel groups"),
    "InstanceNorm": _norm("over each sample's map"),
    "Lp normalization": _norm("over each sample"),
    "local response normalization": OpaqueKind(
        "it divides by sums over neighbouring channels at run time", "leave it out; batch normalisation trains as well"
    ),
    "BatchNorm in training mode": OpaqueKind("its statistics come from each batch", _EXPORT_ONE),
    "Dropout in training mode": OpaqueKind("it is random", _EXPORT_ONE),
    **{name: OpaqueKind(NO_STAIRCASE.format(name), RETRAIN) for name in ("GLU", "LeakyReLU", "PReLU", "RReLU")},
    **{row.users: OpaqueKind(row.why.format(row.users), row.way_out) for table in TABLES for row in table.values()},
    "stored value": OpaqueKind(NO_BRANCHES, "train without it"),
    "clamp with computed ends": OpaqueKind(
        "its ends are computed at run time", "use fixed ends: nn.ReLU6 or nn.Hardtanh(0, x)"
    ),
    **{
        f"{prefix}{name}{suffix}": OpaqueKind(_NO_RECURRENCE, _DROP_RECURRENT)
        for name in ("LSTM", "GRU", "RNN")
        for prefix, suffix in (
            ("bidirectional ", ""),
            ("backward ", ""),
            ("", " with a start state"),
            ("", " over the batch axis"),
            ("", " whose state is read"),
            ("", " of an unusual kind"),
            ("", " with computed weights"),
            ("unrolled ", ""),
        )
    },
    "GRU with the reset gate before the product": OpaqueKind(_NO_RECURRENCE, _DROP_RECURRENT),
    "unrolled spiking neuron": OpaqueKind(
        "this file holds a spiking network with its time steps written out, and they could not be folded back",
        "give the PyTorch module, its state_dict or a NIR file instead of ONNX",
    ),
    "control flow": OpaqueKind(
        "loops and branches are decided at run time; a program for the chip is fixed",
        "export with fixed lengths, so that loops are written out",
    ),
    "upsampling": OpaqueKind("maps never grow on the chip", "predict at the small size and enlarge on the host"),
    "transposed convolution": OpaqueKind(
        "maps never grow on the chip", "predict at the small size and enlarge on the host"
    ),
    "pixel shuffle": OpaqueKind("the chip does not move numbers between channels and places", _CUT),
    "pixel unshuffle": OpaqueKind(
        "the chip does not move numbers between channels and places", "do it to the input, before the network"
    ),
    "channel shuffle": OpaqueKind("the chip does not move numbers between channels", "train without it"),
    "embedding": OpaqueKind(
        "it looks up rows by number; the chip has no tables", "look up on the host, and let the network start behind it"
    ),
    "3-D convolution": OpaqueKind("maps have two spatial axes", "put the third axis into the channels"),
    "3-D pooling": OpaqueKind("maps have two spatial axes", "put the third axis into the channels"),
    "convolution over the batch axis": OpaqueKind(
        "the first axis of its operand is not the batch", "keep the batch axis first"
    ),
    "pooling over the batch axis": OpaqueKind(
        "the first axis of its operand is not the batch", "keep the batch axis first"
    ),
    **{
        f"{name} over the batch axis": OpaqueKind("it mixes samples", "keep the batch axis first, work along another")
        for name in ("Softmax", "LogSoftmax", "Argmax", "Mean")
    },
    "indices or masks": OpaqueKind(
        "only the values of this layer can be computed, not its indices or masks", "do not use its second result"
    ),
    "convolution with computed weights": OpaqueKind("the chip's weights are fixed", "use stored weights"),
    "deformable convolution": OpaqueKind("its taps move at run time", "use an ordinary convolution"),
    **{
        f"dilated {kind} pooling": OpaqueKind("pooling windows of the chip have no gaps", "use dilation 1")
        for kind in ("max", "average")
    },
    "adaptive pooling with windows of several sizes": OpaqueKind(
        "its windows differ in size", "choose an output size that divides the map, or 1"
    ),
    "average pooling with its own divisor": OpaqueKind("it is no mean", "leave divisor_override away"),
    "Lp pooling": OpaqueKind("the chip pools by maximum, or by a sum over the whole map", "use nn.MaxPool2d"),
    "max unpooling": OpaqueKind("maps never grow on the chip", _CUT),
    "region pooling": OpaqueKind("its windows are computed at run time", _CUT),
    "Pad": OpaqueKind("only a border of constants around the map is possible", "pad the input on the host"),
    **{
        f"{mode} padding": OpaqueKind("the chip pads with zeros", "use zero padding, or pad the input on the host")
        for mode in ("reflect", "edge", "replicate", "circular", "wrap")
    },
    "slice": OpaqueKind("a layer reads all of the map before it", "take the part on the host, before the network"),
    "split": OpaqueKind(NO_BRANCHES, ONE_BRANCH),
    "gather": OpaqueKind("a layer reads all of the map before it", "pick on the host, before the network"),
    "repetition": OpaqueKind("maps never grow on the chip", "repeat on the host, before the network"),
    "arithmetic of whole numbers": OpaqueKind(
        "whole numbers wrap around where they overflow", "convert the bytes to float32 first, then compute"
    ),
    "quantization in the file": OpaqueKind("akc quantises by itself", "give the float model, from before quantisation"),
    "Fourier transform": OpaqueKind("it is no layer of the chip", "compute it on the host, before the network"),
}

UNKNOWN = OpaqueKind("akc has no operation for it", _CUT)


def opaque_kind(name: str) -> OpaqueKind:
    """The row of a name, or `UNKNOWN`."""
    return OPAQUE_KINDS.get(name, UNKNOWN)
