# SPDX-License-Identifier: Apache-2.0
"""What the host computes element by element, in joins and along axes: one row a function.

A row feeds everything that needs to know of it: the operations nn.apply and nn.reduce, the simulator, the ONNX and
PyTorch importers, refusals and the pages of the documentation. docs/writing-a-function.md adds one.

Kernels are numpy on float32 or float64, and keep which; sources of the formulas are the operators' pages (https://onnx.ai/onnx/operators/,
https://pytorch.org/docs/stable/nn.functional.html) unless a row says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import field, frozen

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

RETRAIN = "replace it with nn.ReLU or nn.ReLU6 and fine-tune"
_AT_THE_END = "the chip's only activation is a quantised ReLU; {} is possible only at the very end, on the host"
NO_STAIRCASE = "{} is no staircase that ends at zero; the chip's only activation is a quantised ReLU"
_ON_THE_HOST = "let the network end in front of it, and do the rest on the host"


@frozen(kw_only=True)
class Function:
    """A function of each element.

    name: in the text (nn.apply, function=name); users: what its users call it;
    kernel: (x, alpha) to an array of the shape of x;
    onnx, aten: operators that compute it, "" for none; onnx_fixed, aten_fixed: attributes and arguments that must
    have these values (what is absent has its default); alpha: default of the parameter, None for functions without
    one; aten_alpha: the aten argument that holds it, or its value where aten has no such argument;
    why, way_out: words of a refusal, {} standing for `users`.
    """

    name: str
    users: str
    kernel: Callable[[Array, float], Array] = field(repr=False)
    onnx: str = ""
    aten: str = ""
    onnx_fixed: Mapping[str, Any] = field(factory=dict)
    aten_fixed: Mapping[str, Any] = field(factory=dict)
    alpha: float | None = None
    aten_alpha: str | float = "alpha"
    why: str = NO_STAIRCASE
    way_out: str = RETRAIN


# -- formulas ----------------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


def erf(x: Array) -> Array:
    """The error function, number by number as the C library computes it: Erf(0) is 0, which comparisons see."""
    found = np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size)
    return np.asarray(found.reshape(x.shape), x.dtype)


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _bent(x: Array, factor: float, width: float) -> Array:
    """x above 0, factor * (exp(x / width) - 1) below."""
    return np.where(x > 0, x, np.float32(factor) * np.expm1(np.minimum(x, 0) / np.float32(width)))


def _gelu_tanh(x: Array) -> Array:
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
    return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inner)))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al., Self-Normalizing Neural Networks, 2017."""


# -- the tables --------------------------------------------------------------------------------------

