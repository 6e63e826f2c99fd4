# SPDX-License-Identifier: Apache-2.0
"""Operations that move, pick or count numbers as ONNX nodes: reshapes, borders, limits, and the time axis.

None of them rounds, so their results are the reference's own in any element type.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from akc.ir.module import Op
from akc.ir.ops import host, nn
from akc.sim.engine.graph import Graph, text_form


def _x(graph: Graph, value: str) -> str:
    """A value in the text's order and element type."""
    return graph.get(value, text_form(graph.type_of(value).element.numpy))


def _keep(graph: Graph, op: Op, tensor: str) -> None:
    graph.hold(op.name, text_form(op.type.element.numpy), tensor)


def _whole(graph: Graph, base: str, numbers: list[int]) -> str:
    return graph.constant(base, np.array(numbers, np.int64))


def reshape(graph: Graph, op: nn.Reshape) -> None:
    """The same numbers in another shape."""
    _keep(graph, op, graph.reshape(_x(graph, op.x), op.shape, f"{op.name}.shaped"))


def permute(graph: Graph, op: nn.Permute) -> None:
    """Axes in another order."""
    order = [0, *(axis + 1 for axis in op.order)]
    _keep(graph, op, graph.node("Transpose", [_x(graph, op.x)], f"{op.name}.permuted", perm=order))


def flip(graph: Graph, op: nn.Flip) -> None:
    """Slices that run backwards."""
    count = len(op.axes)
    ends = ("starts", [-1] * count), ("stops", [-(2**31)] * count), ("axes", [a + 1 for a in op.axes])
    inputs = [_whole(graph, f"{op.name}.{word}", numbers) for word, numbers in (*ends, ("steps", [-1] * count))]
    _keep(graph, op, graph.node("Slice", [_x(graph, op.x), *inputs], f"{op.name}.flipped"))


def repeat(graph: Graph, op: nn.Repeat) -> None:
    """Each cell of an axis several times: picked by its index."""
    length = graph.type_of(op.x).shape[op.axis]
    index = _whole(graph, f"{op.name}.index", [i for i in range(length) for _ in range(op.count)])
    _keep(graph, op, graph.node("Gather", [_x(graph, op.x), index], f"{op.name}.repeated", axis=op.axis + 1))


def pad(graph: Graph, op: nn.Pad) -> None:
    """A constant border around d0 and d1."""
    b0, b1, a0, a1 = op.pad
    ends = _whole(graph, f"{op.name}.pads", [0, b0, b1, 0, 0, a0, a1, 0])
    value = graph.constant(f"{op.name}.value", np.array(op.value, graph.type_of(op.x).element.numpy))
    _keep(graph, op, graph.node("Pad", [_x(graph, op.x), ends, value], f"{op.name}.padded"))


def relu(graph: Graph, op: nn.Relu) -> None:
    """max(x, 0)."""
    _keep(graph, op, graph.node("Relu", [_x(graph, op.x)], f"{op.name}.positive"))


def clip(graph: Graph, op: nn.Clip) -> None:
    """Between two limits."""
    dtype = graph.type_of(op.x).element.numpy
    ends = [graph.constant(f"{op.name}.{w}", np.array(n, dtype)) for w, n in (("low", op.low), ("high", op.high))]
    _keep(graph, op, graph.node("Clip", [_x(graph, op.x), *ends], f"{op.name}.between"))


def argmax(graph: Graph, op: nn.Argmax) -> None:
    """The index of the first largest value."""
    axis = op.axis + 1 if op.axis >= 0 else op.axis
    found = graph.node("ArgMax", [_x(graph, op.x)], f"{op.name}.index", axis=axis, keepdims=int(op.keep_axis))
    _keep(graph, op, found)


# -- the time axis, which is folded into the first one ------------------------------------------------


def _over_time(graph: Graph, value: str) -> str:
    """[n, steps, *shape] of a value with a time axis."""
    kind = graph.type_of(value)
    return graph.reshape(_x(graph, value), (kind.steps or 1, *kind.shape), f"{value}.over_time")


def _folded(graph: Graph, op: Op, tensor: str) -> None:
    _keep(graph, op, graph.reshape(tensor, op.type.shape, f"{op.name}.folded"))


def every_step(graph: Graph, op: host.Repeat) -> None:
    """The same value at every step."""
    one = graph.reshape(_x(graph, op.x), (1, *op.type.shape), f"{op.name}.once")
    _folded(graph, op, graph.node("Concat", [one] * op.steps, f"{op.name}.steps", axis=1))


def _sum_of_steps(graph: Graph, tensor: str, dtype: np.dtype[np.generic], base: str) -> str:
    """Sums over axis 1, floats in float64, rounded once."""
    wide = np.dtype(np.float64 if dtype == np.float32 else np.int64)
    total = graph.cast(tensor, wide, f"{base}.wide")
    total = graph.node("ReduceSum", [total, _whole(graph, f"{base}.axis", [1])], f"{base}.sum", keepdims=0)
    return graph.cast(total, dtype, f"{base}.total")


def sum_of_steps(graph: Graph, op: host.Sum | host.Mean) -> None:
    """The sum over time, each step with its weight where there are some."""
    x, weights = _over_time(graph, op.x), getattr(op, "weights", None)
    if weights is not None:
        along = graph.module.array(weights).reshape(-1, *(1 for _ in op.type.shape))
        factors = graph.constant(f"{op.name}.weights", along.astype(np.float32))
        x = graph.node("Mul", [graph.cast(x, np.float32, f"{op.name}.steps"), factors], f"{op.name}.weighted")
    _keep(graph, op, _sum_of_steps(graph, x, op.type.element.numpy, op.name))


def largest_step(graph: Graph, op: host.Max) -> None:
    """The largest value over time."""
    found = graph.node("ReduceMax", [_over_time(graph, op.x)], f"{op.name}.largest", axes=[1], keepdims=0)
    _keep(graph, op, found)


def last_step(graph: Graph, op: host.Last) -> None:
    """The value at the last step."""
    index = graph.constant(f"{op.name}.index", np.array((graph.type_of(op.x).steps or 1) - 1, np.int64))
    _keep(graph, op, graph.node("Gather", [_over_time(graph, op.x), index], f"{op.name}.last", axis=1))


def window(graph: Graph, op: host.Window) -> None:
    """Sums over equal windows of the time axis."""
    steps, x = graph.type_of(op.x).steps or 1, _over_time(graph, op.x)
    ends = [k * steps // op.count for k in range(op.count + 1)]
    dtype = op.type.element.numpy
    sums = []
    for start, stop in pairwise(ends):
        cut = [_whole(graph, f"{op.name}.{w}", [n]) for w, n in (("start", start), ("stop", stop), ("axis", 1))]
        part = graph.node("Slice", [x, *cut], f"{op.name}.part")
        total = _sum_of_steps(graph, part, dtype, op.name)
        sums.append(graph.reshape(total, (1, *op.type.shape), f"{op.name}.window"))
    _folded(graph, op, graph.node("Concat", sums, f"{op.name}.windows", axis=1))


def frames(graph: Graph, op: host.Frames) -> None:
    """The time axis as an ordinary one."""
    _keep(graph, op, _over_time(graph, op.x))
