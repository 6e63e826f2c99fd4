# SPDX-License-Identifier: Apache-2.0
"""How a random layer, norm or map of each kind is added to a graph that grows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fuzz.onnx_building import Builder, Maker, Unfit

# -- layers ------------------------------------------------------------------------------------------


def gemm(b: Builder) -> None:
    x = b.pick(2)
    units, transposed, n = b.r.randint(1, 6), b.r.random() < 0.6, b.shape(x)[1]
    weight = b.numbers(*((units, n) if transposed else (n, units)))
    bias = b.r.choice([[], [b.numbers(units)], [b.numbers(1, units)], [b.numbers(1)], [b.numbers()]])
    if not bias and b.opset < 11:
        bias = [b.numbers(units)]
    b.add(
        "Gemm", [x, weight, *bias], transB=int(transposed), alpha=b.r.choice([None, 0.5]), beta=b.r.choice([None, 2.0])
    )


def matmul(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    n = b.shape(x)[-1]
    others = [v for v, a in b.values.items() if a.ndim > 1 and a.shape[-2] == n and a.dtype.kind == "f"]
    if others and b.r.random() < 0.4:
        b.add("MatMul", [x, b.r.choice(others)])
    elif b.r.random() < 0.1:
        b.add("MatMul", [b.numbers(3, b.shape(x)[-2]), x])
    else:
        b.add(
            "MatMul",
            [x, b.numbers(*b.r.choice([(n, 4), (n, 1), (n,), (b.shape(x)[-3] if len(b.shape(x)) > 3 else 1, n, 3)]))],
        )


def _window(b: Builder, axes: int, pads: bool = True) -> dict[str, Any]:
    auto = b.r.choice([None, None, None, "SAME_UPPER", "SAME_LOWER", "VALID"])
    return {
        "kernel_shape": [b.r.randint(1, 3) for _ in range(axes)],
        "strides": b.r.choice([None, [b.r.randint(1, 3) for _ in range(axes)], [2] * axes]),
        "auto_pad": auto,
        "pads": [b.r.randint(0, 1) for _ in range(2 * axes)] if auto is None and pads and b.r.random() < 0.6 else None,
    }


def _dilations(b: Builder, axes: int) -> list[int] | None:
    return b.r.choice([None, None, [b.r.randint(1, 2) for _ in range(axes)]])


def conv(b: Builder) -> None:
    x = b.pick(3, 4, 5)
    channels, axes = b.shape(x)[1], len(b.shape(x)) - 2
    groups = b.r.choice([1, 1, channels, *(g for g in (2, 3) if channels % g == 0)])
    filters, window = groups * b.r.randint(1, 3), _window(b, axes)
    weight = b.numbers(filters, channels // groups, *window["kernel_shape"])
    window |= {"dilations": _dilations(b, axes), "group": b.r.choice([groups, groups if groups > 1 else None])}
    b.add("Conv", [x, weight, *b.r.choice([[], [b.numbers(filters)]])], **window)


def conv_transpose(b: Builder) -> None:
    x = b.pick(3, 4)
    channels, axes = b.shape(x)[1], len(b.shape(x)) - 2
    groups = b.r.choice([1, 1, channels])
    each, window = b.r.randint(1, 3), _window(b, axes)
    extra = [b.r.randint(0, 1) for _ in range(axes)] if b.r.random() < 0.3 else None
    window |= {"group": groups, "output_padding": extra, "dilations": _dilations(b, axes)}
    weight = b.numbers(channels, each, *window["kernel_shape"])
    b.add("ConvTranspose", [x, weight, *b.r.choice([[], [b.numbers(groups * each)]])], **window)


def batch_norm(b: Builder) -> None:
    x = b.pick(2, 3, 4)
    c = b.shape(x)[1]
    spread = b.keep(b.n.uniform(0.3, 2, c).astype(np.float32))
    b.add("BatchNormalization", [x, b.numbers(c), b.numbers(c), b.numbers(c), spread], epsilon=b.r.choice([None, 1e-3]))


def max_pool(b: Builder) -> None:
    x = b.pick(3, 4, 5)
    axes = len(b.shape(x)) - 2
    more = {"ceil_mode": b.r.choice([None, 0, 1]), "dilations": _dilations(b, axes)} if b.opset >= 10 else {}
    b.add("MaxPool", [x], results=b.r.choice([1, 1, 1, 1, 2]), **_window(b, axes), **more)


def average_pool(b: Builder) -> None:
    x = b.pick(3, 4, 5)
    axes = len(b.shape(x)) - 2
    more: dict[str, Any] = {"count_include_pad": b.r.choice([None, 0, 1])}
    more |= {"ceil_mode": b.r.choice([None, 0, 1])} if b.opset >= 10 else {}
    more |= {"dilations": _dilations(b, axes)} if b.opset >= 19 else {}
    b.add("AveragePool", [x], **_window(b, axes), **more)


def recurrent(kind: str, gates: int) -> Maker:
    def make(b: Builder) -> None:
        x = b.pick(3)
        width, hidden = b.shape(x)[2], b.r.randint(1, 4)
        direction = b.r.choice([None, "forward", "reverse", "bidirectional"])
        ways = 2 if direction == "bidirectional" else 1
        weights = [b.numbers(ways, gates * hidden, width), b.numbers(ways, gates * hidden, hidden)]
        bias = b.r.choice([[], [b.numbers(ways, 2 * gates * hidden)]])
        start = ["", b.keep(np.zeros((ways, b.shape(x)[1], hidden), np.float32))] if bias and b.r.random() < 0.2 else []
        more: dict[str, Any] = {"linear_before_reset": b.r.choice([1, 1, 0])} if kind == "GRU" else {}
        more |= {"layout": b.r.choice([0, 1])} if b.opset >= 14 and b.r.random() < 0.2 else {}
        acts = ["Relu"] * ways if kind == "RNN" and b.r.random() < 0.3 else None
        b.add(
            kind,
            [x, *weights, *bias, *start],
            results=b.r.choice([1, 2]),
            hidden_size=hidden,
            direction=direction,
            activations=acts,
            **more,
        )

    return make


# -- norms and maps ----------------------------------------------------------------------------------


def layer_norm(name: str) -> Maker:
    def make(b: Builder) -> None:
        x = b.pick(2, 3, 4)
        shape = b.shape(x)
        axis = b.r.choice([len(shape) - 1, b.r.randint(1, len(shape) - 1)])
        shift = [b.numbers(*shape[axis:])] if name == "LayerNormalization" and b.r.random() < 0.6 else []
        b.add(
            name,
            [x, b.numbers(*shape[axis:]), *shift],
            axis=b.r.choice([axis, axis - len(shape)]),
            epsilon=b.r.choice([None, 1e-3]),
        )

    return make


def group_norm(b: Builder) -> None:
    x = b.pick(3, 4)
    c = b.shape(x)[1]
    groups = b.r.choice([g for g in (1, 2, 3, c) if c % g == 0])
    n = groups if b.opset < 21 else c
    b.add("GroupNormalization", [x, b.numbers(n), b.numbers(n)], num_groups=groups, epsilon=b.r.choice([None, 1e-3]))


def instance_norm(b: Builder) -> None:
    x = b.pick(3, 4)
    c = b.shape(x)[1]
    b.add("InstanceNormalization", [x, b.numbers(c), b.numbers(c)], epsilon=b.r.choice([None, 1e-3]))


def response_norm(b: Builder) -> None:
    x = b.pick(3, 4)
    if np.abs(b.values[x]).max() > 3:  # onnxruntime's sums over neighbours cancel where values are large
        raise Unfit
    b.add("LRN", [x], size=b.r.choice([1, 3]), alpha=b.r.choice([None, 0.01]), beta=b.r.choice([None, 0.5]))


def resize(b: Builder) -> None:
    x = b.pick(3, 4)
    shape = b.shape(x)
    scales = [1.0, 1.0, *(b.r.choice([1.0, 2.0, 2.0, 3.0, 0.5, 1.5]) for _ in shape[2:])]
    mode = b.r.choice(["nearest", "linear", "linear", "cubic"] if b.opset >= 11 else ["nearest", "linear"])
    stored = b.keep(np.array(scales, np.float32))
    if b.opset == 10:
        b.add("Resize", [x, stored], mode=mode)
        return
    sizes = [int(n * s) for n, s in zip(shape, scales)]
    given = [x, "", stored] if b.r.random() < 0.6 else [x, "", "", b.integers(*sizes)]
    if b.opset < 13:
        given[1] = b.keep(np.array([], np.float32))
        given = [*given[:2], b.keep(np.array([], np.float32)), given[3]] if len(given) == 4 else given
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
    b.add("Resize", given, mode=mode, coordinate_transformation_mode=b.r.choice([None, *places]),
          nearest_mode=b.r.choice([None, *roundings]) if mode == "nearest" else None)  # fmt: skip


def upsample(b: Builder) -> None:
    x = b.pick(4)
    scales, mode = (
        [1.0, 1.0, *b.r.choice([[2.0, 2.0], [1.0, 2.0], [3.0, 2.0]])],
        b.r.choice([None, "nearest", "linear"]),
    )
    if b.opset < 9:
        b.add("Upsample", [x], scales=scales, mode=mode)
    else:
        b.add("Upsample", [x, b.keep(np.array(scales, np.float32))], mode=mode)


# -- levels ------------------------------------------------------------------------------------------


def fitting(b: Builder, x: str, zero: int) -> tuple[str, str]:
    """A scale and a zero point whose levels reach somewhat further than a value does, as calibration finds them."""
    kind = np.uint8 if zero == 128 or (b.values[x] >= 0).all() else np.int8
    reach = max(float(np.abs(b.values[x]).max()), 0.1) * 2
    side = 255 - zero if kind == np.uint8 and zero < 100 else 127 - zero % 128
    return b.keep(np.array(reach / side, np.float32)), b.keep(np.array(zero, kind))


def quantised(name: str) -> Maker:
    """An operator on levels, between QuantizeLinear and DequantizeLinear."""

    def make(b: Builder) -> None:
        x = b.pick(2, 3, 4)
        scale, zero = fitting(b, x, 128)
        q = b.add("QuantizeLinear", [x, scale, zero])[0]
        n = b.shape(x)
        weight_scale, weight_zero = b.keep(np.array(0.02, np.float32)), b.keep(np.array(0, np.int8))
        drawn = lambda *s: b.keep(b.n.integers(-60, 60, s).astype(np.int8))  # noqa: E731
        reach = max(float(np.abs(b.values[x]).max()), 0.1) * {"QLinearConv": 1.2 * n[1], "QLinearMatMul": 1.2 * n[-1],
                 "QLinearAdd": 3.0, "QLinearMul": 2.0 * float(np.abs(b.values[x]).max())}[name]  # fmt: skip
        result = [b.keep(np.array(reach / 127, np.float32)), b.keep(np.array(128, np.uint8))]
        if name == "QLinearConv":
            if len(n) != 4:
                raise Unfit
            y = b.add(name, [q, scale, zero, drawn(3, n[1], 1, 1), weight_scale, weight_zero, *result])[0]
        elif name == "QLinearMatMul":
            y = b.add(name, [q, scale, zero, drawn(n[-1], 3), weight_scale, weight_zero, *result])[0]
        else:
            y = b.add(name, [q, scale, zero, q, scale, zero, *result], domain="com.microsoft")[0]
        b.add("DequantizeLinear", [y, *result])

    return make
