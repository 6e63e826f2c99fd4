# SPDX-License-Identifier: Apache-2.0
"""ONNX operators on elements, shapes and axes: how a node of the file becomes nodes of the common form."""

from __future__ import annotations

from typing import Any

import numpy as np

from akc.frontends.graph.graph import FLOATS, scalar
from akc.frontends.onnx.reader import Handler, Reader

# -- elementwise ----------------------------------------------------------------------------------


def clip(r: Reader, node: Any) -> None:
    """Clip with constant ends."""
    ends = [scalar(r.constant(node, i)) for i in (1, 2)]
    if any(end is None and r.given(node, i) for i, end in enumerate(ends, 1)):
        r.opaque(node, "clamp with computed ends")
        return
    r.emit(node, "clip", node.input[:1], low=_finite(ends[0]), high=_finite(ends[1]))


def _finite(end: float | None) -> float | None:
    """An end that cuts something; the smallest and largest floats cut nothing."""
    return None if end is None or abs(end) >= float(np.finfo(np.float32).max) else end


def extreme(end: str) -> Handler:
    """A row for Max and Min with one constant number: a clamp on one side."""

    def handle(r: Reader, node: Any) -> None:
        numbers = [scalar(r.constant(node, i)) for i in range(len(node.input))]
        computed = [name for name, number in zip(node.input, numbers) if number is None]
        if len(numbers) == 2 and all(name not in r.graph.constants for name in map(r.value, node.input)):
            r.emit(node, f"{node.op_type.lower()}imum")
            return
        if len(numbers) != 2 or len(computed) != 1:
            r.opaque(node, f"elementwise {node.op_type.lower()}imum")
            return
        number = next(n for n in numbers if n is not None)
        r.emit(node, "clip", computed, low=number if end == "low" else None, high=number if end == "high" else None)

    return handle


def same(r: Reader, node: Any) -> None:
    """Nothing happens to the numbers."""
    r.alias(node)


def dropout(r: Reader, node: Any) -> None:
    """Nothing outside of training."""
    if scalar(r.constant(node, 2)):
        r.opaque(node, "Dropout in training mode")
    else:
        r.alias(node)


def cast(r: Reader, node: Any) -> None:
    """Float to float changes nothing here; the rest is recognised later."""
    kinds = [r.graph.types[r.value(node.input[0])].dtype, r.graph.types[node.output[0]].dtype]
    if all(kind in FLOATS for kind in kinds):
        r.alias(node)
    else:
        r.emit(node, "cast", node.input[:1])


def word(kind: str) -> Handler:
    """A row for an operator that keeps its operands and has no attributes of interest."""
    return lambda r, node: r.emit(node, kind, [v for v in node.input if v])


def sum_(r: Reader, node: Any) -> None:
    """Sum of any number of values, as additions."""
    values = list(node.input)
    if len(values) == 1:
        r.alias(node)
        return
    left = values[0]
    for i, right in enumerate(values[1:], 2):
        result = node.output[0] if i == len(values) else f"{node.output[0]}:{i}"
        r.graph.types.setdefault(result, r.graph.types[node.output[0]])
        r.emit(node, "add", (left, right), outputs=(result,))
        left = result


def named(what: str) -> Handler:
    """A row for an operator that the language has no operation for, under the name that users know."""
    return lambda r, node: r.opaque(node, what)


def quantize(r: Reader, node: Any) -> None:
    """Rounding to integers; with the way back behind it, it only tells the range of a value."""
    scale, zero_point = scalar(r.constant(node, 1)), scalar(r.constant(node, 2))
    if scale is not None:
        r.quantized[node.output[0]] = r.value(node.input[0]), scale, int(zero_point or 0)
    r.opaque(node, "quantization in the file")


def dequantize(r: Reader, node: Any) -> None:
    """The way back: the value from before the rounding, clamped to the range that the integers can say."""
    value, scale, zero_point = r.quantized.get(node.input[0], ("", 0.0, 0))
    same = scale == scalar(r.constant(node, 1)) and zero_point == int(scalar(r.constant(node, 2)) or 0)
    dtype = r.graph.types[r.value(node.input[0])].dtype
    if not value or not same or dtype not in ("int8", "uint8", "int16", "uint16"):
        r.opaque(node, "quantization in the file")
        return
    limits = np.iinfo(dtype)
    low, high = (float(f"{(int(end) - zero_point) * scale:.6g}") for end in (limits.min, limits.max))
    if low == 0 and not _never_negative(r, value):
        r.graph.ranges[node.output[0]] = low, high
        r.emit(node, "clip", (value,), low=0.0, high=high)
    else:
        r.graph.ranges[value] = low, high
        r.aliases[node.output[0]] = value


def _never_negative(r: Reader, value: str) -> bool:
    """Whether a value is an input or was clamped at zero; other tools leave ReLU to the integers' lower end."""
    producers = r.graph.producers()
    while (node := producers.get(value)) is not None:
        if node.kind == "relu" or (node.kind == "clip" and node["low"] == 0):
            return True
        if node.kind not in ("max_pool", "average_pool", "mean", "reshape", "transpose"):
            return False
        value = node.inputs[0]
    return True


def unknown(r: Reader, node: Any) -> None:
    """An operator without a row keeps its own name."""
    r.opaque(node, node.op_type)


# -- shapes and axes ------------------------------------------------------------------------------


