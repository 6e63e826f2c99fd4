# SPDX-License-Identifier: Apache-2.0
"""What each kind of graph node becomes in the text: the table `KINDS`, one function a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from akc.frontends.graph.axes import CHANNELS_LAST, map_axes, two, with_last_axis
from akc.frontends.graph.building import Axes, Builder
from akc.frontends.graph.emit.cells import emit_cells
from akc.frontends.graph.emit.host import EMIT, emit_one_end
from akc.frontends.graph.emit.joins import emit_concat, join
from akc.frontends.graph.emit.layout import emit_mean, emit_reshape, emit_transpose
from akc.frontends.graph.emit.recurrent import emit_recurrent
from akc.frontends.graph.graph import FLOATS, Array, Node
from akc.ir.functions import JOINS
from akc.ir.module import Op
from akc.ir.ops import OPS, nn, nn_host
from akc.ir.ops.nn import window_outputs

CONV_LAYOUTS: dict[int, Callable[[Array], Array]] = {
    3: lambda weight: weight.transpose(0, 2, 1)[:, None],
    4: lambda weight: weight.transpose(0, 2, 3, 1),
}
"""Source kernels [filters, channels / groups, ...] in the order of the language, by rank."""

Emit = Callable[[Builder, Node], None]


# -- dense and spatial layers ---------------------------------------------------------------------


def emit_dense(b: Builder, node: Node) -> None:
    """x[..., inputs] @ weight.T + bias."""
    x = node.inputs[0]
    last = len(b.shape(x)) - 1
    batch = b.batch[x] if b.batch[x] != last else None
    axes = (*(a for a in range(last) if a != batch), last)
    name = b.op(nn.Dense, node.name, node.source, x=b.arranged(x, axes, node.source), **_weights(b, node))
    b.hold(node.output, name, axes, batch)


def _weights(b: Builder, node: Node, layout: Callable[[Array], Array] = lambda a: a) -> dict[str, Any]:
    bias, step = node.constants.get("bias"), node.constants.get("weight_step")
    return {
        "range": node.attributes.get("range"),
        "weight": b.weight(node.name, "weight", node.constants["weight"], layout),
        "bias": None if bias is None else b.weight(node.name, "bias", bias),
        "weight_step": None if step is None else b.weight(node.name, "weight_step", step),
    }


def _padding(node: Node) -> tuple[int, int, int, int]:
    return (*two(node["before"], 0), *two(node["after"], 0))


def emit_conv(b: Builder, node: Node) -> None:
    """A cross-correlation with one or two spatial axes."""
    axes = map_axes(b, node, "convolution")
    if axes is None:
        return
    name = b.op(
        nn.Conv,
        node.name,
        node.source,
        x=b.arranged(node.inputs[0], axes, node.source),
        **_weights(b, node, CONV_LAYOUTS[node.constants["weight"].ndim]),
        stride=two(node["stride"], 1),
        pad=_padding(node),
        dilation=two(node["dilation"], 1),
        groups=node["groups"],
    )
    b.hold(node.output, name, axes, 0)


def emit_max_pool(b: Builder, node: Node) -> None:
    """The largest value of each window."""
    if any(d != 1 for d in node["dilation"]):
        b.opaque(node, "dilated max pooling")
    else:
        _emit_pool(b, node, nn.MaxPool, {})


def emit_average_pool(b: Builder, node: Node) -> None:
    """The mean of each window; over the whole map it is nn.mean."""
    spatial = b.shape(node.inputs[0])[2:]
    if any(d != 1 for d in node["dilation"]):
        b.opaque(node, "dilated average pooling")
        return
    if spatial == tuple(node["size"]) and not any((*node["before"], *node["after"])):
        emit_mean(b, node, axes=tuple(range(2, 2 + len(spatial))), keep=True)
        return
    padded = any((*node["before"], *node["after"])) or _sticks_out(b, node)
    _emit_pool(b, node, nn.AveragePool, {"count_include_pad": not padded or node["count_include_pad"]})


def _sticks_out(b: Builder, node: Node) -> bool:
    """Whether ceil_mode gives more windows than flooring, on any axis."""
    if not node["ceil_mode"]:
        return False
    sizes = b.shape(node.inputs[0])[2:]
    windows = list(zip(sizes, node["size"], node["stride"], node["before"], node["after"]))
    return any(window_outputs(*window) != window_outputs(*window, ceil_mode=True) for window in windows)


def _emit_pool(b: Builder, node: Node, kind: type[Op], fields: dict[str, Any]) -> None:
    axes = map_axes(b, node, "pooling")
    if axes is None:
        return
    name = b.op(
        kind,
        node.name,
        node.source,
        x=b.arranged(node.inputs[0], axes, node.source),
        size=two(node["size"], 1),
        stride=two(node["stride"], 1),
        pad=_padding(node),
        ceil_mode=_sticks_out(b, node),
        **fields,
    )
    b.hold(node.output, name, axes, b.batch[node.inputs[0]])


def emit_pad(b: Builder, node: Node) -> None:
    """A constant border around the spatial axes, or one made of the value's own cells around any."""
    before, after = node["before"], node["after"]
    axes = CHANNELS_LAST.get(len(before))
    if node["mode"] in BORDERS and min((*before, *after)) >= 0 and b.batch[node.inputs[0]] is not None:
        _emit_border(b, node, BORDERS[node["mode"]])
        return
    if axes is None or any((*before[:2], *after[:2])) or min((*before, *after)) < 0 or node["mode"] != "constant":
        b.opaque(node, "Pad" if node["mode"] == "constant" else f"{node['mode']} padding")
        return
    pad = (*two(before[2:], 0), *two(after[2:], 0))
    x = b.arranged(node.inputs[0], axes, node.source)
    b.hold(
        node.output,
        b.op(nn.Pad, node.name, node.source, x=x, pad=pad, value=node["value"]),
        axes,
        b.batch[node.inputs[0]],
    )


