# SPDX-License-Identifier: Apache-2.0
"""Rows for what only the host computes: functions, norms at run time, maps that grow, parts of values, products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from akc.frontends.graph.axes import CHANNELS_LAST, map_axes, two, with_last_axis
from akc.frontends.graph.building import Axes, Builder
from akc.frontends.graph.emit.joins import joined_batch, known, with_stored
from akc.frontends.graph.emit.layout import emit_mean, emit_over_axes
from akc.frontends.graph.graph import Array, Node, scalar
from akc.ir.fields import WeightName
from akc.ir.functions import FUNCTIONS, REDUCTIONS
from akc.ir.module import Op
from akc.ir.ops import nn, nn_host, nn_norms

Emit = Callable[[Builder, Node], None]


# -- functions ---------------------------------------------------------------------------------------


def emit_function(b: Builder, node: Node) -> None:
    """A row of akc.ir.functions.FUNCTIONS, by the name of the node's kind."""
    _apply(b, node, node.kind, float(node.attributes.get("alpha", 1.0)))


def _apply(b: Builder, node: Node, function: str, alpha: float) -> None:
    held = b.held[node.inputs[0]]
    name = b.op(nn_host.Apply, node.name, node.source, x=held.name, function=function, alpha=alpha)
    b.hold(node.output, name, held.axes, b.batch[node.inputs[0]])


def emit_power(b: Builder, node: Node) -> None:
    """x to the power of one number."""
    exponent = scalar(b.graph.constants.get(node.inputs[1]))
    if exponent is None or node.inputs[0] in b.graph.constants:
        b.opaque(node, "power")
    else:
        _apply(b, node, "power", exponent)


def emit_one_end(b: Builder, node: Node) -> None:
    """A clamp with one end."""
    end = "at_least" if node["low"] is not None else "at_most"
    _apply(b, node, end, node["low"] if node["low"] is not None else node["high"])


def emit_leaky_relu(b: Builder, node: Node) -> None:
    """A slope below 0: one number, or learned ones for axis 1."""
    x, learned = node.inputs[0], node.constants.get("slope")
    axes = b.held[x].axes
    slope: Any = node.attributes.get("slope")
    if learned is not None and len(b.shape(x)) == 1:
        slope = b.number_or_weight(node.name, "slope", learned.reshape(-1))
    elif learned is not None:
        axes = with_last_axis(b, x, 1)
        channels = b.shape(x)[1] if len(b.shape(x)) > 1 else 1
        spread = np.broadcast_to(learned.reshape(-1), (channels,))
        slope = WeightName(b.weight(node.name, "slope", spread))
    name = b.op(nn_host.LeakyRelu, node.name, node.source, x=b.arranged(x, axes, node.source), slope=slope)
    b.hold(node.output, name, axes, b.batch[x])


# -- norms -------------------------------------------------------------------------------------------


def channel_norm(kind: type[Op], what: str) -> Emit:
    """A row for a norm whose scale and shift are of axis 1."""

    def emit(b: Builder, node: Node) -> None:
        x = node.inputs[0]
        if b.batch[x] != 0 or len(b.shape(x)) < 2:
            b.opaque(node, what)
            return
        axes = with_last_axis(b, x, 1)
        fields: dict[str, Any] = {"groups": node["groups"]} if "groups" in node.attributes else {}
        _emit_norm(b, node, kind, axes, fields, lambda array: array.reshape(-1))

    return emit


def axes_norm(kind: type[Op], what: str) -> Emit:
    """A row for a norm over some axes of the source, which become the last ones."""

    def emit(b: Builder, node: Node) -> None:
        x, over = node.inputs[0], tuple(node["axes"])
        shape, held = b.shape(x), b.held[x].axes
        if b.batch[x] in over:
            b.opaque(node, what)
            return
        ready = set(held) == set(b.source_axes(x)) and set(held[len(held) - len(over) :]) == set(over)
        axes = held if ready else (*(a for a in b.source_axes(x) if a not in over), *over)
        order = tuple(over.index(a) for a in axes[len(axes) - len(over) :] if a is not None)
        sizes = tuple(shape[a] for a in over)
        fields = {"axes": len(over)}
        _emit_norm(b, node, kind, axes, fields, lambda array: np.broadcast_to(array, sizes).transpose(order))

    return emit


