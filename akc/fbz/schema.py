# SPDX-License-Identifier: Apache-2.0
"""The tables of the vendor's model file (.fbz), as writer and reader share them (docs/fbz.md).

All names of tables and fields are ours: the file holds slot numbers only. Found by building models
through the documented API of SDK 2.19.3 and comparing what it writes and takes.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen

from akc.ir.module import Op
from akc.ir.ops import akida

# -- slots of the tables ----------------------------------------------------------------------------

MODEL_LAYERS, MODEL_LEARNING, MODEL_VERSION = 0, 1, 2
LAYER_NAME, LAYER_VARIABLES, LAYER_PARAMETERS, LAYER_INBOUNDS = 1, 2, 3, 4
PARAMETERS_OLD_KIND, PARAMETERS_OLD, PARAMETERS_MAP = 1, 2, 3
MAP_ENTRIES = 0
ENTRY_KEY, ENTRY_VALUE = 0, 1
VARIABLE_NAME, VARIABLE_SHAPE, VARIABLE_DATA, VARIABLE_ELEMENT, VARIABLE_LAYOUT = range(5)
LEARNING_ENTRIES = 0

COLUMN_MAJOR, ROW_MAJOR = 0, 1
"""Layouts of a variable: column-major data with a shape from the slowest axis is C order of the reversed shape."""

DEFAULT_VERSION = "2.4.0"
"""Written by default: the SDK refuses files newer than itself and takes every older one."""

KNOWN_VERSION = (2, 19, 3)
"""The newest SDK whose files were compared byte for byte."""

LEARNING_KEYS = (
    "initial_plasticity",
    "learning_competition",
    "min_plasticity",
    "num_classes",
    "num_weights",
    "plasticity_decay",
)
LEARNING_VARIABLES = ("threshold_learning", "thswap")

# -- element types -----------------------------------------------------------------------------------


@frozen
class Element:
    """A code for the type of a variable's elements; narrow types take a byte each."""

    code: int
    dtype: str
    numpy: np.dtype[np.generic]


ELEMENTS: tuple[Element, ...] = (
    Element(0, "i32", np.dtype("<i4")),
    Element(1, "f32", np.dtype("<f4")),
    Element(3, "i8", np.dtype("i1")),
    Element(6, "u1", np.dtype("i1")),
    Element(7, "i4", np.dtype("i1")),
    Element(8, "i2", np.dtype("i1")),
)
ELEMENT_OF = {row.dtype: row for row in ELEMENTS}
WEIGHT_TYPES = {1: "u1", 2: "i2", 4: "i4", 8: "i8"}
"""Element type of weights by weights_bits."""

# -- layers ------------------------------------------------------------------------------------------

SIZE_KEYS = ("input_width", "input_height", "input_channels")
"""The three axes of an input, d0 first."""

WINDOW_KEYS = (
    "kernel_width",
    "kernel_height",
    "stride_x",
    "stride_y",
    "padding",
    "pool_type",
    "pooling_width",
    "pooling_height",
    "pooling_stride_x",
    "pooling_stride_y",
)
ACTIVATION_KEYS = ("weights_bits", "act_bits", "activation")
VECTORS = (("threshold", "i32"), ("act_step", "f32"))

PADDINGS = {"valid": 0, "same": 1}
POOLS = {"none": 0, "max": 1, "average": 2}


@frozen
class LayerKind:
    """One of the five layers of Akida 1.0: its code, the keys of its parameters, its weight variables."""

    code: int
    name: str
    keys: tuple[str, ...]
    variables: tuple[str, ...]
    op: type[Op] | None


LAYER_KINDS: tuple[LayerKind, ...] = (
    LayerKind(1, "InputData", (*SIZE_KEYS, "input_bits", "input_signed"), (), None),
    LayerKind(
        2,
        "InputConvolutional",
        (*SIZE_KEYS, *WINDOW_KEYS, "filters", *ACTIVATION_KEYS, "padding_value"),
        ("weights",),
        akida.InputConvolutional,
    ),
    LayerKind(3, "FullyConnected", ("units", *ACTIVATION_KEYS), ("weights",), akida.FullyConnected),
    LayerKind(4, "Convolutional", (*WINDOW_KEYS, "filters", *ACTIVATION_KEYS), ("weights",), akida.Convolutional),
    LayerKind(
        5,
        "SeparableConvolutional",
        (*WINDOW_KEYS, "filters", *ACTIVATION_KEYS),
        ("weights", "weights_pw"),
        akida.SeparableConvolutional,
    ),
)
KIND_OF_CODE = {kind.code: kind for kind in LAYER_KINDS}
KIND_OF_OP = {kind.op: kind for kind in LAYER_KINDS if kind.op is not None}
INPUT_DATA = KIND_OF_CODE[1]