BORDERS = {
    "reflect": "reflect",
    "edge": "edge",
    "replicate": "edge",
    "wrap": "wrap",
    "circular": "wrap",
}
"""numpy's names for borders made of a value's own cells, by the sources' names."""


def _emit_border(b: Builder, node: Node, mode: Any) -> None:
    """Cells of each padded axis again, in numpy's order."""
    x = node.inputs[0]
    axes, shape = b.source_axes(x), b.shape(x)
    if len(shape) in CHANNELS_LAST and b.batch[x] == 0:
        axes = tuple(a for a in CHANNELS_LAST[len(shape)] if a is not None)
    name = b.arranged(x, axes, node.source)
    for position, axis in enumerate(axes):
        sides = (node["before"][axis], node["after"][axis])
        if any(sides):
            index = tuple(int(i) for i in np.pad(np.arange(shape[axis]), sides, mode))
            name = b.op(nn_host.Take, node.name, node.source, x=name, axis=position, index=index, made_by=mode)
    b.hold(node.output, name, axes, b.batch[x])


# -- channels and cells change places -------------------------------------------------------------


def emit_depth_to_space(b: Builder, node: Node) -> None:
    """Channels become cells, block x block for each; block_first: whether the channels of a block lie apart."""
    x, block = node.inputs[0], node["block"]
    if len(b.shape(x)) != 4 or b.batch[x] != 0:
        b.opaque(node, "pixel shuffle")
        return
    _, channels, d0, d1 = b.shape(x)
    left = channels // block**2
    parts = (block, block, left) if node["block_first"] else (left, block, block)
    order = (0, 2, 1, 3, 4) if node["block_first"] else (0, 3, 1, 4, 2)
    _rearranged(b, node, (d0, d1, *parts), order, (d0 * block, d1 * block, left))


