# SPDX-License-Identifier: Apache-2.0
"""One row an operator: how a random node of it is added to a graph that grows."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from tests.fuzz.onnx_building import Builder, Maker, Unfit
from tests.fuzz.onnx_layers import (
    average_pool,
    batch_norm,
    conv,
    conv_transpose,
    fitting,
    gemm,
    group_norm,
    instance_norm,
    layer_norm,
    matmul,
    max_pool,
    quantised,
    recurrent,
    resize,
    response_norm,
    upsample,
)

FLOAT, INT64, INT32, UINT8, INT8 = (
    TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.UINT8, TensorProto.INT8,
)  # fmt: skip

# -- elements ----------------------------------------------------------------------------------------


def plain(name: str, *ranks: int, kinds: str = "f", **choices: list[Any]) -> Maker:
    """An operator of one value, whose attributes are drawn."""
    return lambda b: b.add(name, [b.pick(*ranks, kinds=kinds)], **{k: b.r.choice(v) for k, v in choices.items()})


def positive(name: str) -> Maker:
    """An operator that takes positive numbers only."""

    def make(b: Builder) -> None:
        x = b.pick()
        square = b.add("Mul", [x, x])[0]
        b.add(name, b.add("Add", [square, b.keep(np.array(0.25, np.float32))]))

    return make


def join(name: str, kinds: str = "f") -> Maker:
    def make(b: Builder) -> None:
        x = b.pick(kinds=kinds)
        y = b.like(x) if kinds == "f" else b.pick(kinds=kinds)
        b.add(name, b.r.choice([[x, y], [y, x]]))

    return make


def quotient(b: Builder) -> None:
    x = b.pick()
    shape = b.shape(x)
    divisor = b.n.uniform(0.5, 3, shape[b.r.randint(0, len(shape)) :][:1]) * b.r.choice([-1, 1])
    stored = b.keep(divisor.astype(np.float32))
    if b.r.random() < 0.3:
        b.add("Div", [x, b.add("Add", [*b.add("Abs", [b.pick()]), b.keep(np.array(0.5, np.float32))])[0]])
    else:
        b.add("Div", [x, stored])


def power(b: Builder) -> None:
    x = b.pick()
    whole = b.keep(np.array(b.r.choice([2, 3, 2.0, 1.0]), np.float32))
    b.add("Pow", [x, b.keep(np.array(2, np.int64)) if b.opset >= 12 and b.r.random() < 0.2 else whole])


def several(name: str) -> Maker:
    def make(b: Builder) -> None:
        x = b.pick()
        b.add(name, [x, *(b.like(x) for _ in range(b.r.choice([0, 1, 1, 1, 2])))])

    return make


def where(b: Builder) -> None:
    x = b.pick()
    condition = b.add(b.r.choice(["Greater", "Less"]), [x, b.like(x)])[0] if b.r.random() < 0.7 else b.pick(kinds="b")
    b.add("Where", [condition, b.r.choice([x, b.numbers()]), b.like(x)])


def not_(b: Builder) -> None:
    b.add("Not", [_condition(b)])


def logic(name: str) -> Maker:
    return lambda b: b.add(name, [_condition(b), _condition(b)])


def _condition(b: Builder) -> str:
    if b.r.random() < 0.5:
        return b.pick(kinds="b")
    x = b.pick()
    return b.add(b.r.choice(["Greater", "Less"]), [x, b.like(x)])[0]


def clip(b: Builder) -> None:
    x, low, high = b.pick(), b.r.choice([None, 0.0, -0.5]), b.r.choice([None, 1.0, 0.7, 6.0])
    if b.opset < 11:
        b.add("Clip", [x], min=low, max=high)
        return
    ends = ["" if end is None else b.keep(np.array(end, np.float32)) for end in (low, high)]
    while ends and not ends[-1]:
        ends.pop()
    b.add("Clip", [x, *ends])


def prelu(b: Builder) -> None:
    x = b.pick()
    shape = b.shape(x)
    c = shape[1] if len(shape) > 1 else 1
    b.add("PRelu", [x, b.numbers(*b.r.choice([(1,), (c, *[1] * (len(shape) - 2)), (1,) * len(shape), shape[1:]]))])


def cast(b: Builder) -> None:
    x = b.pick(kinds="fbiu")
    b.add("Cast", [x], to=b.r.choice([FLOAT, FLOAT, FLOAT, TensorProto.DOUBLE, INT64, INT32, TensorProto.BOOL]))


def cast_back(b: Builder) -> None:
    b.add("Cast", [b.pick(kinds="biu")], to=FLOAT)


def dropout(b: Builder) -> None:
    x = b.pick()
    if b.opset >= 12:
        b.add("Dropout", [x, *b.r.choice([[], [b.keep(np.array(0.3, np.float32))]])])
    else:
        b.add("Dropout", [x], ratio=b.r.choice([None, 0.3]))


def levels(b: Builder) -> None:
    x = b.pick()
    scale, zero = fitting(b, x, b.r.choice([0, 0, 3, 128]))
    found = b.add("QuantizeLinear", [x, scale, zero])[0]
    if b.r.random() < 0.9:
        b.add("DequantizeLinear", [found, scale, zero])


# -- axes --------------------------------------------------------------------------------------------


def reduction(name: str, since: int = 18) -> Maker:
    def make(b: Builder) -> None:
        x = b.pick(2, 3, 4, 5)
        rank = len(b.shape(x))
        axes = sorted(b.r.sample(range(1, rank), b.r.randint(1, rank - 1)))
        if name == "ReduceProd" and np.prod([b.shape(x)[a] for a in axes]) > 12:
            raise Unfit  # beyond what float32 holds, in one order of the factors or another
        axes = b.r.choice([axes, [a - rank for a in axes]]) if b.opset >= 11 else axes
        inputs, given = b.axes(x, "axes", since, axes)
        if b.r.random() < 0.04 and name != "ReduceProd":
            inputs, given = [x], {}
        b.add(name, inputs, keepdims=b.r.choice([None, 0, 1]), **given)

    return make


def softmax(name: str) -> Maker:
    def make(b: Builder) -> None:
        x = b.pick(2, 3, 4)
        rank = len(b.shape(x))
        b.add(name, [x], axis=b.r.choice([None, 1, rank - 1, *([-1, 1 - rank] if b.opset >= 11 else [])]))

    return make


def argmax(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    last = {"select_last_index": b.r.choice([0, 0, 0, 1])} if b.opset >= 12 else {}
    b.add("ArgMax", [x], axis=b.r.choice([1, len(b.shape(x)) - 1]), keepdims=b.r.choice([None, 0, 1]), **last)


def reshape(b: Builder) -> None:
    x = b.pick(2, 3, 4, 5)
    shape = list(b.shape(x))
    rest = int(np.prod(shape[1:]))
    half = next((n for n in (2, 3, 5) if rest % n == 0), 1)
    merged = [*shape[1:-2], shape[-2] * shape[-1]] if len(shape) > 2 else shape[1:]
    tail = b.r.choice([[-1], [half, -1], [half, rest // half], [-1, 1, half], merged])
    first = b.r.choice([0, 0, 1, *([-1] if -1 not in tail else [])])
    b.add("Reshape", [x, b.integers(first, *tail)])


def flatten(b: Builder) -> None:
    x = b.pick(2, 3, 4, 5)
    b.add("Flatten", [x], axis=b.r.choice([None, 1, 1, 2] + ([-1] if b.opset >= 11 else [])))


def squeeze(b: Builder) -> None:
    fits = [v for v, a in b.values.items() if a.dtype.kind == "f" and 1 in a.shape[1:]]
    if not fits:
        raise Unfit
    x = b.r.choice(fits)
    ones = [a for a, n in enumerate(b.shape(x)) if n == 1 and a]
    inputs, given = b.axes(x, "axes", 13, b.r.choice([ones, ones[:1]]))
    b.add("Squeeze", inputs, **given)


def unsqueeze(b: Builder) -> None:
    x = b.pick(1, 2, 3)
    inputs, given = b.axes(x, "axes", 13, b.r.choice([[1], [2], [1, 2]]))
    b.add("Unsqueeze", inputs, **given)


def transpose(b: Builder) -> None:
    x = b.pick(2, 3, 4, 5)
    rest = list(range(1, len(b.shape(x))))
    b.r.shuffle(rest)
    b.add(
        "Transpose", [x], perm=b.r.choice([[0, *rest], [0, *rest], [0, *rest], [1, 0, *range(2, len(rest) + 1)], None])
    )


def pad(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    rank = len(b.shape(x))
    widths = [0 if a % rank == 0 else b.r.randint(0, 2) for a in range(2 * rank)]
    mode, value = b.r.choice([None, "constant", "constant", "edge", "reflect"]), b.r.choice([None, 0.0, 0.5])
    if b.opset < 11:
        b.add("Pad", [x], pads=widths, mode=mode, value=value)
        return
    given = [x, b.integers(*widths)]
    if value is not None and mode in (None, "constant"):
        given.append(b.keep(np.array(value, np.float32)))
    elif b.opset >= 18 and b.r.random() < 0.3:
        given = [x, b.integers(1, 0), "", b.integers(b.r.choice([-1, rank - 1]))]
    b.add("Pad", given, mode=mode)


def gather(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    axis = b.r.randint(1, len(b.shape(x)) - 1)
    n = b.shape(x)[axis]
    low = -n if b.opset >= 11 else 0
    draw = [b.r.randint(low, n - 1) for _ in range(b.r.randint(1, 4))]
    index = b.r.choice([np.array(draw[0]), np.array(draw[:1]), np.array(draw), np.array([draw])])
    b.add("Gather", [x, b.keep(index.astype(np.int64))], axis=b.r.choice([axis, axis, axis - len(b.shape(x))]))


def embedding(b: Builder) -> None:
    index = b.pick(2, 3, kinds="iu")
    b.add("Gather", [b.numbers(int(b.values[index].max()) + 256, 3), index])


def gather_elements(b: Builder) -> None:
    x = b.pick(2, 3)
    axis = b.r.randint(1, len(b.shape(x)) - 1)
    index = b.n.integers(0, b.shape(x)[axis], (1, *(b.r.randint(1, n) for n in b.shape(x)[1:])))
    b.add("GatherElements", [x, b.keep(index.astype(np.int64))], axis=axis)


def scatter_elements(b: Builder) -> None:
    x = b.pick(2, 3)
    axis = len(b.shape(x)) - 1
    index = b.keep(np.broadcast_to(b.n.permutation(b.shape(x)[axis])[:1], (*b.shape(x)[:-1], 1)).astype(np.int64))
    part = b.add("Slice", [x, *(b.integers(n) for n in (0, 1, axis))])[0] if b.opset >= 10 else b.pick(2, 3)
    b.add("ScatterElements", [x, index, part], axis=axis)


def scatter_nd(b: Builder) -> None:
    x = b.pick(2, 3)
    place = b.keep(np.array([[0, b.r.randint(0, b.shape(x)[1] - 1)]], np.int64))
    part = b.add("Gather", [x, b.keep(np.array(0, np.int64))], axis=1)[0]
    b.add("ScatterND", [x, place, part])


def triangle(b: Builder) -> None:
    b.add("Trilu", [b.pick(3, 4), *b.r.choice([[], [b.keep(np.array(1, np.int64))]])], upper=b.r.choice([0, 1]))


def gather_nd(b: Builder) -> None:
    x = b.pick(2, 3)
    moved = b.add("Transpose", [x], perm=[1, 0, *range(2, len(b.shape(x)))])[0]
    rows = b.keep(np.array([[b.r.randint(0, b.shape(moved)[0] - 1)] for _ in range(3)], np.int64))
    found = b.add("GatherND", [moved, rows])[0]
    b.add("Transpose", [found], perm=[1, 0, *range(2, len(b.shape(found)))])


def slice_(b: Builder) -> None:
    x = b.pick(2, 3, 4, 5)
    shape = b.shape(x)
    axes = sorted(b.r.sample(range(1, len(shape)), b.r.randint(1, len(shape) - 1)))
    starts = [b.r.randint(-shape[a], shape[a] - 1) for a in axes]
    ends = [b.r.choice([2**31 - 1, shape[a], b.r.randint(1, shape[a]), -1 if shape[a] > 1 else 1]) for a in axes]
    if b.opset < 10:
        b.add("Slice", [x], starts=starts, ends=ends, axes=axes)
        return
    steps = [b.r.choice([1, 1, 2, -1]) for _ in axes]
    ends = [-(2**31) + 1 if s < 0 else e for e, s in zip(ends, steps)]
    given = [b.integers(*starts), b.integers(*ends), b.integers(*b.r.choice([axes, [a - len(shape) for a in axes]]))]
    b.add("Slice", [x, *given, *([b.integers(*steps)] if steps != [1] * len(axes) or b.r.random() < 0.5 else [])])


def split(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    axis = b.r.randint(1, len(b.shape(x)) - 1)
    n = b.shape(x)[axis]
    if n < 2:
        raise Unfit
    parts = b.r.choice([[n // 2, n - n // 2], [1, n - 1], [1] * n])
    inputs, given = b.axes(x, "split", 13, parts)
    if len(set(parts)) == 1 and b.r.random() < 0.5:
        inputs, given = [x], {"num_outputs": len(parts)} if b.opset >= 18 else {}
    b.add(
        "Split",
        inputs,
        results=len(parts),
        axis=b.r.choice([axis, axis - len(b.shape(x))]) if b.opset >= 11 else axis,
        **given,
    )


def expand(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    b.add("Expand", [x, b.integers(1, *(n if n > 1 else b.r.choice([1, 2, 3]) for n in b.shape(x)[1:]))])


def concat(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    axis = b.r.randint(1, len(b.shape(x)) - 1)
    rest = lambda s: (*s[:axis], *s[axis + 1 :])  # noqa: E731
    others = [
        v
        for v, a in b.values.items()
        if a.ndim == len(b.shape(x)) and rest(a.shape) == rest(b.shape(x)) and a.dtype == np.float32
    ]
    parts = [x, *b.r.choices(others, k=b.r.randint(1, 2))]
    if b.r.random() < 0.2:
        parts.append(b.numbers(*b.shape(x)))
    b.r.shuffle(parts)
    b.add("Concat", parts, axis=b.r.choice([axis, axis - len(b.shape(x))]) if b.opset >= 11 else axis)


def tile(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    b.add("Tile", [x, b.integers(1, *(b.r.randint(1, 2) for _ in b.shape(x)[1:]))])


def shuffle(name: str) -> Maker:
    def make(b: Builder) -> None:
        modes = [None, "DCR", "CRD"] if name == "DepthToSpace" and b.opset >= 11 else [None]
        b.add(name, [b.pick(4)], blocksize=2, mode=b.r.choice(modes))

    return make


def einsum(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    n = b.shape(x)[-1]
    letters = "abcd"[: len(b.shape(x)) - 1]
    stored = [(f"{letters}x,xy->{letters}y", b.numbers(n, 3)), (f"{letters}x,yx->{letters}y", b.numbers(3, n))]
    equation, y = b.r.choice([*stored, (f"{letters}x,{letters}x->{letters}", x)])
    b.add("Einsum", [x, y], equation=equation)


def measured(b: Builder) -> None:
    """A reshape to a shape that the graph itself computes, as exporters write x.view(x.size(0), -1)."""
    x = b.pick(3, 4)
    size = b.add("Shape", [x])[0]
    batch = b.add("Gather", [size, b.keep(np.array(0, np.int64))])[0]
    inputs, given = b.axes(batch, "axes", 13, [0])
    first = b.add("Unsqueeze", inputs, **given)[0]
    b.add("Reshape", [x, b.add("Concat", [first, b.integers(-1)], axis=0)[0]])


def of_shape(b: Builder) -> None:
    x = b.pick(2, 3)
    fill = numpy_helper.from_array(np.array([b.r.choice([0.5, 1.0])], np.float32))
    made = b.add("ConstantOfShape", [b.add("Shape", [x])[0]], value=fill)[0]
    b.add("Add", [x, made])


def chosen(names: str) -> dict[str, Maker]:
    return {name: plain(name) for name in names.split()}


MAKERS: dict[str, Maker] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "BatchNormalization": batch_norm,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalMaxPool": plain("GlobalMaxPool", 3, 4, 5),
    "GlobalAveragePool": plain("GlobalAveragePool", 3, 4, 5),
    "LSTM": recurrent("LSTM", 4),
    "GRU": recurrent("GRU", 3),
    "RNN": recurrent("RNN", 1),
    **chosen(
        "Relu Sigmoid Neg Tanh Softplus Softsign Erf Exp Abs Sin Cos Sign Floor Ceil Round Identity HardSwish Mish"
    ),
    "Gelu": plain("Gelu", approximate=[None, "none", "tanh"]),
    "Swish": plain("Swish", alpha=[None, 1.0, 1.0, 0.5]),
    "HardSigmoid": plain("HardSigmoid", alpha=[None, 0.25], beta=[None, None, 0.4]),
    "Elu": plain("Elu", alpha=[None, 0.5]),
    "Selu": plain("Selu", alpha=[None, None, 1.5]),
    "Celu": plain("Celu", alpha=[None, 0.5]),
    "ThresholdedRelu": plain("ThresholdedRelu", alpha=[None, 0.3]),
    "LeakyRelu": plain("LeakyRelu", alpha=[None, 0.2]),
    "Log": positive("Log"),
    "Sqrt": positive("Sqrt"),
    "Reciprocal": positive("Reciprocal"),
    **{name: join(name) for name in ("Add", "Sub", "Mul")},
    **{name: join(name) for name in ("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual")},
    "Div": quotient,
    "Pow": power,
    "Max": several("Max"),
    "Min": several("Min"),
    "Sum": several("Sum"),
    "Where": where,
    "Not": not_,
    "And": logic("And"),
    "Or": logic("Or"),
    "Clip": clip,
    "PRelu": prelu,
    "Cast": lambda b: b.r.choice([cast, cast_back])(b),
    "Dropout": dropout,
    "QuantizeLinear": levels,
    "DequantizeLinear": levels,
    **{f"Reduce{name}": reduction(f"Reduce{name}") for name in ("Max", "Min", "Prod", "L1", "L2", "Mean")},
    "ReduceSum": reduction("ReduceSum", 13),
    "Softmax": softmax("Softmax"),
    "LogSoftmax": softmax("LogSoftmax"),
    "ArgMax": argmax,
    "Reshape": lambda b: b.r.choice([reshape, reshape, measured])(b),
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Pad": pad,
    "Gather": lambda b: b.r.choice([gather, gather, gather, embedding])(b),
    "GatherND": gather_nd,
    "GatherElements": gather_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "Trilu": triangle,
    "Slice": slice_,
    "Split": split,
    "Expand": expand,
    "Concat": concat,
    "Tile": tile,
    "DepthToSpace": shuffle("DepthToSpace"),
    "SpaceToDepth": shuffle("SpaceToDepth"),
    "Einsum": einsum,
    "LayerNormalization": layer_norm("LayerNormalization"),
    "RMSNormalization": layer_norm("RMSNormalization"),
    "SimplifiedLayerNormalization": layer_norm("SimplifiedLayerNormalization"),
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LRN": response_norm,
    "Resize": resize,
    "Upsample": upsample,
    "ConstantOfShape": of_shape,
    "QLinearConv": quantised("QLinearConv"),
    "QLinearMatMul": quantised("QLinearMatMul"),
    "QLinearAdd": quantised("QLinearAdd"),
    "QLinearMul": quantised("QLinearMul"),
}
"""Operators by name; those of akc's own tables, held equal by a test."""