def reshape(r: Reader, node: Any) -> None:
    """Reshape, Flatten, Squeeze and Unsqueeze: the inferred shape says it all."""
    r.emit(node, "reshape", node.input[:1])


def transpose(r: Reader, node: Any) -> None:
    """Axes in another order, reversed where none is given."""
    rank = len(r.shape(node.input[0]))
    r.emit(node, "transpose", order=tuple(r.attributes(node).get("perm", range(rank)[::-1])))


def reduce_mean(r: Reader, node: Any) -> None:
    """Mean over axes; all of them where none is named."""
    a = r.attributes(node)
    rank = len(r.shape(node.input[0]))
    axes = a["axes"] if "axes" in a else r.constant(node, 1)
    if axes is None and a.get("noop_with_empty_axes", 0):
        r.alias(node)
        return
    axes = range(rank) if axes is None or not len(axes) else axes
    r.emit(node, "mean", node.input[:1], axes=tuple(int(x) % rank for x in axes), keep=bool(a.get("keepdims", 1)))


def softmax(kind: str) -> Handler:
    """A row for Softmax or LogSoftmax; before opset 13 the axes from `axis` on are one."""

    def handle(r: Reader, node: Any) -> None:
        shape = r.shape(node.input[0])
        axis = r.attributes(node).get("axis", 1 if r.opset < 13 else -1) % len(shape)
        if r.opset < 13 and any(n != 1 for n in shape[axis + 1 :]):
            r.opaque(node, f"{node.op_type} over several axes")
        else:
            r.emit(node, kind, axis=axis)

    return handle


def argmax(r: Reader, node: Any) -> None:
    """Index of the largest value."""
    a = r.attributes(node)
    if a.get("select_last_index", 0):
        r.opaque(node, "ArgMax that takes the last of equals")
    else:
        r.emit(node, "argmax", axis=a.get("axis", 0), keep=bool(a.get("keepdims", 1)))


def pad(r: Reader, node: Any) -> None:
    """Pad with constant widths."""
    widths, axes, rank = r.constant(node, 1), r.constant(node, 3), len(r.shape(node.input[0]))
    if widths is None:
        r.opaque(node, "Pad")
        return
    both = np.zeros((2, rank), int)
    both[:, list(range(rank)) if axes is None else [int(x) % rank for x in axes]] = widths.reshape(2, -1)
    value = r.constant(node, 2)
    if not both.any():
        r.alias(node)
        return
    r.emit(
        node,
        "pad",
        node.input[:1],
        before=tuple(both[0].tolist()),
        after=tuple(both[1].tolist()),
        value=scalar(value) or 0.0,
        mode=r.attributes(node).get("mode", "constant"),
    )


def gather(r: Reader, node: Any) -> None:
    """One index along an axis is a selection; rows of a stored table are an embedding."""
    index, rank = r.constant(node, 1), len(r.shape(node.input[0]))
    if r.constant(node, 0) is not None:
        r.opaque(node, "embedding")
    elif index is not None and index.size == 1:
        r.emit(
            node,
            "select",
            node.input[:1],
            axis=r.attributes(node).get("axis", 0) % rank,
            index=int(index.reshape(-1)[0]),
        )
    else:
        r.opaque(node, "gather")


def slice_(r: Reader, node: Any) -> None:
    """A slice of one element is a selection, a slice of everything nothing."""
    starts, _, axes, steps = (r.constant(node, i) for i in range(1, 5))
    before, after = r.shape(node.input[0]), r.graph.types[node.output[0]].shape
    cut = [a for a, (n, m) in enumerate(zip(before, after)) if n != m]
    backwards = steps is not None and (steps < 0).any()
    if not cut and not backwards:
        r.alias(node)
    elif len(cut) == 1 and after[cut[0]] == 1 and starts is not None:
        listed = list(range(len(starts))) if axes is None else [int(x) % len(before) for x in axes]
        r.emit(
            node, "select", node.input[:1], axis=cut[0], index=max(int(starts[listed.index(cut[0])]), -before[cut[0]])
        )
    else:
        r.emit(node, "slice", node.input[:1], axes=tuple(cut), **_picked(before, starts, axes, steps))


def _picked(before: tuple[int, ...], starts: Any, axes: Any, steps: Any) -> dict[str, Any]:
    """First index and distance of the indices on each axis of a slice; nothing where they are computed."""
    if starts is None or (steps is not None and (steps < 1).any()):
        return {}
    start, step = [0] * len(before), [1] * len(before)
    listed = range(len(starts)) if axes is None else [int(x) % len(before) for x in axes]
    for i, axis in enumerate(listed):
        step[axis] = 1 if steps is None else int(steps[i])
        start[axis] = range(before[axis])[int(starts[i]) :].start
    return {"start": tuple(start), "step": tuple(step)}


def split(r: Reader, node: Any) -> None:
    """One value cut into several."""
    r.emit(node, "split", node.input[:1])


def expand(r: Reader, node: Any) -> None:
    """Nothing where the shape stays; else a repetition."""
    if r.shape(node.input[0]) == r.graph.types[node.output[0]].shape:
        r.alias(node)
    else:
        r.emit(node, "expand", node.input[:1])


def concat(r: Reader, node: Any) -> None:
    """Values side by side."""
    if len(node.input) == 1:
        r.alias(node)
    else:
        r.emit(node, "concat", axis=r.attributes(node)["axis"])
