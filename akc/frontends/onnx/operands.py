# SPDX-License-Identifier: Apache-2.0
"""What must fit together in an ONNX node, once the shapes of its operands are known; one row an operator.

onnx's shape inference lets much of it pass, and computes with what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from akc.frontends.onnx.checked import broadcast
from akc.frontends.onnx.reader import Reader

Misfits = Iterator[str]
Shape = tuple[int, ...]


def misfit(r: Reader, node: Any) -> str:
    """The first thing of a node that does not fit, in words; "" if everything does."""
    if node.domain not in ("", "ai.onnx"):
        return ""
    row = ROWS.get(node.op_type)
    return next(row(r, node), "") if row is not None else ""


def _shape(r: Reader, node: Any, index: int) -> Shape:
    return r.shape(node.input[index])


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"


def _windows(r: Reader, node: Any, axes: int) -> Misfits:
    """One number an axis; pads have two."""
    a = r.attributes(node)
    if axes < 1:
        yield f"it needs a map, {_text(_shape(r, node, 0))} comes in"
    for key, times in (("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 2), ("output_padding", 1)):
        if key in a and len(a[key]) != axes * times:
            yield f"{key} has {len(a[key])} numbers, {axes * times} are needed"
    if any(n < 0 for n in a.get("pads", ())):
        yield f"pads are {a['pads']}, they must not be negative"
    if a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        yield f"auto_pad is {a['auto_pad']!r}"


def _conv(r: Reader, node: Any) -> Misfits:
    x, w = _shape(r, node, 0), _shape(r, node, 1)
    yield from _windows(r, node, len(x) - 2)
    a, turned = r.attributes(node), node.op_type == "ConvTranspose"
    group = a.get("group", 1)
    if len(w) != len(x):
        yield f"its weights {_text(w)} do not fit {_text(x)}"
        return
    channels, filters = (w[0], w[1] * group) if turned else (w[1] * group, w[0])
    if channels != x[1] or w[0] % group or not prod(w):
        yield f"its weights {_text(w)} with {group} groups do not fit {_text(x)}"
    if "kernel_shape" in a and tuple(a["kernel_shape"]) != w[2:]:
        yield f"kernel_shape is {a['kernel_shape']}, its weights are {_text(w)}"
    if r.given(node, 2) and _shape(r, node, 2) != (filters,):
        yield f"its bias is {_text(_shape(r, node, 2))}, {filters} numbers are needed"


def _gemm(r: Reader, node: Any) -> Misfits:
    a, x, w = r.attributes(node), _shape(r, node, 0), _shape(r, node, 1)
    if len(x) != 2 or len(w) != 2:
        yield f"it multiplies matrices, found {_text(x)} and {_text(w)}"
        return
    units, inner = w if a.get("transB", 0) else w[::-1]
    if inner != (x[0] if a.get("transA", 0) else x[1]):
        yield f"its weights {_text(w)} do not fit {_text(x)}"
    if r.given(node, 2):
        bias = _shape(r, node, 2)
        if prod(bias) not in (1, units) or broadcast([bias, (x[0], units)]) != (x[0], units):
            yield f"its bias is {_text(bias)}, {units} numbers are needed"


def _matmul(r: Reader, node: Any) -> Misfits:
    x, y = _shape(r, node, 0), _shape(r, node, 1)
    if not x or not y or x[-1] != (y[-2] if len(y) > 1 else y[0]) or broadcast([x[:-2], y[:-2]]) is None:
        yield f"{_text(x)} and {_text(y)} cannot be multiplied"


def _batch_norm(r: Reader, node: Any) -> Misfits:
    x = _shape(r, node, 0)
    for index, role in enumerate(("scale", "shift", "mean", "variance"), 1):
        if len(x) < 2 or _shape(r, node, index) != x[1:2]:
            yield f"its {role} is {_text(_shape(r, node, index))}, {_text(x)} comes in"


def _pool(r: Reader, node: Any) -> Misfits:
    yield from _windows(r, node, len(_shape(r, node, 0)) - 2)


def _map(r: Reader, node: Any) -> Misfits:
    if len(_shape(r, node, 0)) < 3:
        yield f"it needs a map, {_text(_shape(r, node, 0))} comes in"


def _recurrent(r: Reader, node: Any) -> Misfits:
    a, x, w, back = r.attributes(node), _shape(r, node, 0), _shape(r, node, 1), _shape(r, node, 2)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[node.op_type]
    ways = {"forward": 1, "reverse": 1, "bidirectional": 2}.get(a.get("direction", "forward"), 0)
    if not ways:
        yield f"direction is {a['direction']!r}"
    hidden = back[-1] if back else 0
    if len(x) != 3 or not hidden or back != (ways, gates * hidden, hidden):
        yield f"its recurrent weights are {_text(back)}, {_text(x)} comes in"
    elif w != (ways, gates * hidden, x[2]):
        yield f"its weights are {_text(w)}, {_text((ways, gates * hidden, x[2]))} is needed"
    elif a.get("hidden_size", hidden) != hidden:
        yield f"hidden_size is {a['hidden_size']}, its weights have {hidden}"
    elif r.given(node, 3) and _shape(r, node, 3) != (ways, 2 * gates * hidden):
        yield f"its bias is {_text(_shape(r, node, 3))}, {_text((ways, 2 * gates * hidden))} is needed"
    elif a.get("activations") and len(a["activations"]) % ways:
        yield f"it has {len(a['activations'])} activations"


def _elementwise(r: Reader, node: Any) -> Misfits:
    shapes = [r.shape(name) for name in node.input if name]
    if broadcast(shapes) is None:
        yield f"{' and '.join(map(_text, shapes))} do not fit each other"


def _axis_of(rank: int, axis: Any, more: int = 0) -> bool:
    return -rank - more <= int(axis) < rank + more


def _axes(r: Reader, node: Any) -> Misfits:
    """Axes of the operand, in an attribute or as second operand."""
    rank, a = len(_shape(r, node, 0)), r.attributes(node)
    axes = a.get("axes", r.constant(node, 1))
    for axis in [] if axes is None else np.asarray(axes).reshape(-1).tolist():
        if not isinstance(axis, int) or not _axis_of(rank, axis):
            yield f"axis {axis} of {rank}"


def _axis(r: Reader, node: Any) -> Misfits:
    rank, axis = len(_shape(r, node, 0)), r.attributes(node).get("axis", 0)
    if not rank or not _axis_of(rank, axis):
        yield f"axis {axis} of {rank}"


def _softmax(r: Reader, node: Any) -> Misfits:
    rank, axis = len(_shape(r, node, 0)), r.attributes(node).get("axis", -1)
    if not rank or not _axis_of(rank, axis):
        yield f"axis {axis} of {rank}"


def _flatten(r: Reader, node: Any) -> Misfits:
    rank, axis = len(_shape(r, node, 0)), r.attributes(node).get("axis", 1)
    if not -rank <= axis <= rank:
        yield f"axis {axis} of {rank}"


def _unsqueeze(r: Reader, node: Any) -> Misfits:
    axes = r.attributes(node).get("axes", r.constant(node, 1))
    listed = [] if axes is None else np.asarray(axes).reshape(-1).tolist()
    rank = len(_shape(r, node, 0)) + len(listed)
    if rank > 16 or not all(isinstance(x, int) and _axis_of(rank, x) for x in listed):
        yield f"axes {listed[:20]} of {rank}"
    elif len({x % rank for x in listed}) != len(listed):
        yield f"axes {listed} name one twice"


def _transpose(r: Reader, node: Any) -> Misfits:
    rank = len(_shape(r, node, 0))
    order = r.attributes(node).get("perm")
    if order is not None and sorted(order) != list(range(rank)):
        yield f"perm is {list(order)}, the value has {rank} axes"


def _concat(r: Reader, node: Any) -> Misfits:
    shapes = [r.shape(name) for name in node.input]
    axis, rank = r.attributes(node)["axis"], len(shapes[0])
    if not rank or not _axis_of(rank, axis):
        yield f"axis {axis} of {rank}"
        return
    rest = {(len(s), *(n for a, n in enumerate(s) if a != axis % rank)) for s in shapes}
    if len(rest) > 1:
        yield f"{' and '.join(map(_text, shapes[:4]))} do not lie side by side along axis {axis}"


def _gather(r: Reader, node: Any) -> Misfits:
    shape, axis, index = _shape(r, node, 0), r.attributes(node).get("axis", 0), r.constant(node, 1)
    if not shape or not _axis_of(len(shape), axis):
        yield f"axis {axis} of {len(shape)}"
        return
    length = shape[axis]
    if index is not None and (index.dtype.kind not in "iu" or ((index < -length) | (index >= length)).any()):
        yield f"an index lies outside of the {length} of axis {axis}"


def _gather_nd(r: Reader, node: Any) -> Misfits:
    shape, index = _shape(r, node, 0), r.constant(node, 1)
    if index is None or not index.ndim:
        return
    depth = index.shape[-1]
    if depth > len(shape) or index.dtype.kind not in "iu":
        yield f"{depth} indices for {len(shape)} axes"
        return
    limits = np.array(shape[:depth])
    if ((index < -limits) | (index >= limits)).any() and not r.attributes(node).get("batch_dims", 0):
        yield f"an index lies outside of {_text(shape[:depth])}"


def _slice(r: Reader, node: Any) -> Misfits:
    rank = len(_shape(r, node, 0))
    parts = [r.numbers(node, i, key) for i, key in enumerate(("starts", "ends", "axes", "steps"), 1)]
    lists = [np.asarray(p).reshape(-1) for p in parts if p is not None]
    if len({len(p) for p in lists}) > 1 or any(p.dtype.kind not in "iu" for p in lists if p.size):
        yield "starts, ends, axes and steps differ in length"
    elif lists and len(lists[0]) > rank:
        yield f"it cuts {len(lists[0])} axes of {rank}"
    elif parts[2] is not None and not all(_axis_of(rank, x) for x in np.asarray(parts[2]).reshape(-1)):
        yield f"axes {np.asarray(parts[2]).tolist()} of {rank}"
    elif parts[3] is not None and not np.asarray(parts[3]).all():
        yield "a step is 0"


def _pad(r: Reader, node: Any) -> Misfits:
    rank, widths, axes = len(_shape(r, node, 0)), r.numbers(node, 1, "pads"), r.constant(node, 3)
    listed = [] if axes is None else axes.reshape(-1).tolist()
    if widths is not None and (
        widths.dtype.kind not in "iu" or widths.size != 2 * (rank if axes is None else len(listed))
    ):
        yield f"pads has {widths.size} numbers for {rank if axes is None else len(listed)} axes"
    elif not all(isinstance(x, int) and _axis_of(rank, x) for x in listed):
        yield f"axes {listed} of {rank}"


def _tile(r: Reader, node: Any) -> Misfits:
    counts = r.constant(node, 1)
    if counts is not None and (counts.dtype.kind not in "iu" or counts.shape != (len(_shape(r, node, 0)),)):
        yield f"repeats has {counts.size} numbers for {len(_shape(r, node, 0))} axes"
    elif counts is not None and (counts < 0).any():
        yield "a count is negative"


def _shuffle(r: Reader, node: Any) -> Misfits:
    shape, block = _shape(r, node, 0), r.attributes(node)["blocksize"]
    if len(shape) != 4:
        yield f"it needs a map, {_text(shape)} comes in"
    elif node.op_type == "DepthToSpace" and shape[1] % block**2:
        yield f"{shape[1]} channels are no multiple of {block}x{block}"
    elif node.op_type == "SpaceToDepth" and (shape[2] % block or shape[3] % block):
        yield f"{_text(shape[2:])} cells are no multiple of {block}"


def _quantise(r: Reader, node: Any) -> Misfits:
    x, scale = _shape(r, node, 0), _shape(r, node, 1)
    axis, a = r.attributes(node).get("axis", 1), r.attributes(node)
    if r.given(node, 2) and prod(_shape(r, node, 2)) not in (1, prod(scale)):
        yield f"{_text(scale)} scales and {_text(_shape(r, node, 2))} zero points"
    elif prod(scale) != 1 and not a.get("block_size", 0):
        if not x or not _axis_of(len(x), axis) or scale != (x[axis],):
            yield f"{_text(scale)} scales for axis {axis} of {_text(x)}"
    elif not prod(scale):
        yield "it has no scale"


def _split(r: Reader, node: Any) -> Misfits:
    yield from _axis(r, node)
    shape, sizes = _shape(r, node, 0), r.numbers(node, 1, "split")
    axis = r.attributes(node).get("axis", 0)
    if sizes is not None and (sizes.size != len(node.output) or int(sizes.sum()) != shape[axis] or (sizes < 0).any()):
        yield f"the parts {sizes.reshape(-1).tolist()[:20]} are not the {shape[axis]} of axis {axis}"


def _clip(r: Reader, node: Any) -> Misfits:
    for index in (1, 2):
        if r.given(node, index) and prod(_shape(r, node, index)) != 1:
            yield f"an end is {_text(_shape(r, node, index))}, one number is needed"


def _if(r: Reader, node: Any) -> Misfits:
    if r.given(node, 0) and prod(_shape(r, node, 0)) != 1:
        yield f"its condition is {_text(_shape(r, node, 0))}, one number is needed"


Row = Callable[[Reader, Any], Misfits]

ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Mod", "And", "Or", "Xor", "Equal",
    "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Where",
)  # fmt: skip

REDUCTIONS = (
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSumExp", "ReduceLogSum", "Squeeze",
)  # fmt: skip

ROWS: dict[str, Row] = {
    "Conv": _conv,
    "ConvTranspose": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool"), _map),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    **dict.fromkeys(
        ELEMENTWISE,
        _elementwise,
    ),
    **dict.fromkeys(
        REDUCTIONS,
        _axes,
    ),
    **dict.fromkeys(("ArgMax", "ArgMin", "CumSum"), _axis),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    "Flatten": _flatten,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concat,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Slice": _slice,
    "Pad": _pad,
    "Tile": _tile,
    "Split": _split,
    "Clip": _clip,
    "If": _if,
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _shuffle),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _quantise),
}  # fmt: skip
