# SPDX-License-Identifier: Apache-2.0
"""aten operators that only the host computes: activations, norms at run time, maps that grow, joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from akc.frontends.graph.axis_matrices import emit_matrices, found_matrices
from akc.frontends.graph.graph import Array
from akc.frontends.torch.layers import for_all
from akc.frontends.torch.reader import Handler, TorchReader
from akc.ir.functions import Function, by_operator

# -- functions ---------------------------------------------------------------------------------------


def function(rows: tuple[Function, ...]) -> Handler:
    """The handler of an operator that computes one of these functions, depending on its arguments."""

    def handle(r: TorchReader, node: Any, x: Any, *_: Any, **__: Any) -> None:
        given = bound(node)
        row = next((row for row in rows if all(given.get(key) == value for key, value in row.aten_fixed.items())), None)
        if row is None:
            r.opaque(node, rows[0].users)
            return
        number: Any = row.aten_alpha if isinstance(row.aten_alpha, float) else given.get(row.aten_alpha)
        alpha: dict[str, Any] = {} if row.alpha is None else {"alpha": float(number)}
        r.emit(node, row.name, [r.name(x)], **alpha)

    return handle


def bound(node: Any) -> dict[str, Any]:
    """The arguments of a call by name, defaults included."""
    names = [(a.name, a.default_value) for a in node.target._schema.arguments]
    return {**dict(names), **dict(zip((name for name, _ in names), node.args)), **node.kwargs}


def leaky_relu(r: TorchReader, node: Any, x: Any, slope: float = 0.01) -> None:
    """One slope below 0."""
    r.emit(node, "leaky_relu", [r.name(x)], slope=float(str(np.float32(slope))))


def prelu(r: TorchReader, node: Any, x: Any, slope: Any) -> None:
    """Learned slopes, one or one a channel."""
    array = r.array(slope)
    if array is None:
        r.opaque(node, "PReLU")
    else:
        r.emit(node, "leaky_relu", [r.name(x)], {"slope": array})


def glu(r: TorchReader, node: Any, x: Any, axis: int = -1) -> None:
    """One half of an axis, times the sigmoid of the other half."""
    shape = r.shape(x)
    half = list(shape)
    half[axis] //= 2
    first, second, gate = (r.made(f"{node.name}:{part}", node, tuple(half)) for part in ("x", "y", "gate"))
    r.emit(node, "split", [r.name(x)], outputs=(first, second), axis=axis)
    r.emit(node, "sigmoid", [second], outputs=(gate,))
    r.emit(node, "mul", [first, gate])


# -- norms -------------------------------------------------------------------------------------------


def layer_norm(
    r: TorchReader, node: Any, x: Any, shape: Sequence[int], weight: Any = None, bias: Any = None,
    epsilon: float = 1e-5, *_: Any,
) -> None:  # fmt: skip
    """Over the last axes."""
    _axis_norm(r, node, "layer_norm", x, len(shape), {"scale": weight, "shift": bias}, epsilon)


def rms_norm(
    r: TorchReader, node: Any, x: Any, shape: Sequence[int], weight: Any = None, epsilon: float | None = None
) -> None:
    """Over the last axes, without a mean."""
    tiny = float(np.finfo(np.float32).eps)
    _axis_norm(r, node, "rms_norm", x, len(shape), {"scale": weight}, tiny if epsilon is None else epsilon)


def _axis_norm(
    r: TorchReader, node: Any, kind: str, x: Any, count: int, vectors: dict[str, Any], epsilon: float
) -> None:
    rank = len(r.shape(x))
    arrays = {role: r.array(given) for role, given in vectors.items()}
    outputs = r.parts.get(node.name, (node.name,))[:1]
    axes = tuple(range(rank - count, rank))
    r.emit(node, kind, [r.name(x)], arrays, outputs, axes=axes, epsilon=_short(epsilon))


def _short(number: float) -> float:
    return float(str(np.float32(number)))


def group_norm(
    r: TorchReader, node: Any, x: Any, groups: int, weight: Any = None, bias: Any = None, epsilon: float = 1e-5,
    *_: Any,
) -> None:  # fmt: skip
    """Over groups of channels."""
    arrays = {"scale": r.array(weight), "shift": r.array(bias)}
    outputs = r.parts.get(node.name, (node.name,))[:1]
    r.emit(node, "group_norm", [r.name(x)], arrays, outputs, groups=groups, epsilon=_short(epsilon))


def native_group_norm(
    r: TorchReader, node: Any, x: Any, weight: Any, bias: Any, batch: int, channels: int, cells: int, groups: int,
    epsilon: float,
) -> None:  # fmt: skip
    """The same with its sizes written out."""
    group_norm(r, node, x, groups, weight, bias, epsilon)


def instance_norm(
    r: TorchReader, node: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, own: bool, momentum: float,
    epsilon: float, *_: Any,
) -> None:  # fmt: skip
    """Over each map; with stored statistics it is batch normalisation, which nobody trains on purpose."""
    if not own:
        r.opaque(node, "InstanceNorm")
        return
    arrays = {"scale": r.array(weight), "shift": r.array(bias)}
    r.emit(node, "instance_norm", [r.name(x)], arrays, epsilon=_short(epsilon))


# -- maps --------------------------------------------------------------------------------------------


def conv_transpose(
    r: TorchReader, node: Any, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> None:  # fmt: skip
    """Transposed convolution with stored weights."""
    w = r.array(weight)
    if w is None or (bias is not None and r.array(bias) is None):
        r.opaque(node, "transposed convolution")
        return
    axes = w.ndim - 2
    pads, extra = for_all(padding, axes), for_all(output_padding, axes)
    r.emit(
        node,
        "conv_transpose",
        [r.name(x)],
        {"weight": w, "bias": r.array(bias)},
        groups=groups,
        stride=for_all(stride, axes),
        dilation=for_all(dilation, axes),
        before=pads,
        after=tuple(p - e for p, e in zip(pads, extra)),
    )


def upsample(mode: str, corners: bool = False) -> Handler:
    """A row for nearest or linear upsampling; the size after must be the size before times the scale, exactly.

    corners: whether the operator says if corners are aligned.
    """

    def handle(r: TorchReader, node: Any, x: Any, size: Any, *rest: Any) -> None:
        before, after = r.shape(x)[2:], r.graph.types[node.name].shape[2:]
        scales = [s for given in rest[corners:] for s in (given if isinstance(given, list | tuple) else [given])]
        exact = all(abs(n * s - m) < 1e-4 for n, m, s in zip(before, after, scales) if s is not None)
        aligned = bool(corners and rest and rest[0])
        if not exact:
            by_matrices(r, node, x)
            return
        places = "align_corners" if aligned else "asymmetric" if mode == "nearest" else "half_pixel"
        r.emit(node, "resize", [r.name(x)], mode=mode, places=places, rounding="floor")

    return handle


def by_matrices(r: TorchReader, node: Any, x: Any, *_: Any) -> None:
    """Enlarging that is a product with a matrix along each axis: cubic, smoothed, or by another factor than it says."""
    import torch

    def run(array: Array) -> Array:
        given = [torch.from_numpy(array) if argument is x else argument for argument in node.args]
        return np.asarray(node.target(*given, **node.kwargs).numpy())

    emit_matrices(r, node, r.name(x), node.name, found_matrices(r.shape(x), run))


# -- joins -------------------------------------------------------------------------------------------


def extreme(kind: str, otherwise: Handler) -> Handler:
    """A row for maximum or minimum of two computed values; with a constant it is a clamp."""

    def handle(r: TorchReader, node: Any, x: Any, y: Any) -> None:
        if hasattr(y, "name") and r.array(y) is None and r.array(x) is None:
            r.emit(node, kind, [r.name(x), r.name(y)])
        else:
            otherwise(r, node, x, y)

    return handle


def stack(r: TorchReader, node: Any, values: Sequence[Any], axis: int = 0) -> None:
    """Values side by side along a new axis."""
    shape = r.graph.types[node.name].shape
    axis %= len(shape)
    parts = []
    for index, value in enumerate(values):
        name = r.made(f"{node.name}:{index}", node, (*shape[:axis], 1, *shape[axis + 1 :]))
        r.emit(node, "reshape", [r.name(value)], outputs=(name,), added=(axis,))
        parts.append(name)
    r.emit(node, "concat", parts, axis=axis)


def attention(
    r: TorchReader, node: Any, query: Any, key: Any, value: Any, mask: Any = None, dropout: float = 0.0,
    causal: bool = False, scale: float | None = None, **options: Any,
) -> None:  # fmt: skip
    """softmax(scale * query @ key.T + mask) @ value, with a stored mask or none."""
    q, k = r.shape(query), r.shape(key)
    hidden = _hidden(r, mask, causal, (q[-2], k[-2]))
    odd = dropout or any(options.values()) or (mask is not None and hidden is None)
    if odd or len(q) != len(k) or q[:-2] != k[:-2]:
        r.opaque(node, "attention")
        return
    rank, factor = len(q), np.float32(q[-1] ** -0.5 if scale is None else scale)
    turned = r.made(f"{node.name}:key", node, (*k[:-2], k[-1], k[-2]))
    products, scores, masked, shares = (
        r.made(f"{node.name}:{part}", node, (*q[:-1], k[-2])) for part in ("products", "scores", "masked", "shares")
    )
    r.emit(node, "transpose", [r.name(key)], outputs=(turned,), order=(*range(rank - 2), rank - 1, rank - 2))
    r.emit(node, "matmul", [r.name(query), turned], outputs=(products,))
    r.emit(node, "mul", [products, r.operand(float(factor), node)], outputs=(scores,))
    if hidden is not None:
        name = f"{node.name}:mask"
        r.graph.constants[name] = hidden
        r.emit(node, "add", [scores, name], outputs=(masked,))
    r.emit(node, "softmax", [scores if hidden is None else masked], outputs=(shares,), axis=rank - 1)
    r.emit(node, "matmul", [shares, r.name(value)])


def _hidden(r: TorchReader, mask: Any, causal: bool, shape: tuple[int, int]) -> Any:
    """What is added to the scores: minus infinity where a key is hidden; None without a stored mask."""
    if causal:
        return np.triu(np.full(shape, -np.inf, np.float32), 1)
    array = r.array(mask)
    if array is None or array.dtype.kind != "b":
        return array
    return np.where(array, np.float32(0), np.float32(-np.inf))


HOST_ROWS: tuple[tuple[Handler, str], ...] = (
    *((function(rows), name) for name, rows in by_operator("aten").items()),
    (leaky_relu, "leaky_relu"),
    (prelu, "prelu prelu_kernel"),
    (glu, "glu"),
    (layer_norm, "layer_norm native_layer_norm"),
    (rms_norm, "rms_norm"),
    (group_norm, "group_norm"),
    (native_group_norm, "native_group_norm"),
    (instance_norm, "instance_norm"),
    (conv_transpose, "conv_transpose1d conv_transpose2d"),
    (upsample("nearest"), "upsample_nearest1d upsample_nearest2d"),
    (upsample("linear", corners=True), "upsample_linear1d upsample_bilinear2d"),
    (by_matrices, "upsample_bicubic2d upsample_bicubic2d_aa upsample_bilinear2d_aa upsample_nearest_exact1d"),
    (by_matrices, "upsample_nearest_exact2d"),
    (attention, "scaled_dot_product_attention"),
    (stack, "stack"),
)
"""Rows of akc.frontends.torch.table."""