def _emit_norm(
    b: Builder, node: Node, kind: type[Op], axes: Axes, fields: dict[str, Any], layout: Callable[[Array], Array]
) -> None:
    x = node.inputs[0]
    vectors: dict[str, Any] = {role: b.weight(node.name, role, array, layout) for role, array in node.constants.items()}
    name = b.op(
        kind,
        node.name,
        node.source,
        x=b.arranged(x, axes, node.source),
        epsilon=node["epsilon"],
        **vectors,
        **fields,
    )
    b.hold(node.output, name, axes, b.batch[x])


def emit_local_response_norm(b: Builder, node: Node) -> None:
    """A norm over neighbouring channels."""
    x = node.inputs[0]
    if b.batch[x] != 0 or len(b.shape(x)) < 2:
        b.opaque(node, "local response normalization")
        return
    axes = with_last_axis(b, x, 1)
    numbers = {key: node[key] for key in ("size", "alpha", "beta", "bias")}
    name = b.op(nn_norms.LocalResponseNorm, node.name, node.source, x=b.arranged(x, axes, node.source), **numbers)
    b.hold(node.output, name, axes, 0)


# -- maps --------------------------------------------------------------------------------------------


def emit_conv_transpose(b: Builder, node: Node) -> None:
    """A transposed convolution with one or two spatial axes."""
    axes = map_axes(b, node, "convolution")
    if axes is None:
        return
    groups, bias = node["groups"], node.constants.get("bias")

    def layout(weight: Array) -> Array:
        """[inputs, filters / groups, ...] in the order of the language."""
        wide = weight if weight.ndim == 4 else weight[:, :, None]
        inputs, filters, k0, k1 = wide.shape
        split = wide.reshape(groups, inputs // groups, filters, k0, k1)
        return split.transpose(0, 2, 3, 4, 1).reshape(groups * filters, k0, k1, inputs // groups)

    name = b.op(
        nn_host.ConvTranspose,
        node.name,
        node.source,
        x=b.arranged(node.inputs[0], axes, node.source),
        weight=b.weight(node.name, "weight", node.constants["weight"], layout),
        bias=None if bias is None else b.weight(node.name, "bias", bias),
        stride=two(node["stride"], 1),
        pad=(*two(node["before"], 0), *two(node["after"], 0)),
        dilation=two(node["dilation"], 1),
        groups=groups,
    )
    b.hold(node.output, name, axes, 0)


def emit_resize(b: Builder, node: Node) -> None:
    """A map of another size; batch and channels stay."""
    before, after = b.shape(node.inputs[0]), b.shape(node.output)
    axes = None if before[:2] != after[:2] else map_axes(b, node, "upsampling")
    if axes is None:
        if node.output not in b.held:
            b.opaque(node, "upsampling")
        return
    name = b.op(
        nn_host.Resize,
        node.name,
        node.source,
        x=b.arranged(node.inputs[0], axes, node.source),
        size=two(after[2:], 1),
        mode=node["mode"],
        places=node["places"],
        rounding=node.attributes.get("rounding", "floor"),
    )
    b.hold(node.output, name, axes, b.batch[node.inputs[0]])


# -- parts -------------------------------------------------------------------------------------------


def emit_slice(b: Builder, node: Node) -> None:
    """A part of some axes, from start on, every step-th."""
    x = node.inputs[0]
    if "start" not in node.attributes or not _cuts(b, x, node.output, node["start"], node["step"], node):
        b.opaque(node, "slice")


def _cuts(b: Builder, x: str, output: str, start: Sequence[int], step: Sequence[int], node: Node) -> bool:
    """Append nn.slice for one result of a node; False where it cannot be said."""
    before, after = b.shape(x), b.shape(output)
    batch = b.batch[x]
    if len(before) != len(after) or (batch is not None and before[batch] != after[batch]) or min(step) < 1:
        return False
    held = b.held[x].axes
    cut = {a for a, (n, m) in enumerate(zip(before, after)) if n != m}
    axes = held if cut <= set(held) else b.source_axes(x)
    picked = [(0, 1, 1) if a is None else (start[a], start[a] + (after[a] - 1) * step[a] + 1, step[a]) for a in axes]
    begin, end, every = (tuple(column) for column in zip(*picked))
    name = b.op(
        nn_host.Slice,
        node.name,
        node.source,
        x=b.arranged(x, axes, node.source),
        start=begin,
        stop=end,
        step=() if set(every) == {1} else every,
    )
    b.hold(output, name, axes, batch)
    return True


def emit_split(b: Builder, node: Node) -> None:
    """Parts one behind the other along an axis; those that are the whole value are the value itself."""
    x, axis = node.inputs[0], node["axis"] % len(b.shape(node.inputs[0]))
    begin = [0] * len(b.shape(x))
    for output in node.outputs:
        after = b.shape(output)
        if after == b.shape(x):
            b.held[output], b.batch[output] = b.held[x], b.batch[x]
        elif not _is_read(b, output):
            pass
        elif not _cuts(b, x, output, begin, [1] * len(begin), node):
            b.opaque(node, "split")
            return
        begin[axis] += after[axis]


def _is_read(b: Builder, value: str) -> bool:
    return value in b.users or value in b.graph.outputs


def emit_select(b: Builder, node: Node) -> None:
    """One index of an axis, which goes, or stays with length 1."""
    x, axis = node.inputs[0], node["axis"]
    before, after, batch = b.shape(x), b.shape(node.output), b.batch[x]
    if axis == batch:
        b.opaque(node, "slice")
        return
    held = b.held[x].axes if axis in b.held[x].axes else b.source_axes(x)
    index = node["index"] % before[axis]
    sizes = [1 if a is None else before[a] for a in held]
    start = tuple(index if a == axis else 0 for a in held)
    stop = tuple(index + 1 if a == axis else n for a, n in zip(held, sizes))
    cut = b.op(nn_host.Slice, node.name, node.source, x=b.arranged(x, held, node.source), start=start, stop=stop)
    if len(after) == len(before):
        b.hold(node.output, cut, held, batch)
        return
    axes = tuple(None if a is None or a == axis else a - (a > axis) for a in held)
    b.hold(node.output, cut, axes, None if batch is None else batch - (batch > axis))


# -- other lengths -----------------------------------------------------------------------------------


def emit_reduce(b: Builder, node: Node) -> None:
    """A row of akc.ir.functions.REDUCTIONS; a maximum or a sum over all of a map is a pool."""
    x, name = node.inputs[0], node.kind.removeprefix("reduce_")
    shape = b.shape(x)
    axes = tuple(sorted({a % len(shape) for a in node["axes"]}))
    whole = b.batch[x] == 0 and len(shape) in (3, 4) and axes == tuple(range(2, len(shape)))
    if name == "sum" and whole:
        emit_mean(b, node, axes)
        held, cells = b.held[node.output], prod(shape[a] for a in axes)
        total = b.op(nn.Affine, node.name, node.source, x=held.name, scale=float(cells))
        b.hold(node.output, total, held.axes, b.batch[node.output])
    elif b.batch[x] in axes:
        b.opaque(node, f"{REDUCTIONS[name].users} and over the batch")
    elif name == "max" and whole and min(shape[2:]) > 0:
        _emit_global_max(b, node, axes)
    else:
        emit_over_axes(b, node, axes, node["keep"], nn_host.Reduce, function=name)


def _emit_global_max(b: Builder, node: Node, axes: tuple[int, ...]) -> None:
    x, shape = node.inputs[0], b.shape(node.inputs[0])
    held = CHANNELS_LAST[len(shape)]
    sizes = two(shape[2:], 1)
    name = b.op(nn.MaxPool, node.name, node.source, x=b.arranged(x, held, node.source), size=sizes, stride=(1, 1))
    left = [None if a in axes else a for a in held]
    b.hold(node.output, name, left, 0)


def emit_expand(b: Builder, node: Node) -> None:
    """Axes of length 1 that become longer, new ones in front included."""
    before, after = b.shape(node.inputs[0]), b.shape(node.output)
    more = len(after) - len(before)
    counts = tuple(m // n for n, m in zip((1,) * more + before, after))
    _repeat(b, node, counts)


def emit_tile(b: Builder, node: Node) -> None:
    """All of an axis again and again."""
    _repeat(b, node, node["counts"])


def _repeat(b: Builder, node: Node, counts: Sequence[int]) -> None:
    x, more = node.inputs[0], len(counts) - len(b.shape(node.inputs[0]))
    batch = b.batch[x]
    if batch is None or counts[batch + more] != 1:
        b.opaque(node, "repetition")
        return
    axes = tuple(a for a in range(len(counts)) if a != batch + more)
    padded = (1,) * more + b.shape(x)
    name = b.reshaped(b.in_source_order(x, node.source), tuple(padded[a] for a in axes), node.source)
    for position, axis in enumerate(axes):
        if counts[axis] == 1:
            continue
        if padded[axis] == 1:
            name = b.op(nn.Repeat, node.name, node.source, x=name, axis=position, count=counts[axis])
        else:
            name = b.op(nn_host.Concat, node.name, node.source, inputs=(name,) * counts[axis], axis=position)
    b.hold(node.output, name, axes, batch + more)


def emit_take(b: Builder, node: Node) -> None:
    """Cells of an axis by number."""
    x, axis = node.inputs[0], node["axis"]
    if axis == b.batch[x]:
        b.opaque(node, "gather")
        return
    axes = b.held[x].axes if axis in b.held[x].axes else b.source_axes(x)
    at, cells = axes.index(axis), b.shape(x)[axis]
    index = tuple(int(i) % cells for i in node["index"])
    operand = b.arranged(x, axes, node.source)
    if index == tuple(range(cells))[::-1]:
        name = b.op(nn.Flip, node.name, node.source, x=operand, axes=(at,))
    else:
        name = b.op(nn_host.Take, node.name, node.source, x=operand, axis=at, index=index)
    b.hold(node.output, name, axes, b.batch[x])


# -- products ----------------------------------------------------------------------------------------


def emit_matmul(b: Builder, node: Node) -> None:
    """A product of two values over their last two axes."""
    node = with_stored(b, node)
    batch, ranks = joined_batch(b, node), {len(b.shape(v)) for v in node.inputs if v in b.held}
    rank = len(b.shape(node.output))
    if batch is None or ranks != {rank} or batch >= rank - 2:
        b.opaque(node, "matrix product")
        return
    x, y = (b.in_source_order(value, node.source) for value in node.inputs)
    name = b.op(nn_host.MatMul, node.name, node.source, x=x, y=y)
    b.hold(node.output, name, tuple(a for a in range(rank) if a != batch), known(batch))


EMIT: dict[str, Emit] = {
    **dict.fromkeys(FUNCTIONS, emit_function),
    "pow": emit_power,
    "leaky_relu": emit_leaky_relu,
    "layer_norm": axes_norm(nn_norms.LayerNorm, "LayerNorm"),
    "rms_norm": axes_norm(nn_norms.RmsNorm, "RMSNorm"),
    "group_norm": channel_norm(nn_norms.GroupNorm, "GroupNorm"),
    "instance_norm": channel_norm(nn_norms.InstanceNorm, "InstanceNorm"),
    "local_response_norm": emit_local_response_norm,
    "conv_transpose": emit_conv_transpose,
    "resize": emit_resize,
    "slice": emit_slice,
    "split": emit_split,
    "select": emit_select,
    "matmul": emit_matmul,
    "expand": emit_expand,
    "tile": emit_tile,
    "take": emit_take,
    **{f"reduce_{name}": emit_reduce for name in REDUCTIONS},
}
"""Rows of akc.frontends.graph.emit.kinds.KINDS."""
