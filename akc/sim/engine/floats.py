# SPDX-License-Identifier: Apache-2.0
"""Float layers as ONNX nodes: the same functions as akc.sim.floats, to float32 rounding."""

from __future__ import annotations

import numpy as np

from akc.ir.fields import WeightName
from akc.ir.module import Op
from akc.ir.ops import host, nn
from akc.sim.engine.axes import sum_of_steps
from akc.sim.engine.graph import Graph, channels_first, text_form
from akc.sim.registry import Array

SINGLE = np.dtype(np.float32)


def _floats(graph: Graph, base: str, array: Array) -> str:
    return graph.constant(base, array.astype(SINGLE))


def _keep(graph: Graph, op: Op, tensor: str, first: bool = False) -> None:
    graph.hold(op.name, channels_first(SINGLE) if first else text_form(SINGLE), tensor)


def dense(graph: Graph, op: nn.Dense) -> None:
    """Rows times weights, plus the bias."""
    weight = _floats(graph, f"{op.name}.weight", graph.module.array(op.weight).T)
    sums = graph.node("MatMul", [graph.get(op.x, text_form(SINGLE)), weight], f"{op.name}.sums")
    if op.bias is not None:
        sums = graph.node("Add", [sums, _floats(graph, f"{op.name}.bias", graph.module.array(op.bias))], f"{op.name}.y")
    _keep(graph, op, sums)


def conv(graph: Graph, op: nn.Conv) -> None:
    """Conv, channels first."""
    inputs = [graph.get(op.x, channels_first(SINGLE))]
    inputs.append(_floats(graph, f"{op.name}.weight", np.moveaxis(graph.module.array(op.weight), 3, 1)))
    if op.bias is not None:
        inputs.append(_floats(graph, f"{op.name}.bias", graph.module.array(op.bias)))
    geometry = {"strides": list(op.stride), "pads": list(op.pad), "dilations": list(op.dilation), "group": op.groups}
    _keep(graph, op, graph.node("Conv", inputs, f"{op.name}.y", **geometry), first=True)


def _pads(graph: Graph, op: nn.MaxPool | nn.AveragePool) -> list[int]:
    """Cells around the input so that every window is whole."""
    shape = graph.type_of(op.x).shape
    need = [(op.type.shape[a] - 1) * op.stride[a] + op.size[a] for a in (0, 1)]
    return [*op.pad[:2], *(max(need[a] - shape[a] - op.pad[a], 0) for a in (0, 1))]


def max_pool(graph: Graph, op: nn.MaxPool) -> None:
    """MaxPool, channels first; padding never wins there either."""
    x = graph.get(op.x, channels_first(SINGLE))
    geometry = {"kernel_shape": list(op.size), "strides": list(op.stride), "pads": _pads(graph, op)}
    _keep(graph, op, graph.node("MaxPool", [x], f"{op.name}.y", **geometry), first=True)


def average_pool(graph: Graph, op: nn.AveragePool) -> None:
    """Means over whole windows of the padded input, corrected by how many cells count in each."""
    x, pads = graph.get(op.x, channels_first(SINGLE)), _pads(graph, op)
    geometry = {"kernel_shape": list(op.size), "strides": list(op.stride), "pads": pads, "count_include_pad": 1}
    means = graph.node("AveragePool", [x], f"{op.name}.means", **geometry)
    cells = op.size[0] * op.size[1] / _counted(op, graph.type_of(op.x).shape)
    if (cells != 1).any():
        means = graph.node("Mul", [means, _floats(graph, f"{op.name}.cells", cells)], f"{op.name}.y")
    _keep(graph, op, means, first=True)


def _counted(op: nn.AveragePool, shape: tuple[int, ...]) -> Array:
    """How many cells of each window count, [out0, out1]."""
    counts = []
    for a in (0, 1):
        low, high = (-op.pad[a], shape[a] + op.pad[2 + a]) if op.count_include_pad else (0, shape[a])
        starts = np.arange(op.type.shape[a]) * op.stride[a] - op.pad[a]
        counts.append(np.minimum(starts + op.size[a], high) - np.maximum(starts, low))
    return np.outer(*counts)


def mean(graph: Graph, op: nn.Mean) -> None:
    """The mean over whole axes."""
    axes = [a + 1 for a in op.axes]
    x = graph.get(op.x, text_form(SINGLE))
    _keep(graph, op, graph.node("ReduceMean", [x], f"{op.name}.y", axes=axes, keepdims=0))


def batch_norm(graph: Graph, op: nn.BatchNorm) -> None:
    """(x - mean) * factor + shift."""
    names = (op.scale, op.shift, op.mean, op.variance)
    scale, shift, mean, variance = (graph.module.array(name).astype(SINGLE) for name in names)
    factor = scale / np.sqrt(variance + np.float32(op.epsilon))
    centred = _with(graph, op, "Sub", graph.get(op.x, text_form(SINGLE)), "mean", mean)
    _keep(graph, op, _with(graph, op, "Add", _with(graph, op, "Mul", centred, "factor", factor), "shift", shift))


def affine(graph: Graph, op: nn.Affine) -> None:
    """x * scale + shift."""
    tensor = graph.get(op.x, text_form(SINGLE))
    for kind, word, value in (("Mul", "scale", op.scale), ("Add", "shift", op.shift)):
        array = graph.module.array(value) if isinstance(value, WeightName) else np.asarray(value)
        tensor = _with(graph, op, kind, tensor, word, array)
    _keep(graph, op, tensor)


def _with(graph: Graph, op: Op, kind: str, tensor: str, word: str, array: Array) -> str:
    """The tensor with a constant added, multiplied or taken off, along the last axis."""
    return graph.node(kind, [tensor, _floats(graph, f"{op.name}.{word}", array)], f"{op.name}.{kind.lower()}")


def softmax(graph: Graph, op: nn.Softmax | nn.LogSoftmax) -> None:
    """Softmax or LogSoftmax along one axis."""
    kind = "Softmax" if isinstance(op, nn.Softmax) else "LogSoftmax"
    axis = op.axis + 1 if op.axis >= 0 else op.axis
    _keep(graph, op, graph.node(kind, [graph.get(op.x, text_form(SINGLE))], f"{op.name}.y", axis=axis))


UNARY = {nn.Sigmoid: "Sigmoid", host.Tanh: "Tanh"}
"""Operations that are one ONNX operator of one operand."""


def unary(graph: Graph, op: nn.Sigmoid | host.Tanh) -> None:
    """One operator, number by number."""
    _keep(graph, op, graph.node(UNARY[type(op)], [graph.get(op.x, text_form(SINGLE))], f"{op.name}.y"))


def add(graph: Graph, op: host.Add) -> None:
    """The sum of two values."""
    both = [graph.get(name, text_form(SINGLE)) for name in (op.x, op.y)]
    _keep(graph, op, graph.node("Add", both, f"{op.name}.y"))


def mean_of_steps(graph: Graph, op: host.Mean) -> None:
    """The mean over time."""
    steps = graph.type_of(op.x).steps or 1
    sum_of_steps(graph, op)
    total = graph.held[op.name].pop(text_form(SINGLE))
    _keep(graph, op, _with(graph, op, "Div", total, "steps", np.asarray(steps)))
