# SPDX-License-Identifier: Apache-2.0
"""Operators that only the host computes, against onnxruntime: attributes, axes and layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

from akc.frontends.onnx.importer import read_onnx
from akc.ir.ops.nn import Opaque
from tests.frontends.onnx.test_onnx_geometry import agrees, model_of

Array = np.ndarray[Any, Any]
SHAPE = (6, 5, 4)
RNG = np.random.default_rng(11)


def floats(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def check(
    op: str, weights: dict[str, Array] | None = None, opset: int = 18, before: str = "", **attributes: Any
) -> None:
    """One operator on [batch, 6, 5, 4], its constants in order; before: names of empty inputs in front of them."""
    named = weights or {}
    node = helper.make_node(op, ["x", *("" for _ in before.split()), *named], ["y"], **attributes)
    agrees(model_of([node], ["batch", *SHAPE], named, opset), SHAPE, 0)


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("Tanh", {}),
        ("Erf", {}),
        ("Exp", {}),
        ("Softplus", {}),
        ("Softsign", {}),
        ("HardSwish", {}),
        ("Mish", {}),
        ("Elu", {"alpha": 0.3}),
        ("Selu", {}),
        ("Selu", {"alpha": 1.5, "gamma": 0.7}),
        ("Celu", {"alpha": 0.3}),
        ("LeakyRelu", {"alpha": 0.2}),
        ("LeakyRelu", {}),
        ("ThresholdedRelu", {"alpha": 0.3}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": 0.3}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.3}),
    ],
)
def test_function(op: str, attributes: dict[str, float]) -> None:
    check(op, **attributes)


def test_gelu_in_both_forms() -> None:
    check("Gelu", opset=20)
    check("Gelu", opset=20, approximate="tanh")


@pytest.mark.parametrize("shape", [(1,), (6, 1, 1), (1, 6, 1, 1)])
def test_prelu(shape: tuple[int, ...]) -> None:
    check("PRelu", {"slope": floats(*shape)})


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_layer_norm(axis: int) -> None:
    sizes = (6, 5, 4)[axis - 1 if axis > 0 else axis :]
    check("LayerNormalization", {"s": floats(*sizes), "t": floats(*sizes)}, axis=axis, epsilon=1e-3)
    check("LayerNormalization", {"s": floats(*sizes)}, axis=axis)


def test_channel_norms() -> None:
    check("InstanceNormalization", {"s": floats(6), "t": floats(6)}, epsilon=1e-3)
    check("GroupNormalization", {"s": floats(6), "t": floats(6)}, opset=21, num_groups=3)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_norm(size: int) -> None:
    check("LRN", size=size, alpha=0.3, beta=0.6, bias=1.5)
    check("LRN", size=size)


@pytest.mark.parametrize("auto", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution(auto: str, groups: int) -> None:
    weights = {"w": floats(6, 4 // groups, 3, 2), "b": floats(4)}
    own: dict[str, Any] = {"pads": [1, 0, 0, 1], "output_padding": [1, 0]} if auto == "NOTSET" else {"auto_pad": auto}
    check("ConvTranspose", weights, strides=[2, 3], group=groups, **own)


@pytest.mark.parametrize("size", [(10, 8), (7, 9), (3, 2)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("places", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
@pytest.mark.parametrize("rounding", ["floor", "round_prefer_floor", "round_prefer_ceil"])
def test_resize(size: tuple[int, int], mode: str, places: str, rounding: str) -> None:
    sizes = np.array([1, 6, *size])
    attributes = {"mode": mode, "coordinate_transformation_mode": places, "nearest_mode": rounding}
    check("Resize", {"sizes": sizes}, before="none none", **attributes)


def test_resize_by_scales() -> None:
    check("Resize", {"roi": floats(0), "scales": np.array([1, 1, 2, 2], np.float32)}, mode="linear")


def test_slices() -> None:
    numbers = (np.array(n) for n in ([1, -4], [5, -1], [1, 2], [2, 1]))
    check("Slice", dict(zip(("starts", "ends", "axes", "steps"), numbers)))
    check("Slice", {"starts": np.array([0]), "ends": np.array([-1]), "axes": np.array([3])})
    backwards = {"starts": np.array([-1]), "ends": np.array([0]), "axes": np.array([2]), "steps": np.array([-2])}
    check("Slice", backwards)


def joined(middle: list[Any], weights: dict[str, Array]) -> ModelProto:
    """Two branches a (a convolution) and b (a pool of the same size), and nodes that join them into y."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["x"], ["b"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    return model_of([*nodes, *middle], ["batch", *SHAPE], {"w": floats(6, 6, 3, 3), **weights})


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Max", "Min", "Sum", "Div"])
def test_join(op: str) -> None:
    agrees(joined([helper.make_node(op, ["a", "b"], ["y"])], {}), SHAPE, 0)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_concat(axis: int) -> None:
    agrees(joined([helper.make_node("Concat", ["a", "b", "a"], ["y"], axis=axis)], {}), SHAPE, 0)


def test_split_and_join_again() -> None:
    """The halves of a map change places."""
    middle = [
        helper.make_node("Split", ["a"], ["p", "q"], axis=1, num_outputs=2),
        helper.make_node("Concat", ["q", "p"], ["r"], axis=1),
        helper.make_node("Add", ["r", "b"], ["y"]),
    ]
    agrees(joined(middle, {}), SHAPE, 0)


def test_layouts_meet() -> None:
    """One branch comes with its channels last, as converters from TensorFlow write it."""
    middle = [
        helper.make_node("Transpose", ["a"], ["p"], perm=[0, 2, 3, 1]),
        helper.make_node("Tanh", ["p"], ["q"]),
        helper.make_node("Transpose", ["q"], ["r"], perm=[0, 3, 1, 2]),
        helper.make_node("Add", ["r", "b"], ["y"]),
    ]
    model = joined(middle, {})
    agrees(model, SHAPE, 0)
    assert sum(op.mnemonic == "nn.permute" for op in read_onnx(model).net.ops) == 2


def test_product_of_two_computed_values() -> None:
    middle = [
        helper.make_node("Transpose", ["b"], ["t"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["a", "t"], ["y"]),
    ]
    agrees(joined(middle, {}), SHAPE, 0)


@pytest.mark.parametrize(
    ("op", "weights", "before", "attributes", "name"),
    [
        ("Resize", {"sizes": np.array([1, 3, 5, 4])}, "none none", {}, "upsampling"),
        ("PRelu", {"slope": floats(5, 4)}, "", {}, "PReLU"),
    ],
)
def test_what_stays_opaque(
    op: str, weights: dict[str, Array], before: str, attributes: dict[str, Any], name: str
) -> None:
    """Kinds that the language has no words for keep their name."""
    node = helper.make_node(op, ["x", *("" for _ in before.split()), *weights], ["y"], **attributes)
    module = read_onnx(model_of([node], ["batch", *SHAPE], weights))
    assert [o.op for o in module.net.ops if isinstance(o, Opaque)] == [name]
