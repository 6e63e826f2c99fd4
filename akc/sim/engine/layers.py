# SPDX-License-Identifier: Apache-2.0
"""The four Akida layers as ONNX nodes.

Sums run in float32 where every one of them is a whole number below 24 bits, whatever the order; wider sums are put
together in float64 from parts that are exact in float32, and small factors may run as bytes (MatMulInteger).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import frozen

from akc.ir.ops import akida
from akc.sim import integer
from akc.sim.engine.graph import Form, Graph, channels_first, text_form
from akc.sim.engine.levels import along, clip20, exact_levels, levels, takes_threshold_first
from akc.sim.integer import POTENTIAL_MAX, POTENTIAL_MIN, LayerNumbers
from akc.sim.registry import Array

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
EXACT = 2**24
"""float32 holds every whole number up to here."""

PAIR_LIMIT = 2**15
"""Sums of two products of bytes stay below this on processors that keep them in 16 bits."""


@frozen
class Sums:
    """Potentials on their way: the tensor, its element type, the largest of them, channels first or not.

    less: whether the threshold has been taken off already.
    """

    tensor: str
    dtype: np.dtype[np.generic]
    bound: int
    first: bool
    less: bool = False


def fully_connected(graph: Graph, op: akida.FullyConnected, bytes_are_fast: bool) -> None:
    """Rows times weights; the sum is cut to 20 bits."""
    numbers = integer.layer_numbers(op, graph.module)
    weights = graph.module.array(op.weights)
    fits = (
        2 * int(np.abs(weights.astype(np.int64)).max(initial=0)) * integer.largest_input(op, graph.module) < PAIR_LIMIT
    )
    dtype = integer.exact_float(numbers.bound)
    if bytes_are_fast and fits:
        rows, first = graph.rows(op.x, np.uint8)
        matrix = graph.constant(f"{op.name}.weights", _rows_of(graph, op, weights, first).T.astype(np.int8))
        product = graph.node("MatMulInteger", [rows, matrix], f"{op.name}.sums")
        sums = graph.cast(product, dtype, f"{op.name}.numbers")
    else:
        rows, first = graph.rows(op.x, dtype)
        matrix = graph.constant(f"{op.name}.weights", _rows_of(graph, op, weights, first).T.astype(dtype))
        sums = graph.node("MatMul", [rows, matrix], f"{op.name}.sums")
    if numbers.bound > POTENTIAL_MAX:
        sums = clip20(graph, sums, dtype, op.name)
    _finish(graph, op, numbers, Sums(sums, dtype, min(numbers.bound, -POTENTIAL_MIN), False))


def _rows_of(graph: Graph, op: akida.FullyConnected, weights: Array, first: bool) -> Array:
    """The weights [units, inputs] in the order in which the inputs come."""
    shape = graph.type_of(op.x).shape
    if not first or len(shape) < 3:
        return weights
    return np.moveaxis(weights.reshape(len(weights), *shape), 3, 1).reshape(len(weights), -1)


def convolutional(graph: Graph, op: akida.InputConvolutional | akida.Convolutional) -> None:
    """One Conv, or several over parts of the channels."""
    numbers = integer.layer_numbers(op, graph.module)
    weights = np.moveaxis(graph.module.array(op.weights), 3, 1)
    per_channel = np.abs(weights.astype(np.int64)).sum(axis=(2, 3)) * integer.largest_input(op, graph.module)
    x, pads = _padded_input(graph, op, (weights.shape[2], weights.shape[3]))
    sums = _sum_of_parts(graph, op, numbers, x, weights, per_channel, strides=list(op.stride), pads=pads)
    _pool_and_finish(graph, op, numbers, sums)


def separable(graph: Graph, op: akida.SeparableConvolutional) -> None:
    """A Conv with a group a channel, then a 1x1 Conv."""
    numbers = integer.layer_numbers(op, graph.module)
    depthwise, pointwise = graph.module.array(op.weights), graph.module.array(op.pointwise)
    largest = np.abs(depthwise.astype(np.int64)).sum(axis=(1, 2)) * integer.largest_input(op, graph.module)
    per_channel = np.abs(pointwise.astype(np.int64)) * largest
    x, pads = _padded_input(graph, op, (depthwise.shape[1], depthwise.shape[2]))
    kernels = graph.constant(f"{op.name}.depthwise", depthwise[:, None].astype(SINGLE))
    group = len(depthwise)
    inner = graph.node("Conv", [x, kernels], f"{op.name}.inner", strides=list(op.stride), pads=pads, group=group)
    sums = _sum_of_parts(graph, op, numbers, inner, pointwise[:, :, None, None], per_channel)
    _pool_and_finish(graph, op, numbers, sums)


def _padded_input(graph: Graph, op: akida._Spatial, size: tuple[int, int]) -> tuple[str, list[int]]:
    """The input, channels first, and the pads that are left to Conv; a border that is not 0 is put around it here."""
    x = graph.get(op.x, channels_first(SINGLE))
    d0, d1, _ = graph.type_of(op.x).shape
    before, after = integer.spatial_padding(op, (d0, d1), size, op.stride)
    outside = getattr(op, "padding_value", 0)
    if not outside or not any((*before, *after)):
        return x, [*before, *after]
    ends = graph.constant(f"{op.name}.pads", np.array([0, 0, *before, 0, 0, *after], np.int64))
    value = graph.constant(f"{op.name}.outside", np.array(outside, SINGLE))
    return graph.node("Pad", [x, ends, value], f"{op.name}.padded"), [0, 0, 0, 0]


def _sum_of_parts(
    graph: Graph,
    op: akida._Spatial,
    numbers: LayerNumbers,
    x: str,
    weights: Array,
    per_channel: Array,
    **geometry: object,
) -> Sums:
    """Conv of `x` with weights [filters, channels, k0, k1]; per_channel: largest sums, [filters, channels]."""
    bound = integer.pooled_bound(op, numbers.bound) if op.pool == "max" else numbers.bound
    less = op.pool != "average" and numbers.bound < POTENTIAL_MAX and takes_threshold_first(op, numbers, bound)
    parts = list(_parts(per_channel))
    if len(parts) == 1:
        inputs = [x, graph.constant(f"{op.name}.weights", weights.astype(SINGLE))]
        if less:
            inputs.append(graph.constant(f"{op.name}.less", (-numbers.threshold).astype(SINGLE)))
        tensor = graph.node("Conv", inputs, f"{op.name}.sums", **geometry)
        return Sums(tensor, SINGLE, numbers.bound, True, less)
    total = ""
    for part in parts:
        ends = [graph.constant(f"{op.name}.{word}", np.array([n], np.int64)) for word, n in _slice(part)]
        cut = graph.node("Slice", [x, *ends], f"{op.name}.part")
        kernel = graph.constant(f"{op.name}.weights", weights[:, part].astype(SINGLE))
        wide = graph.cast(graph.node("Conv", [cut, kernel], f"{op.name}.some", **geometry), DOUBLE, f"{op.name}.wide")
        total = graph.node("Add", [total, wide], f"{op.name}.sums") if total else wide
    return Sums(total, DOUBLE, numbers.bound, True)


def _slice(part: slice) -> tuple[tuple[str, int], ...]:
    return ("start", part.start), ("end", part.stop), ("axis", 1)


def _parts(per_channel: Array) -> Iterator[slice]:
    """Runs of channels whose sums stay exact in float32."""
    start, total = 0, np.zeros(len(per_channel), np.int64)
    for channel in range(per_channel.shape[1]):
        total = total + per_channel[:, channel]
        if total.max(initial=0) >= EXACT:
            yield slice(start, channel)
            start, total = channel, per_channel[:, channel]
    yield slice(start, per_channel.shape[1])


def _pool_and_finish(graph: Graph, op: akida._Spatial, numbers: LayerNumbers, sums: Sums) -> None:
    if integer.pools(op):
        sums = _max_pool(graph, op, sums) if op.pool == "max" else _sum_pool(graph, op, sums)
    _finish(graph, op, numbers, sums)


def _max_pool(graph: Graph, op: akida._Spatial, sums: Sums) -> Sums:
    """The largest potential of each window, cut to 20 bits."""
    sizes = _sizes_before_pool(graph, op)
    before, after = integer.spatial_padding(op, sizes, op.pool_size, op.pool_stride)
    pads, shape, strides = [*before, *after], list(op.pool_size), list(op.pool_stride)
    name = f"{op.name}.largest"
    tensor = graph.node("MaxPool", [sums.tensor], name, kernel_shape=shape, pads=pads, strides=strides)
    if sums.bound > POTENTIAL_MAX:
        tensor = clip20(graph, tensor, sums.dtype, op.name)
    return Sums(tensor, sums.dtype, integer.pooled_bound(op, sums.bound), True, sums.less)


def _sizes_before_pool(graph: Graph, op: akida._Spatial) -> tuple[int, int]:
    d0, d1 = graph.type_of(op.x).shape[:2]
    k0, k1 = graph.module.array(op.weights).shape[1:3]
    return op._outputs(d0, k0, op.stride[0]), op._outputs(d1, k1, op.stride[1])


def _sum_pool(graph: Graph, op: akida._Spatial, sums: Sums) -> Sums:
    """The global sum, saturating at 20 bits after every cell where it can get there."""
    d0, d1 = _sizes_before_pool(graph, op)
    if sums.bound * d0 * d1 <= POTENTIAL_MAX:
        axes = graph.constant(f"{op.name}.axes", np.array([2, 3], np.int64))
        return Sums(graph.node("ReduceSum", [sums.tensor, axes], f"{op.name}.total"), sums.dtype, -POTENTIAL_MIN, True)
    filters = op.type.shape[-1]
    cells = graph.reshape(sums.tensor, (filters, d0 * d1), f"{op.name}.flat")
    cells = graph.node("Transpose", [cells], f"{op.name}.cells", perm=[2, 0, 1])
    total = graph.reshape(_saturating_scan(graph, op.name, cells, sums.dtype), (filters, 1, 1), f"{op.name}.total")
    return Sums(total, sums.dtype, -POTENTIAL_MIN, True)


def _saturating_scan(graph: Graph, base: str, cells: str, dtype: np.dtype[np.generic]) -> str:
    """Sum over the first axis of [cells, n, filters], cut to 20 bits after every addition."""
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(dtype)
    ends = [
        numpy_helper.from_array(np.array(n, dtype), w) for w, n in (("low", POTENTIAL_MIN), ("high", POTENTIAL_MAX))
    ]
    nodes = [
        helper.make_node("Add", ["total", "cell"], ["sum"]),
        helper.make_node("Clip", ["sum", "low", "high"], ["next"]),
    ]
    ins = [helper.make_tensor_value_info(name, kind, ["n", "filters"]) for name in ("total", "cell")]
    out = [helper.make_tensor_value_info("next", kind, ["n", "filters"])]
    body = helper.make_graph(nodes, f"{base}.add_cell", ins, out, ends)
    first = graph.node("Gather", [cells, graph.constant(f"{base}.zero", np.array(0, np.int64))], f"{base}.cell", axis=0)
    start = graph.node("Sub", [first, first], f"{base}.start")
    return graph.node("Scan", [start, cells], f"{base}.summed", body=body, num_scan_inputs=1)


def _finish(graph: Graph, op: akida.Layer, numbers: LayerNumbers, sums: Sums) -> None:
    """Levels, or the potentials themselves, held in the form in which they come."""
    graph.hold(op.name, *_result(graph, op, numbers, sums))


def _result(graph: Graph, op: akida.Layer, numbers: LayerNumbers, sums: Sums) -> tuple[Form, str]:
    as_form = channels_first if sums.first else text_form
    if not op.activation:
        tensor = sums.tensor if sums.first else graph.reshape(sums.tensor, op.type.shape, f"{op.name}.potentials")
        return as_form(sums.dtype), tensor
    if takes_threshold_first(op, numbers, sums.bound):
        differences = sums.tensor if sums.less else _less_threshold(graph, op, numbers, sums)
        tensor = levels(graph, op, numbers, differences, sums.first)
    else:
        tensor = exact_levels(graph, op, numbers, sums.tensor, sums.first)
    return as_form(SINGLE), tensor if sums.first else graph.reshape(tensor, op.type.shape, f"{op.name}.out")


def _less_threshold(graph: Graph, op: akida.Layer, numbers: LayerNumbers, sums: Sums) -> str:
    single = sums.tensor if sums.dtype == SINGLE else graph.cast(sums.tensor, SINGLE, f"{op.name}.narrow")
    threshold = graph.constant(f"{op.name}.threshold", along(numbers.threshold.astype(SINGLE), sums.first))
    return graph.node("Sub", [single, threshold], f"{op.name}.difference")
