# SPDX-License-Identifier: Apache-2.0
"""aten layers: dense, convolutions, pools, batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from akc.base.diagnostics import Diagnostic
from akc.frontends.graph.axis_matrices import emit_matrices, window_means
from akc.frontends.graph.quantisers import unit_steps
from akc.frontends.graph.windows import adaptive_same_padding, no_padding
from akc.frontends.torch.reader import Handler, TorchReader


def for_all(values: Any, axes: int) -> tuple[int, ...]:
    """A number for each axis, from a list or one number."""
    listed = tuple(values) if isinstance(values, Sequence) else (values,)
    return tuple(int(v) for v in (listed * axes if len(listed) == 1 else listed))


def linear(r: TorchReader, node: Any, x: Any, weight: Any, bias: Any = None) -> None:
    """x @ weight.T + bias."""
    w = r.array(weight)
    if w is None or w.ndim != 2 or (bias is not None and r.array(bias) is None):
        r.opaque(node, "matrix product")
    else:
        step = unit_steps(r.steps(weight), w)
        r.emit(node, "dense", [r.name(x)], {"weight": w, "bias": r.array(bias), "weight_step": step})


def matmul(r: TorchReader, node: Any, x: Any, other: Any) -> None:
    """A product with a constant matrix is a dense layer."""
    w = r.array(other)
    if w is None or w.ndim != 2 or r.array(x) is not None:
        r.emit(node, "matmul", [r.name(x), r.name(other)])
    else:
        r.emit(node, "dense", [r.name(x)], {"weight": w.T, "weight_step": unit_steps(r.steps(other, True), w.T)})


def addmm(r: TorchReader, node: Any, bias: Any, x: Any, weight: Any, beta: float = 1, alpha: float = 1) -> None:
    """beta * bias + alpha * x @ weight."""
    w, v = r.array(weight), r.array(bias)
    if w is None or v is None or v.ndim > 1:
        r.opaque(node, "matrix product")
        return
    v = np.broadcast_to(v, (w.shape[1],))
    constants = {
        "weight": w.T if alpha == 1 else w.T * np.float32(alpha),
        "bias": v if beta == 1 else v * np.float32(beta),
        "weight_step": unit_steps(r.steps(weight, True), w.T) if alpha == 1 else None,
    }
    r.emit(node, "dense", [r.name(x)], constants)


def conv(
    r: TorchReader,
    node: Any,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> None:
    """conv1d, conv2d and conv3d; padding may be "same" or "valid"."""
    w = r.array(weight)
    if w is None or (bias is not None and r.array(bias) is None):
        r.opaque(node, "convolution with computed weights")
        return
    axes = w.ndim - 2
    if not _is_batched(r, node, x, axes):
        return
    stride, dilation = for_all(stride, axes), for_all(dilation, axes)
    if padding == "same":
        before, after = adaptive_same_padding(r.shape(x)[-axes:], w.shape[2:], (1,) * axes, dilation)
    elif padding == "valid":
        before, after = no_padding(axes)
    else:
        before = after = for_all(padding, axes)
    r.emit(
        node,
        "conv",
        [r.name(x)],
        {"weight": w, "bias": r.array(bias), "weight_step": unit_steps(r.steps(weight), w)},
        stride=stride,
        dilation=dilation,
        before=before,
        after=after,
        groups=groups,
    )


def convolution(
    r: TorchReader,
    node: Any,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *_: Any,
) -> None:
    """The general form, transposed or not."""
    if transposed:
        r.opaque(node, "transposed convolution")
    else:
        conv(r, node, x, weight, bias, stride, padding, dilation, groups)


def _is_batched(r: TorchReader, node: Any, x: Any, axes: int) -> bool:
    """Whether the operand of a spatial layer has a batch axis; PyTorch takes it without, too."""
    if len(r.shape(x)) == axes + 2:
        return True
    r.faults.append(
        Diagnostic(
            code="AKC0312",
            message=f"{r.wanted(node)} gets {'x'.join(map(str, r.shape(x)))}, which has no batch axis",
            origin=r.source(node),
            help="put one in front of the example: 1,3,32,32",
        )
    )
    return False


def pool(kind: str, axes: int) -> Handler:
    """A row for max_pool or avg_pool over so many axes."""

    def max_pool(
        r: TorchReader,
        node: Any,
        x: Any,
        size: Any,
        stride: Any = (),
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> None:
        pads = for_all(padding, axes)
        r.emit(
            node,
            kind,
            [r.name(x)],
            outputs=r.parts.get(node.name, (node.name,))[:1],
            size=for_all(size, axes),
            stride=for_all(stride or size, axes),
            before=pads,
            after=pads,
            dilation=for_all(dilation, axes),
            ceil_mode=ceil_mode,
        )

    def average_pool(
        r: TorchReader,
        node: Any,
        x: Any,
        size: Any,
        stride: Any = (),
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        if divisor_override is not None:
            r.opaque(node, "average pooling with its own divisor")
            return
        pads = for_all(padding, axes)
        r.emit(
            node,
            kind,
            [r.name(x)],
            size=for_all(size, axes),
            stride=for_all(stride or size, axes),
            before=pads,
            after=pads,
            dilation=(1,) * axes,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )

    return max_pool if kind == "max_pool" else average_pool


def adaptive_pool(kind: str, axes: int) -> Handler:
    """A row for adaptive pools; windows are equal where the output size divides the map."""

    def handle_pool(r: TorchReader, node: Any, x: Any, output_size: Any) -> None:
        sizes = r.shape(x)[-axes:]
        wanted = [n if w is None else w for n, w in zip(sizes, for_all(output_size, axes))]
        if any(n % w for n, w in zip(sizes, wanted)):
            _uneven_windows(r, node, x, kind, wanted)
            return
        window = tuple(n // w for n, w in zip(sizes, wanted))
        zeros = (0,) * axes
        r.emit(
            node,
            kind,
            [r.name(x)],
            outputs=r.parts.get(node.name, (node.name,))[:1],
            size=window,
            stride=window,
            before=zeros,
            after=zeros,
            dilation=(1,) * axes,
            ceil_mode=False,
            count_include_pad=True,
        )

    return handle_pool


def _uneven_windows(r: TorchReader, node: Any, x: Any, kind: str, wanted: Sequence[int]) -> None:
    """An adaptive pool axis by axis: averages as products with matrices, maxima each window by itself."""
    rank, output = len(r.shape(x)), r.parts.get(node.name, (node.name,))[0]
    axes = range(rank - len(wanted), rank)
    if kind == "average_pool":
        means = {axis: window_means(r.shape(x)[axis], count) for axis, count in zip(axes, wanted)}
        emit_matrices(r, node, r.name(x), output, means)
        return
    value = r.name(x)
    for axis, count in zip(axes, wanted):
        shape = list(r.graph.shape(value))
        shape[axis] = count
        whole = output if axis == rank - 1 else r.made(f"{output}:{axis}", node, tuple(shape))
        _largest_of_windows(r, node, value, axis, whole)
        value = whole


def _largest_of_windows(r: TorchReader, node: Any, value: str, axis: int, output: str) -> None:
    """The largest cell of each window along one axis, side by side."""
    shape, parts = r.graph.shape(value), []
    before, count, rank = shape[axis], r.graph.shape(output)[axis], len(shape)
    for i in range(count):
        begin, end = i * before // count, -(-(i + 1) * before // count)
        cut = r.made(f"{output}:{axis}_{i}_cells", node, (*shape[:axis], end - begin, *shape[axis + 1 :]))
        parts.append(r.made(f"{output}:{axis}_{i}", node, (*shape[:axis], 1, *shape[axis + 1 :])))
        start = tuple(begin if a == axis else 0 for a in range(rank))
        r.emit(node, "slice", [value], outputs=(cut,), axes=(axis,), start=start, step=(1,) * rank)
        r.emit(node, "reduce_max", [cut], outputs=(parts[-1],), axes=(axis,), keep=True)
    r.emit(node, "concat", parts, outputs=(output,), axis=axis)


def batch_norm(
    r: TorchReader, node: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool = False, *rest: Any
) -> None:
    """Batch normalisation with stored statistics; without gamma and beta they are 1 and 0."""
    m, v = r.array(mean), r.array(var)
    if training or m is None or v is None:
        r.opaque(node, "BatchNorm in training mode")
        return
    epsilon = next(float(number) for number in rest[1:] if isinstance(number, float))
    scale = r.array(weight) if weight is not None else np.ones_like(m)
    shift = r.array(bias) if bias is not None else np.zeros_like(m)
    r.emit(
        node,
        "batch_norm",
        [r.name(x)],
        {"scale": scale, "shift": shift, "mean": m, "variance": v},
        outputs=r.parts.get(node.name, (node.name,))[:1],
        epsilon=float(np.float32(epsilon)),
    )
