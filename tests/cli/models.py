# SPDX-License-Identifier: Apache-2.0
"""Small ONNX files that a new user might bring, good and bad, made without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = list[int | str]


def save(path: Path, nodes: list[Any], shape: Shape, out: Shape, weights: dict[str, Any], opset: int = 17) -> Path:
    """An ONNX file with the input `image` and the output `logits`."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


def _random(*shape: int) -> Any:
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


def dense(path: Path, inputs: int = 16, hidden: int = 8, batch: int | str = 1) -> Path:
    """Two dense layers with a ReLU in between."""
    nodes = [
        helper.make_node("Gemm", ["image", "w1", "b1"], ["h"], "fc1", transB=1),
        helper.make_node("Relu", ["h"], ["r"], "relu1"),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["logits"], "fc2", transB=1),
    ]
    weights = {"w1": _random(hidden, inputs), "b1": _random(hidden), "w2": _random(3, hidden), "b2": _random(3)}
    return save(path, nodes, [batch, inputs], [batch, 3], weights)


def conv(path: Path, kernel: int) -> Path:
    """A convolution with ReLU, then a dense layer."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c"], "conv1", pads=[kernel // 2] * 4),
        helper.make_node("Relu", ["c"], ["r"], "relu1"),
        helper.make_node("Flatten", ["r"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w2"], ["logits"], "fc", transB=1),
    ]
    weights = {"w1": _random(4, 1, kernel, kernel), "w2": _random(3, 4 * 12 * 12)}
    return save(path, nodes, [1, 1, 12, 12], [1, 3], weights)


def lstm(path: Path) -> Path:
    """An LSTM over 5 steps of 4 features, its last state read by a dense layer."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["t"], "to_time_major", perm=[1, 0, 2]),
        helper.make_node("LSTM", ["t", "w", "r", "b"], ["", "last"], "lstm1", hidden_size=4),
        helper.make_node("Squeeze", ["last", "axis"], ["s"], "squeeze"),
        helper.make_node("Gemm", ["s", "w2"], ["logits"], "fc", transB=1),
    ]
    weights = {
        "w": _random(1, 16, 4),
        "r": _random(1, 16, 4),
        "b": _random(1, 32),
        "w2": _random(3, 4),
        "axis": np.array([0], np.int64),
    }
    return save(path, nodes, [1, 5, 4], [1, 3], weights)


def attention(path: Path) -> Path:
    """Single-head self-attention as exporters spell it, with a LayerNorm and a GELU behind."""
    nodes = [
        helper.make_node("MatMul", ["image", "wq"], ["q"], "/attn/q"),
        helper.make_node("MatMul", ["image", "wk"], ["k"], "/attn/k"),
        helper.make_node("MatMul", ["image", "wv"], ["v"], "/attn/v"),
        helper.make_node("Transpose", ["k"], ["kt"], "/attn/Transpose", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"], "/attn/MatMul"),
        helper.make_node("Softmax", ["scores"], ["probabilities"], "/attn/Softmax", axis=-1),
        helper.make_node("MatMul", ["probabilities", "v"], ["mixed"], "/attn/MatMul_1"),
        helper.make_node("LayerNormalization", ["mixed", "gamma", "beta"], ["normed"], "/norm/LayerNormalization"),
        helper.make_node("Div", ["normed", "root2"], ["scaled"], "/act/Div"),
        helper.make_node("Erf", ["scaled"], ["erf"], "/act/Erf"),
        helper.make_node("Add", ["erf", "one"], ["plus"], "/act/Add"),
        helper.make_node("Mul", ["normed", "plus"], ["product"], "/act/Mul"),
        helper.make_node("Mul", ["product", "half"], ["gelu"], "/act/Mul_1"),
        helper.make_node("Flatten", ["gelu"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w2"], ["logits"], "fc", transB=1),
    ]
    weights = {
        "wq": _random(4, 4),
        "wk": _random(4, 4),
        "wv": _random(4, 4),
        "gamma": _random(4),
        "beta": _random(4),
        "root2": np.float32(2**0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "w2": _random(3, 20),
    }
    return save(path, nodes, [1, 5, 4], [1, 3], weights)
