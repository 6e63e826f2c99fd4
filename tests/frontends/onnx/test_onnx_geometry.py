# SPDX-License-Identifier: Apache-2.0
"""Windows, pads and axes against onnxruntime: a shift by one pixel would show here."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from akc.frontends.onnx.importer import read_onnx
from akc.ir.ops.nn import Opaque
from akc.ir.verifier import verify
from akc.sim.run import run

Array = np.ndarray[Any, Any]
SEEDS = range(40)


def model_of(nodes: list[NodeProto], shape: list[Any], weights: dict[str, Array], opset: int = 18) -> ModelProto:
    """A model x -> y of these nodes."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def agrees(model: ModelProto, shape: tuple[int, ...], seed: int) -> None:
    """Assert that the imported network computes what onnxruntime computes, on three samples."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    samples = np.random.default_rng(seed).standard_normal((3, *shape)).astype(np.float32)
    wanted = np.concatenate([session.run(None, {"x": sample[None]})[0] for sample in samples])
    module = read_onnx(model)
    assert not verify(module)
    assert not any(isinstance(op, Opaque) for op in module.net.ops)
    (got,) = run(module, samples).values()
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * max(1, float(np.abs(wanted).max())))


def window_attributes(rng: np.random.Generator, axes: int, dilated: bool = True) -> dict[str, Any]:
    """Random kernel, stride, dilation and padding that fit a map of at least 9.

    With auto_pad there is neither dilation, which onnxruntime refuses, nor a stride larger than the kernel, where
    runtimes disagree.
    """
    kernel = rng.integers(1, 5, axes)
    attributes: dict[str, Any] = {"kernel_shape": kernel.tolist(), "strides": rng.integers(1, 4, axes).tolist()}
    if rng.random() < 0.35:
        attributes["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        attributes["strides"] = np.minimum(kernel, attributes["strides"]).tolist()
        return attributes
    if dilated and rng.random() < 0.4:
        attributes["dilations"] = rng.integers(1, 3, axes).tolist()
    if rng.random() < 0.7:
        attributes["pads"] = np.concatenate([rng.integers(0, kernel), rng.integers(0, kernel)]).tolist()
    return attributes


@pytest.mark.parametrize("seed", SEEDS)
def test_convolution(seed: int) -> None:
    """Random kernels, strides, dilations, groups, uneven pads and auto_pad, in one and two dimensions."""
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 3))
    groups = int(rng.choice([1, 2, 4]))
    attributes = window_attributes(rng, axes)
    weight = rng.standard_normal((groups * int(rng.integers(1, 4)), 4 // groups, *attributes["kernel_shape"]))
    shape = (4, *rng.integers(9, 14, axes).tolist())
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], group=groups, **attributes),
        helper.make_node("Flatten", ["c"], ["y"]),
    ]
    weights = {"w": weight.astype(np.float32), "b": rng.standard_normal(len(weight)).astype(np.float32)}
    agrees(model_of(nodes, ["N", *shape], weights), shape, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_pools(seed: int) -> None:
    """Random pools, both kinds, with ceil_mode and either way of counting the padding."""
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 3))
    attributes = window_attributes(rng, axes, dilated=False)
    if "auto_pad" not in attributes:
        attributes["ceil_mode"] = int(rng.integers(0, 2))
    kind = str(rng.choice(["MaxPool", "AveragePool"]))
    if kind == "AveragePool":
        attributes["count_include_pad"] = int(rng.integers(0, 2))
    shape = (3, *rng.integers(9, 14, axes).tolist())
    agrees(model_of([helper.make_node(kind, ["x"], ["y"], **attributes)], ["N", *shape], {}, 19), shape, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_moves(seed: int) -> None:
    """Random transposes, reshapes and means, with a dense layer at the end that sees their order."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.permutation([1, 2, 3, 4])[: rng.integers(2, 5)])
    nodes: list[NodeProto] = []
    weights: dict[str, Array] = {}
    current, value = (1, *shape), "x"
    for step in range(4):
        result = f"v{step}"
        if rng.random() < 0.5:
            order = [0, *(rng.permutation(len(current) - 1) + 1).tolist()]
            nodes.append(helper.make_node("Transpose", [value], [result], perm=order))
            current = tuple(current[a] for a in order)
        elif rng.random() < 0.3 and len(current) > 2:
            axis = int(rng.integers(1, len(current)))
            nodes.append(
                helper.make_node(
                    "ReduceMean", [value, f"axes{step}"], [result], keepdims=int(keep := rng.random() < 0.5)
                )
            )
            weights[f"axes{step}"] = np.array([axis])
            current = (*current[:axis], *([1] if keep else []), *current[axis + 1 :])
        else:
            rest = [int(n) for n in rng.permutation([n for n in current[1:] if n > 1])]
            rest.insert(int(rng.integers(0, len(rest) + 1)), 1)
            nodes.append(helper.make_node("Reshape", [value, f"to{step}"], [result]))
            weights[f"to{step}"] = np.array([0, *rest])
            current = (1, *rest)
        value = result
    weights["w"] = rng.standard_normal((current[-1], 5)).astype(np.float32)
    nodes.append(helper.make_node("MatMul", [value, "w"], ["y"]))
    agrees(model_of(nodes, [1, *shape], weights), shape, seed)


@pytest.mark.parametrize("seed", range(20))
def test_constants(seed: int) -> None:
    """Random chains of arithmetic with constants of any broadcastable shape, around layers and a normalisation."""
    rng = np.random.default_rng(seed)
    shape = (3, 4, 5)
    weights: dict[str, Array] = {
        "w": rng.standard_normal((3, 3, 3, 3)).astype(np.float32),
        **{key: rng.uniform(0.5, 2, 3).astype(np.float32) for key in ("s", "h", "m", "v")},
    }
    nodes: list[NodeProto] = []
    value = "x"
    for step in range(6):
        result = f"v{step}"
        what = str(
            rng.choice(["Conv", "BatchNormalization", "Clip", "Relu", "Add", "Sub", "Mul", "Div", "rSub", "Max", "Min"])
        )
        if what == "Conv":
            nodes.append(helper.make_node("Conv", [value, "w"], [result], pads=[1, 1, 1, 1]))
        elif what == "BatchNormalization":
            nodes.append(helper.make_node(what, [value, "s", "h", "m", "v"], [result], epsilon=1e-3))
        elif what == "Relu":
            nodes.append(helper.make_node(what, [value], [result]))
        elif what == "Clip":
            weights |= {f"lo{step}": np.float32(-0.5), f"hi{step}": np.float32(1.5)}
            nodes.append(helper.make_node(what, [value, f"lo{step}", f"hi{step}"], [result]))
        elif what in ("Max", "Min"):
            weights |= {f"lo{step}": np.float32(-0.7), f"hi{step}": np.float32(1.2)}
            nodes.append(helper.make_node("Max", [value, f"lo{step}"], [f"{result}a"]))
            nodes.append(helper.make_node("Min", [f"hi{step}", f"{result}a"], [result]))
        else:
            sizes = [(), (1,), (3, 1, 1), (1, 3, 1, 1), (5,), (4, 1), (1, 3, 4, 5)]
            constant = rng.uniform(0.5, 2, sizes[rng.integers(len(sizes))]).astype(np.float32)
            weights[f"c{step}"] = constant
            operands = [f"c{step}", value] if what == "rSub" else [value, f"c{step}"]
            nodes.append(helper.make_node(what.removeprefix("r"), operands, [result]))
        value = result
    nodes[-1].output[0] = "y"
    agrees(model_of(nodes, ["N", *shape], weights), shape, seed)