def emit_space_to_depth(b: Builder, node: Node) -> None:
    """Cells become channels: the way back."""
    x, block = node.inputs[0], node["block"]
    if len(b.shape(x)) != 4 or b.batch[x] != 0:
        b.opaque(node, "pixel unshuffle")
        return
    _, channels, d0, d1 = b.shape(x)
    order = (0, 2, 1, 3, 4) if node["block_first"] else (0, 2, 4, 1, 3)
    parts = (d0 // block, block, d1 // block, block, channels)
    _rearranged(b, node, parts, order, (d0 // block, d1 // block, channels * block**2))


def _rearranged(b: Builder, node: Node, parts: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> None:
    axes = CHANNELS_LAST[4]
    split = b.reshaped(b.arranged(node.inputs[0], axes, node.source), parts, node.source)
    moved = b.op(nn.Permute, f"{split}_permuted", node.source, x=split, order=order)
    b.hold(node.output, b.reshaped(moved, shape, node.source, node.name), axes, 0)


# -- per-channel and elementwise operations -------------------------------------------------------


def emit_batch_norm(b: Builder, node: Node) -> None:
    """Batch normalisation over axis 1."""
    x = node.inputs[0]
    axes = with_last_axis(b, x, 1)
    vectors: dict[str, Any] = {role: b.weight(node.name, role, array) for role, array in node.constants.items()}
    name = b.op(
        nn.BatchNorm, node.name, node.source, x=b.arranged(x, axes, node.source), epsilon=node["epsilon"], **vectors
    )
    b.hold(node.output, name, axes, b.batch[x])


def emit_affine(b: Builder, node: Node) -> None:
    """x * scale + shift, with constants that broadcast against x."""
    x, shape = node.inputs[0], b.shape(node.inputs[0])
    parts = {role: _padded_shape(node.constants[role], len(shape)) for role in ("scale", "shift")}
    varying = sorted({a for array in parts.values() for a in range(len(shape)) if array.shape[a] != 1})
    if len(varying) > 1:
        _emit_full_affine(b, node, parts)
        return
    axes = with_last_axis(b, x, varying[0]) if varying else b.held[x].axes
    fields: dict[str, Any] = {
        role: b.number_or_weight(node.name, role, array.reshape(-1)) for role, array in parts.items()
    }
    name = b.op(nn.Affine, node.name, node.source, x=b.arranged(x, axes, node.source), **fields)
    b.hold(node.output, name, axes, b.batch[x])


def _padded_shape(array: Array, rank: int) -> Array:
    return array.reshape((1,) * (rank - array.ndim) + array.shape)


def _emit_full_affine(b: Builder, node: Node, parts: dict[str, Array]) -> None:
    """Constants that differ on several axes (a mean picture): one number for each element of the flat value."""
    x, shape = node.inputs[0], b.shape(node.inputs[0])
    axes = b.source_axes(x)
    fields: dict[str, Any] = {
        role: b.number_or_weight(node.name, role, np.broadcast_to(array, shape).reshape(-1))
        for role, array in parts.items()
    }
    flat = b.reshaped(b.arranged(x, axes, node.source), (b.graph.types[x].size,), node.source)
    name = b.op(nn.Affine, node.name, node.source, x=flat, **fields)
    b.hold(node.output, b.reshaped(name, tuple(shape[a] for a in axes), node.source), axes, b.batch[x])


def elementwise(kind: type[Op], *attributes: str) -> Emit:
    """A row for an operation that works on each element and keeps any order of the axes."""

    def emit(b: Builder, node: Node) -> None:
        held = b.held[node.inputs[0]]
        name = b.op(kind, node.name, node.source, x=held.name, **{key: node[key] for key in attributes})
        b.hold(node.output, name, held.axes, b.batch[node.inputs[0]])

    return emit


def emit_clip(b: Builder, node: Node) -> None:
    """min(max(x, low), high); without an upper end it is ReLU where low is 0."""
    low, high = node["low"], node["high"]
    if low == 0 and high is None:
        elementwise(nn.Relu)(b, node)
    elif low is None and high is None:
        b.held[node.output], b.batch[node.output] = b.held[node.inputs[0]], b.batch[node.inputs[0]]
    elif low is None or high is None:
        emit_one_end(b, node)
    else:
        elementwise(nn.Clip, "low", "high")(b, node)


# -- along one axis -------------------------------------------------------------------------------


def _position(b: Builder, node: Node) -> tuple[str, Axes, int]:
    """The operand, its order, and where in it the node's axis is."""
    x = node.inputs[0]
    axis = node["axis"] % max(len(b.shape(x)), 1)
    axes = b.held[x].axes if axis in b.held[x].axes else tuple(range(len(b.shape(x))))
    return b.arranged(x, axes, node.source), axes, axes.index(axis)


def _over_batch(b: Builder, node: Node) -> bool:
    """Whether an operation along an axis would mix samples."""
    x = node.inputs[0]
    return b.batch[x] is not None and b.batch[x] == node["axis"] % max(len(b.shape(x)), 1)


def along_axis(kind: type[Op]) -> Emit:
    """A row for softmax and its kin; the last axis is written -1."""

    def emit(b: Builder, node: Node) -> None:
        if _over_batch(b, node):
            b.opaque(node, f"{kind.__name__} over the batch axis")
            return
        x, axes, position = _position(b, node)
        name = b.op(kind, node.name, node.source, x=x, axis=-1 if position == len(axes) - 1 else position)
        b.hold(node.output, name, axes, b.batch[node.inputs[0]])

    return emit


def emit_argmax(b: Builder, node: Node) -> None:
    """The index of the largest value; the axis goes, or stays with length 1."""
    if _over_batch(b, node):
        b.opaque(node, "Argmax over the batch axis")
        return
    x, axes, position = _position(b, node)
    axis = axes[position] or 0
    name = b.op(nn.Argmax, node.name, node.source, x=x, axis=-1 if position == len(axes) - 1 else position)
    left = [a for a in axes if a != axis]
    batch = b.batch[node.inputs[0]]
    if not node["keep"]:
        left = [a - (a > axis) if a is not None else None for a in left]
        batch = None if batch is None else batch - (batch > axis)
    b.hold(node.output, name, left, batch)


def emit_cast(b: Builder, node: Node) -> None:
    """Bytes as floats; other changes of the element type have no operation."""
    if b.types[b.held[node.inputs[0]].name].dtype != "f32" and b.graph.types[node.output].dtype in FLOATS:
        elementwise(nn.Cast)(b, node)
    else:
        b.opaque(node, "Cast")


def emit_opaque(b: Builder, node: Node) -> None:
    """A recognised group, or an operation without a row, under its name."""
    b.opaque(node, node.attributes.get("op") or PLAIN_NAMES.get(node.kind, node.kind))


PLAIN_NAMES = {
    "matmul": "matrix product",
    "select": "slice",
    "instance_norm": "InstanceNorm",
    "var": "variance over an axis",
    "greater": "comparison",
    "less": "comparison",
    "greater_equal": "comparison",
    "less_equal": "comparison",
    "equal": "comparison",
    "where": "selection by a condition",
    "not": "logic",
    "and": "logic",
    "or": "logic",
}
"""What a kind without a row of its own is called where it was not recognised as part of a group."""


KINDS: dict[str, Emit] = {
    "dense": emit_dense,
    "conv": emit_conv,
    "max_pool": emit_max_pool,
    "average_pool": emit_average_pool,
    "mean": emit_mean,
    "pad": emit_pad,
    "depth_to_space": emit_depth_to_space,
    "space_to_depth": emit_space_to_depth,
    "batch_norm": emit_batch_norm,
    "affine": emit_affine,
    "relu": elementwise(nn.Relu),
    "clip": emit_clip,
    "levels": elementwise(nn.Levels, "low", "high", "scale", "rounding"),
    "sigmoid": elementwise(nn.Sigmoid),
    "softmax": along_axis(nn.Softmax),
    "log_softmax": along_axis(nn.LogSoftmax),
    "argmax": emit_argmax,
    **{row.name: join(OPS[f"nn.{row.name}"], row.users) for row in JOINS.values()},
    "concat": emit_concat,
    "reshape": emit_reshape,
    "transpose": emit_transpose,
    "lstm": emit_recurrent,
    "gru": emit_recurrent,
    "rnn": emit_recurrent,
    **EMIT,
    "cells": emit_cells,
    "cast": emit_cast,
    "opaque": emit_opaque,
}
