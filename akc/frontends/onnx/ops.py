# SPDX-License-Identifier: Apache-2.0
"""ONNX operators on elements, shapes and axes: how a node of the file becomes nodes of the common form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import evolve

from akc.frontends.graph.einsum import as_dense, as_product
from akc.frontends.graph.emit.cells import numbered
from akc.frontends.graph.graph import FLOATS, Tensor, scalar
from akc.frontends.onnx.quantised import clip_levels
from akc.frontends.onnx.reader import Handler, Reader
from akc.frontends.onnx.shapes import computed

# -- elementwise ----------------------------------------------------------------------------------


def clip(r: Reader, node: Any) -> None:
    """Clip with constant ends."""
    if node.input[0] in r.levels:
        clip_levels(r, node)
        return
    ends = [scalar(r.numbers(node, i, key)) for i, key in ((1, "min"), (2, "max"))]
    if any(end is None and r.given(node, i) for i, end in enumerate(ends, 1)):
        r.opaque(node, "clamp with computed ends")
        return
    low, high = (_finite(end) for end in ends)
    r.emit(node, "clip", node.input[:1], low=low, high=high)


def _finite(end: float | None) -> float | None:
    """An end that cuts something; the smallest and largest floats cut nothing."""
    return None if end is None or abs(end) >= float(np.finfo(np.float32).max) else end


def extreme(end: str) -> Handler:
    """A row for Max and Min, two by two; with a stored number it is a clamp on one side."""

    def handle(r: Reader, node: Any) -> None:
        values = sorted(node.input, key=lambda v: r.value(v) in r.graph.constants)
        _two_by_two(r, node, values, lambda x, y, result: _larger(r, node, end, x, y, result))

    return handle


def _larger(r: Reader, node: Any, end: str, x: str, y: str, result: str) -> None:
    """The larger, or smaller, of two values; y may be stored: max(x, c) is relu(x - c) + c."""
    stored = r.graph.constants.get(r.value(y))
    if stored is None:
        r.emit(node, f"{node.op_type.lower()}imum", (x, y), outputs=(result,))
    elif (number := scalar(stored)) is not None:
        ends: dict[str, Any] = {"low": None, "high": None, end: number}
        r.emit(node, "clip", (x,), outputs=(result,), **ends)
    else:
        over, kept, type_ = f"{result}:over", f"{result}:kept", r.graph.types[result]
        r.graph.types |= {over: type_, kept: type_}
        low = end == "low"
        r.emit(node, "sub", (x, y) if low else (y, x), outputs=(over,))
        r.emit(node, "relu", (over,), outputs=(kept,))
        r.emit(node, "add" if low else "sub", (kept, y) if low else (y, kept), outputs=(result,))


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
    """Float to float changes nothing; levels of a value become its numbers in units of a level; bytes become floats."""
    before, after = r.graph.types[r.value(node.input[0])].dtype, r.graph.types[node.output[0]].dtype
    if node.input[0] in r.levels and after in FLOATS:
        scale, zero, _ = r.levels[node.input[0]]
        constants = {"scale": np.array(1 / scale), "shift": np.array(float(zero))}
        r.emit(node, "affine", node.input[:1], constants)
    elif before in FLOATS and after in FLOATS:
        r.alias(node)
    else:
        r.emit(node, "cast", node.input[:1])


def word(kind: str) -> Handler:
    """A row for an operator that keeps its operands and has no attributes of interest."""
    return lambda r, node: r.emit(node, kind, [v for v in node.input if v])


def sum_(r: Reader, node: Any) -> None:
    """Sum of any number of values, as additions."""
    _two_by_two(r, node, list(node.input), lambda x, y, result: r.emit(node, "add", (x, y), outputs=(result,)))


def _two_by_two(r: Reader, node: Any, values: list[str], join: Callable[[str, str, str], None]) -> None:
    """Join values from the left, join(x, y, result) each; one alone is the result."""
    if len(values) == 1:
        r.alias(node)
        return
    left = values[0]
    for i, right in enumerate(values[1:], 2):
        result = node.output[0] if i == len(values) else f"{node.output[0]}:{i}"
        shape = np.broadcast_shapes(r.shape(left), r.shape(right))
        r.graph.types.setdefault(result, evolve(r.graph.types[node.output[0]], shape=shape))
        join(left, right, result)
        left = result


def named(what: str) -> Handler:
    """A row for an operator that the language has no operation for, under the name that users know."""
    return lambda r, node: r.opaque(node, what)


def unknown(r: Reader, node: Any) -> None:
    """An operator without a row keeps its own name."""
    r.opaque(node, node.op_type)


# -- shapes and axes ------------------------------------------------------------------------------


def reshape(r: Reader, node: Any) -> None:
    """Reshape and Flatten: the inferred shape says it all."""
    r.emit(node, "reshape", node.input[:1])


def ones(key: str) -> Handler:
    """A row for Unsqueeze (added) and Squeeze (removed): axes of length 1 come or go."""

    def handle(r: Reader, node: Any) -> None:
        axes = r.attributes(node).get("axes", r.constant(node, 1))
        named: dict[str, Any] = {key: () if axes is None else tuple(int(a) for a in axes)}
        r.emit(node, "reshape", node.input[:1], **named)

    return handle


def transpose(r: Reader, node: Any) -> None:
    """Axes in another order, reversed where none is given."""
    rank = len(r.shape(node.input[0]))
    r.emit(node, "transpose", order=tuple(r.attributes(node).get("perm", range(rank)[::-1])))


def reduce(kind: str) -> Handler:
    """A row for a mean, sum ... over axes; all of them where none is named."""

    def handle(r: Reader, node: Any) -> None:
        a = r.attributes(node)
        rank = len(r.shape(node.input[0]))
        axes = a["axes"] if "axes" in a else r.constant(node, 1)
        if axes is None and a.get("noop_with_empty_axes", 0):
            r.alias(node)
            return
        axes = range(rank) if axes is None or not len(axes) else axes
        r.emit(node, kind, node.input[:1], axes=tuple(int(x) % rank for x in axes), keep=bool(a.get("keepdims", 1)))

    return handle


def softmax(kind: str) -> Handler:
    """A row for Softmax or LogSoftmax; before opset 13 the axes from `axis` on are one."""

    def handle(r: Reader, node: Any) -> None:
        shape = r.shape(node.input[0])
        axis = r.attributes(node).get("axis", 1 if r.opset < 13 else -1) % len(shape)
        if r.opset < 13 and any(n != 1 for n in shape[axis + 1 :]):
            _softmax_of_all(r, node, kind, axis)
        else:
            r.emit(node, kind, axis=axis)

    return handle


def _softmax_of_all(r: Reader, node: Any, kind: str, axis: int) -> None:
    """Over all axes from one on, as one."""
    shape, names = r.shape(node.input[0]), [f"{node.output[0]}:{part}" for part in ("flat", "shares")]
    flat = evolve(r.graph.types[node.output[0]], shape=(*shape[:axis], math.prod(shape[axis:])))
    r.graph.types |= dict.fromkeys(names, flat)
    r.emit(node, "reshape", node.input[:1], outputs=names[:1])
    r.emit(node, kind, names[:1], outputs=names[1:], axis=axis)
    r.emit(node, "reshape", names[1:])


def argmax(r: Reader, node: Any) -> None:
    """Index of the largest value."""
    a = r.attributes(node)
    if a.get("select_last_index", 0):
        r.opaque(node, "ArgMax that takes the last of equals")
    else:
        r.emit(node, "argmax", axis=a.get("axis", 0), keep=bool(a.get("keepdims", 1)))


def pad(r: Reader, node: Any) -> None:
    """Pad with constant widths."""
    widths, axes, rank = r.numbers(node, 1, "pads"), r.constant(node, 3), len(r.shape(node.input[0]))
    if widths is None:
        r.opaque(node, "Pad")
        return
    both = np.zeros((2, rank), int)
    both[:, list(range(rank)) if axes is None else [int(x) % rank for x in axes]] = widths.reshape(2, -1)
    value = scalar(r.numbers(node, 2, "value")) or 0.0
    if node.input[0] in r.levels:
        scale, zero, _ = r.levels[node.input[0]]
        value = (value - zero) * scale
    if not both.any():
        r.alias(node)
        return
    r.emit(
        node,
        "pad",
        node.input[:1],
        before=tuple(both[0].tolist()),
        after=tuple(both[1].tolist()),
        value=value,
        mode=r.attributes(node).get("mode", "constant"),
    )


def gather(r: Reader, node: Any) -> None:
    """One stored index along an axis is a selection, several are cells by number; rows of a table are an embedding."""
    index, rank = r.constant(node, 1), len(r.shape(node.input[0]))
    axis = r.attributes(node).get("axis", 0) % rank
    if r.constant(node, 0) is not None:
        r.opaque(node, "embedding")
    elif index is not None and index.size == 1:
        r.emit(node, "select", node.input[:1], axis=axis, index=int(index.reshape(-1)[0]))
    elif index is not None and index.ndim == 1:
        r.emit(node, "take", node.input[:1], axis=axis, index=tuple(int(i) for i in index))
    else:
        moved("gather", 0)(r, node)


def moved(what: str, *values: int) -> Handler:
    """A row for an operator that only moves cells of some operands, by the others, which are stored."""

    def handle(r: Reader, node: Any) -> None:
        others = [i for i in range(len(node.input)) if i not in values and node.input[i]]
        if any(r.constant(node, i) is None for i in others) or r.attributes(node).get("reduction", "none") != "none":
            r.opaque(node, what)
            return
        names = [node.input[i] for i in values]
        arrays = dict(zip(names, numbered([r.shape(name) for name in names])))
        given = {node.input[i]: r.graph.constants[r.value(node.input[i])] for i in others} | arrays
        found = computed(r, node, given)
        if found is None:
            r.opaque(node, what)
        else:
            r.emit(node, "cells", names, index=found[0])

    return handle


def slice_(r: Reader, node: Any) -> None:
    """A slice of one element is a selection, a slice of everything nothing."""
    starts, ends, axes, steps = (
        r.numbers(node, i, key) for i, key in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    before, after = r.shape(node.input[0]), r.graph.types[node.output[0]].shape
    cut = [a for a, (n, m) in enumerate(zip(before, after)) if n != m]
    backwards = steps is not None and (steps < 0).any()
    if backwards and steps is not None and starts is not None and ends is not None:
        listed = range(len(starts)) if axes is None else [int(x) % len(before) for x in axes]
        _taken(r, node, {a: slice(_end(s), _end(e), int(t)) for a, s, e, t in zip(listed, starts, ends, steps)})
    elif not cut and not backwards:
        r.alias(node)
    elif len(cut) == 1 and after[cut[0]] == 1 and starts is not None:
        listed = list(range(len(starts))) if axes is None else [int(x) % len(before) for x in axes]
        r.emit(
            node, "select", node.input[:1], axis=cut[0], index=max(int(starts[listed.index(cut[0])]), -before[cut[0]])
        )
    else:
        r.emit(node, "slice", node.input[:1], axes=tuple(cut), **_picked(before, starts, axes, steps))


def _taken(r: Reader, node: Any, slices: dict[int, slice]) -> None:
    """Slices of which some count backwards: axis by axis, cells by number."""
    value = r.value(node.input[0])
    tensor = r.graph.types[value]
    for axis, cut in slices.items():
        index = tuple(range(tensor.shape[axis])[cut])
        tensor = evolve(tensor, shape=(*tensor.shape[:axis], len(index), *tensor.shape[axis + 1 :]))
        result = node.output[0] if axis == list(slices)[-1] else f"{node.output[0]}:{axis}"
        r.graph.types.setdefault(result, tensor)
        r.emit(node, "take", (value,), outputs=(result,), axis=axis, index=index)
        value = result


def _end(number: Any) -> int | None:
    """An end of a slice that counts backwards; far below 0 stands for all the way."""
    return None if number < -(2**30) else int(number)


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
    """One value cut into several along an axis."""
    r.emit(node, "split", node.input[:1], axis=r.attributes(node).get("axis", 0))


def tile(r: Reader, node: Any) -> None:
    """All of each axis so many times."""
    counts = r.constant(node, 1)
    if counts is None:
        r.opaque(node, "repetition")
    else:
        r.emit(node, "tile", node.input[:1], counts=tuple(int(n) for n in counts))


def shuffle(kind: str) -> Handler:
    """A row for DepthToSpace or SpaceToDepth."""

    def handle(r: Reader, node: Any) -> None:
        a = r.attributes(node)
        first = a.get("mode", "DCR") == "DCR"
        r.emit(node, kind, node.input[:1], block=a["blocksize"], block_first=first)

    return handle


def einsum(r: Reader, node: Any) -> None:
    """A matrix product between transpositions; other sums have no operation."""
    equation = r.attributes(node)["equation"].replace(" ", "")
    weight = r.constant(node, 1)
    if weight is not None and (turned := as_dense(equation)) is not None:
        r.emit(node, "dense", node.input[:1], {"weight": r.view(weight, "T", lambda w: w.T) if turned else weight})
        return
    found = as_product(equation) if len(node.input) == 2 else None
    if found is None:
        r.opaque(node, "matrix product")
        return
    dtype, operands = r.graph.types[node.output[0]].dtype, []
    for value, order, part in zip(node.input, (found.first, found.second), "xy"):
        moved, shape = f"{node.output[0]}:{part}", r.shape(value)
        r.graph.types[moved] = Tensor(dtype, tuple(shape[a] for a in order))
        r.emit(node, "transpose", (value,), outputs=(moved,), order=order)
        operands.append(moved)
    rows, columns = (r.graph.shape(name) for name in operands)
    made = f"{node.output[0]}:product"
    r.graph.types[made] = Tensor(dtype, (*rows[:-1], columns[-1]))
    r.emit(node, "matmul", operands, outputs=(made,))
    r.emit(node, "transpose", (made,), order=found.last)


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
