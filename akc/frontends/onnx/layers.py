# SPDX-License-Identifier: Apache-2.0
"""ONNX layers: dense, convolutions, pools, batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.frontends.graph.graph import Array
from akc.frontends.graph.quantisers import unit_steps
from akc.frontends.graph.windows import adaptive_same_padding, no_padding
from akc.frontends.onnx.reader import Handler, Reader


def gemm(r: Reader, node: Any) -> None:
    """alpha * A @ B + beta * C with constant B."""
    a = r.attributes(node)
    weight, bias, steps = r.constant(node, 1), r.constant(node, 2), r.steps(node, 1)
    if weight is None or (r.given(node, 2) and bias is None) or a.get("transA", 0):
        r.opaque(node, "matrix product")
        return
    if not a.get("transB", 0):
        weight, steps = r.view(weight, "T", lambda w: w.T), None if steps is None else steps.T
    alpha, beta, units = a.get("alpha", 1.0), a.get("beta", 1.0), weight.shape[0]
    if alpha != 1.0:
        weight, steps = r.view(weight, f"times {alpha}", lambda w: w * np.float32(alpha)), None
    if bias is not None:
        bias = r.view(bias, f"{units} times {beta}", lambda c: _bias_vector(c, units, beta))
    step = unit_steps(steps, weight)
    r.emit(node, "dense", node.input[:1], {"weight": weight, "bias": bias, "weight_step": step})


def _bias_vector(array: Array, units: int, factor: float) -> Array:
    """The C of a Gemm, which may be one number, a vector or a matrix of one row, for each unit."""
    vector = np.broadcast_to(array.reshape(-1), (units,))
    return vector if factor == 1.0 else vector * np.float32(factor)


def matmul(r: Reader, node: Any) -> None:
    """x @ W with a constant matrix is a dense layer; a product of two computed values is recognised later."""
    weight = r.constant(node, 1)
    if weight is not None and weight.ndim == 1:
        column, shape = f"{node.output[0]}:column", (*r.shape(node.input[0])[:-1], 1)
        r.graph.types[column] = evolve(r.graph.types[node.output[0]], shape=shape)
        r.emit(node, "dense", node.input[:1], {"weight": r.view(weight, "row", lambda w: w[None])}, (column,))
        r.emit(node, "reshape", (column,))
    elif weight is None or weight.ndim != 2:
        r.emit(node, "matmul")
    else:
        steps = r.steps(node, 1)
        step = None if steps is None else unit_steps(steps.T, weight.T)
        r.emit(node, "dense", node.input[:1], {"weight": r.view(weight, "T", lambda w: w.T), "weight_step": step})


def _window(r: Reader, node: Any, kernel: tuple[int, ...]) -> dict[str, Any]:
    """Stride, dilation and padding of a convolution or pool, one number an axis."""
    a, n = r.attributes(node), len(kernel)
    stride, dilation = tuple(a.get("strides", (1,) * n)), tuple(a.get("dilations", (1,) * n))
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = r.shape(node.input[0])[2:]
        before, after = adaptive_same_padding(sizes, kernel, stride, dilation, upper=auto == "SAME_UPPER")
    elif auto == "VALID":
        before, after = no_padding(n)
    else:
        pads = tuple(a.get("pads", (0,) * 2 * n))
        before, after = pads[:n], pads[n:]
    return {"stride": stride, "dilation": dilation, "before": before, "after": after}


def conv(r: Reader, node: Any) -> None:
    """Convolution with stored weights."""
    weight, bias = r.constant(node, 1), r.constant(node, 2)
    if weight is None:
        r.opaque(node, "convolution with computed weights")
        return
    window = _window(r, node, weight.shape[2:])
    r.emit(
        node,
        "conv",
        node.input[:1],
        {"weight": weight, "bias": bias, "weight_step": unit_steps(r.steps(node, 1), weight)},
        groups=r.attributes(node).get("group", 1),
        **window,
    )


def pool(kind: str) -> Handler:
    """A row for MaxPool or AveragePool."""

    def handle(r: Reader, node: Any) -> None:
        a = r.attributes(node)
        size = tuple(a["kernel_shape"])
        r.emit(
            node,
            kind,
            node.input[:1],
            outputs=node.output[:1],
            size=size,
            ceil_mode=bool(a.get("ceil_mode", 0)),
            count_include_pad=bool(a.get("count_include_pad", 0)),
            **_window(r, node, size),
        )

    return handle


def global_pool(kind: str) -> Handler:
    """A row for a pool over the whole map."""

    def handle(r: Reader, node: Any) -> None:
        size = r.shape(node.input[0])[2:]
        ones, zeros = (1,) * len(size), (0,) * len(size)
        r.emit(
            node,
            kind,
            size=size,
            stride=ones,
            before=zeros,
            after=zeros,
            dilation=ones,
            ceil_mode=False,
            count_include_pad=True,
        )

    return handle


def batch_norm(r: Reader, node: Any) -> None:
    """Batch normalisation with stored statistics."""
    roles = dict(zip(("scale", "shift", "mean", "variance"), (r.constant(node, i) for i in range(1, 5))))
    if any(array is None for array in roles.values()) or r.attributes(node).get("training_mode", 0):
        r.opaque(node, "BatchNorm in training mode")
    else:
        r.emit(
            node,
            "batch_norm",
            node.input[:1],
            roles,
            node.output[:1],
            epsilon=float(np.float32(r.attributes(node).get("epsilon", 1e-5))),
        )