_ROWS = (
    Function(name="tanh", users="Tanh", kernel=lambda x, alpha: np.tanh(x), onnx="Tanh", aten="tanh", why=_AT_THE_END),
    Function(
        name="gelu",
        users="GELU",
        kernel=lambda x, alpha: x * np.float32(0.5) * (1 + erf(x / np.float32(np.sqrt(2)))),
        onnx="Gelu",
        aten="gelu",
        onnx_fixed={"approximate": "none"},
        aten_fixed={"approximate": "none"},
    ),
    Function(
        name="gelu_tanh",
        users="GELU",
        kernel=lambda x, alpha: _gelu_tanh(x),
        onnx="Gelu",
        aten="gelu",
        onnx_fixed={"approximate": "tanh"},
        aten_fixed={"approximate": "tanh"},
    ),
    Function(
        name="silu",
        users="SiLU",
        kernel=lambda x, alpha: x * sigmoid(x),
        onnx="Swish",
        aten="silu",
        onnx_fixed={"alpha": 1.0},
    ),
    Function(
        name="hard_swish",
        users="HardSwish",
        kernel=lambda x, alpha: x * np.clip(x + 3, 0, 6) / np.float32(6),
        onnx="HardSwish",
        aten="hardswish",
    ),
    Function(
        name="hard_sigmoid",
        users="HardSigmoid",
        kernel=lambda x, alpha: np.clip(np.float32(alpha) * x + np.float32(0.5), 0, 1),
        onnx="HardSigmoid",
        aten="hardsigmoid",
        onnx_fixed={"beta": 0.5},
        alpha=0.2,
        aten_alpha=1 / 6,
        why=_AT_THE_END,
    ),
    Function(name="mish", users="Mish", kernel=lambda x, alpha: x * np.tanh(_softplus(x)), onnx="Mish", aten="mish"),
    Function(
        name="elu",
        users="ELU",
        kernel=lambda x, alpha: _bent(x, alpha, 1.0),
        onnx="Elu",
        aten="elu",
        aten_fixed={"scale": 1.0, "input_scale": 1.0},
        alpha=1.0,
    ),
    Function(
        name="selu",
        users="SELU",
        kernel=lambda x, alpha: np.float32(SELU_SCALE) * _bent(x, SELU_ALPHA, 1.0),
        onnx="Selu",
        aten="selu",
        onnx_fixed={"alpha": SELU_ALPHA, "gamma": SELU_SCALE},
    ),
    Function(
        name="celu", users="CELU", kernel=lambda x, alpha: _bent(x, alpha, alpha), onnx="Celu", aten="celu", alpha=1.0
    ),
    Function(
        name="softplus",
        users="Softplus",
        kernel=lambda x, alpha: _softplus(x),
        onnx="Softplus",
        aten="softplus",
        aten_fixed={"beta": 1.0, "threshold": 20.0},
    ),
    Function(
        name="softsign",
        users="Softsign",
        kernel=lambda x, alpha: x / (1 + np.abs(x)),
        onnx="Softsign",
    ),
    Function(name="log_sigmoid", users="LogSigmoid", kernel=lambda x, alpha: -_softplus(-x), aten="log_sigmoid"),
    Function(
        name="threshold",
        users="thresholded ReLU",
        kernel=lambda x, alpha: np.where(x > np.float32(alpha), x, np.float32(0)),
        onnx="ThresholdedRelu",
        aten="threshold",
        aten_fixed={"value": 0.0},
        alpha=1.0,
        aten_alpha="threshold",
    ),
    Function(
        name="at_least",
        users="clamp on one side",
        kernel=lambda x, alpha: np.maximum(x, np.float32(alpha)),
        alpha=0.0,
        why="the chip's activation starts at zero",
        way_out="use nn.ReLU or nn.ReLU6",
    ),
    Function(
        name="at_most",
        users="clamp on one side",
        kernel=lambda x, alpha: np.minimum(x, np.float32(alpha)),
        alpha=0.0,
        why="the chip's activation starts at zero",
        way_out="use nn.ReLU or nn.ReLU6",
    ),
    Function(name="erf", users="Erf", kernel=lambda x, alpha: erf(x), onnx="Erf", aten="erf"),
    Function(name="exp", users="Exp", kernel=lambda x, alpha: np.exp(x), onnx="Exp", aten="exp"),
    Function(name="expm1", users="Exp", kernel=lambda x, alpha: np.expm1(x), aten="expm1"),
    Function(name="log", users="Log", kernel=lambda x, alpha: np.log(x), onnx="Log", aten="log"),
    Function(name="log1p", users="Log", kernel=lambda x, alpha: np.log1p(x), aten="log1p"),
    Function(name="sqrt", users="Sqrt", kernel=lambda x, alpha: np.sqrt(x), onnx="Sqrt", aten="sqrt"),
    Function(name="rsqrt", users="Sqrt", kernel=lambda x, alpha: 1 / np.sqrt(x), aten="rsqrt"),
    Function(
        name="reciprocal",
        users="elementwise quotient",
        kernel=lambda x, alpha: 1 / x,
        onnx="Reciprocal",
        aten="reciprocal",
        why="the chip does not divide",
        way_out=_ON_THE_HOST,
    ),
    Function(name="power", users="power", kernel=lambda x, alpha: np.power(x, np.float32(alpha)), alpha=2.0),
    Function(name="abs", users="absolute value", kernel=lambda x, alpha: np.abs(x), onnx="Abs", aten="abs"),
    Function(name="sin", users="sine", kernel=lambda x, alpha: np.sin(x), onnx="Sin", aten="sin"),
    Function(name="cos", users="cosine", kernel=lambda x, alpha: np.cos(x), onnx="Cos", aten="cos"),
    Function(name="sign", users="sign", kernel=lambda x, alpha: np.sign(x), onnx="Sign", aten="sign"),
    Function(name="floor", users="rounding", kernel=lambda x, alpha: np.floor(x), onnx="Floor", aten="floor"),
    Function(name="ceil", users="rounding", kernel=lambda x, alpha: np.ceil(x), onnx="Ceil", aten="ceil"),
    Function(
        name="round",
        users="rounding",
        kernel=lambda x, alpha: np.rint(x),
        onnx="Round",
        aten="round",
        aten_fixed={"decimals": 0},
    ),
)

FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}
"""Functions of each element by their name in the text."""


@frozen(kw_only=True)
class Reduction:
    """A number from all cells along some axes: nn.reduce, function=name. kernel: (x, axes) without those axes."""

    name: str
    users: str
    kernel: Callable[[Array, tuple[int, ...]], Array] = field(repr=False)
    onnx: str
    aten: str
    why: str = "the chip sums along all of a map only, in a global average, and takes maxima of 2x2 cells"
    way_out: str = _ON_THE_HOST


_REDUCTIONS = (
    Reduction(
        name="sum",
        users="sum over an axis",
        kernel=lambda x, axes: x.sum(axis=axes),
        onnx="ReduceSum",
        aten="sum",
    ),
    Reduction(
        name="max",
        users="maximum over an axis",
        kernel=lambda x, axes: x.max(axis=axes),
        onnx="ReduceMax",
        aten="amax",
    ),
    Reduction(
        name="min",
        users="minimum over an axis",
        kernel=lambda x, axes: x.min(axis=axes),
        onnx="ReduceMin",
        aten="amin",
    ),
    Reduction(
        name="product",
        users="product over an axis",
        kernel=lambda x, axes: x.prod(axis=axes),
        onnx="ReduceProd",
        aten="prod",
    ),
    Reduction(
        name="l1",
        users="norm",
        kernel=lambda x, axes: np.abs(x).sum(axis=axes),
        onnx="ReduceL1",
        aten="",
    ),
    Reduction(
        name="l2",
        users="norm",
        kernel=lambda x, axes: np.sqrt(np.square(x).sum(axis=axes)),
        onnx="ReduceL2",
        aten="",
    ),
)

REDUCTIONS: dict[str, Reduction] = {row.name: row for row in _REDUCTIONS}
"""What nn.reduce computes, by name."""


@frozen(kw_only=True)
class Join:
    """An operation on two values, element by element: nn.NAME."""

    name: str
    users: str
    kernel: Callable[[Array, Array], Array] = field(repr=False)
    onnx: str
    aten: str
    why: str
    way_out: str


NO_BRANCHES = "a program of the AKD1000 (Akida 1.0) is a chain of layers: no residual, no concat, no second branch"
ONE_BRANCH = "train without the second branch"

_JOINS = (
    Join(
        name="add",
        users="residual add",
        kernel=np.add,
        onnx="Add",
        aten="add",
        why=NO_BRANCHES,
        way_out="train without skip connections (MobileNetV1 has none)",
    ),
    Join(
        name="sub",
        users="elementwise difference",
        kernel=np.subtract,
        onnx="Sub",
        aten="sub",
        why=NO_BRANCHES,
        way_out=ONE_BRANCH,
    ),
    Join(
        name="mul",
        users="elementwise product",
        kernel=np.multiply,
        onnx="Mul",
        aten="mul",
        why="both factors are computed; the chip multiplies by stored weights only",
        way_out="leave the gate out and fine-tune",
    ),
    Join(
        name="div",
        users="elementwise quotient",
        kernel=np.divide,
        onnx="Div",
        aten="div",
        why="the chip does not divide",
        way_out=_ON_THE_HOST,
    ),
    Join(
        name="maximum",
        users="elementwise maximum",
        kernel=np.maximum,
        onnx="Max",
        aten="maximum",
        why=NO_BRANCHES,
        way_out=ONE_BRANCH,
    ),
    Join(
        name="minimum",
        users="elementwise minimum",
        kernel=np.minimum,
        onnx="Min",
        aten="minimum",
        why=NO_BRANCHES,
        way_out=ONE_BRANCH,
    ),
)

JOINS: dict[str, Join] = {row.name: row for row in _JOINS}
"""Joins of two values by name."""


def by_operator(framework: str) -> dict[str, tuple[Function, ...]]:
    """Rows by the operator that computes them in "onnx" or "aten"; operators with variants have several."""
    found: dict[str, tuple[Function, ...]] = {}
    for row in FUNCTIONS.values():
        name = getattr(row, framework)
        if name:
            found[name] = (*found.get(name, ()), row)
    return found
