# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that only the host computes: activations, norms at run time, maps that grow, joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from akc.frontends.graph.axis_matrices import emit_matrices, found_matrices
from akc.frontends.graph.graph import Array
from akc.frontends.onnx.reader import Handler, Reader
from akc.frontends.onnx.shapes import computed
from akc.ir.functions import Function, by_operator

# -- functions ---------------------------------------------------------------------------------------


def function(rows: tuple[Function, ...]) -> Handler:
    """The handler of an operator that computes one of these functions, depending on its attributes."""

    def handle(r: Reader, node: Any) -> None:
        given = r.attributes(node)
        row = next((row for row in rows if all(_is(given, key, value) for key, value in row.onnx_fixed.items())), None)
        if row is None:
            r.opaque(node, rows[0].users)
            return
        alpha: dict[str, Any] = (
            {} if row.alpha is None else {"alpha": float(str(np.float32(given.get("alpha", row.alpha))))}
        )
        r.emit(node, row.name, node.input[:1], **alpha)

    def _is(given: dict[str, Any], key: str, wanted: Any) -> bool:
        usual = rows[0].onnx_fixed.get(key, wanted)
        found = given.get(key, usual)
        return bool(np.isclose(found, wanted)) if isinstance(wanted, float) else found == wanted

    return handle


def selu(r: Reader, node: Any) -> None:
    """An ELU of its own alpha, times gamma; with the usual numbers it has a name."""
    a, usual = r.attributes(node), by_operator("onnx")["Selu"]
    if all(np.isclose(a.get(key, value), value) for key, value in usual[0].onnx_fixed.items()):
        function(usual)(r, node)
        return
    bent, type_ = f"{node.output[0]}:bent", r.graph.types[node.output[0]]
    r.graph.types[bent] = type_
    alpha, gamma = (a.get(key, usual[0].onnx_fixed[key]) for key in ("alpha", "gamma"))
    r.emit(node, "elu", node.input[:1], outputs=(bent,), alpha=float(str(np.float32(alpha))))
    r.emit(node, "affine", (bent,), {"scale": np.array(gamma), "shift": np.array(0.0)})


def hard_sigmoid(r: Reader, node: Any) -> None:
    """A line, cut at 0 and 1; with the usual offset it has a name."""
    a, usual = r.attributes(node), by_operator("onnx")["HardSigmoid"]
    if np.isclose(a.get("beta", 0.5), 0.5):
        function(usual)(r, node)
        return
    line = f"{node.output[0]}:line"
    r.graph.types[line] = r.graph.types[node.output[0]]
    constants = {"scale": np.array(a.get("alpha", 0.2)), "shift": np.array(a["beta"])}
    r.emit(node, "affine", node.input[:1], constants, (line,))
    r.emit(node, "clip", (line,), low=0.0, high=1.0)


def leaky_relu(r: Reader, node: Any) -> None:
    """One slope below 0."""
    slope = float(np.float32(r.attributes(node).get("alpha", 0.01)))
    r.emit(node, "leaky_relu", node.input[:1], slope=float(str(np.float32(slope))))


def prelu(r: Reader, node: Any) -> None:
    """Learned slopes, one or one a channel."""
    slope = r.constant(node, 1)
    rank = len(r.shape(node.input[0]))
    full = None if slope is None else slope.reshape((1,) * (rank - slope.ndim) + slope.shape)
    if slope is None or full is None or any(n != 1 for a, n in enumerate(full.shape) if a != 1):
        r.opaque(node, "PReLU")
    else:
        r.emit(node, "leaky_relu", node.input[:1], {"slope": r.view(slope, "flat", lambda s: s.reshape(-1))})


# -- norms -------------------------------------------------------------------------------------------


def axis_norm(kind: str, what: str) -> Handler:
    """A row for a norm over the axes from `axis` on."""

    def handle(r: Reader, node: Any) -> None:
        a, rank = r.attributes(node), len(r.shape(node.input[0]))
        constants = _scale_and_shift(r, node)
        if constants is None or any(name and r.is_read(name) for name in node.output[1:]):
            r.opaque(node, what)
            return
        axes = tuple(range(a.get("axis", -1) % rank, rank))
        r.emit(node, kind, node.input[:1], constants, node.output[:1], axes=axes, epsilon=_epsilon(a))

    return handle


def _epsilon(attributes: dict[str, Any]) -> float:
    return float(str(np.float32(attributes.get("epsilon", 1e-5))))


def _scale_and_shift(r: Reader, node: Any) -> dict[str, Array | None] | None:
    """Constants by role; None where one is computed."""
    found = {"scale": r.constant(node, 1), "shift": r.constant(node, 2)}
    computed = any(array is None and r.given(node, i) for i, array in enumerate(found.values(), 1))
    return None if computed else found


def group_norm(r: Reader, node: Any) -> None:
    """Scale and shift of each channel, or (before opset 21) of each group."""
    constants, groups = _scale_and_shift(r, node), r.attributes(node)["num_groups"]
    if constants is None:
        r.opaque(node, "GroupNorm")
        return
    channels = r.shape(node.input[0])[1]

    def spread(array: Array) -> Array:
        return array if len(array) == channels else np.repeat(array, channels // groups)

    spreads = {role: None if c is None else r.view(c, "spread", spread) for role, c in constants.items()}
    r.emit(node, "group_norm", node.input[:1], spreads, groups=groups, epsilon=_epsilon(r.attributes(node)))


def instance_norm(r: Reader, node: Any) -> None:
    """Scale and shift of each channel."""
    constants = _scale_and_shift(r, node)
    if constants is None:
        r.opaque(node, "InstanceNorm")
    else:
        r.emit(node, "instance_norm", node.input[:1], constants, epsilon=_epsilon(r.attributes(node)))


def local_response_norm(r: Reader, node: Any) -> None:
    """Over neighbouring channels."""
    a = r.attributes(node)
    usual = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    numbers: dict[str, Any] = {key: float(str(np.float32(a.get(key, value)))) for key, value in usual.items()}
    r.emit(node, "local_response_norm", node.input[:1], size=a["size"], **numbers)


# -- maps --------------------------------------------------------------------------------------------


def conv_transpose(r: Reader, node: Any) -> None:
    """Transposed convolution with stored weights; what the result lacks or has more is padding."""
    weight, bias, a = r.constant(node, 1), r.constant(node, 2), r.attributes(node)
    if weight is None or (r.given(node, 2) and bias is None):
        r.opaque(node, "transposed convolution")
        return
    axes = weight.ndim - 2
    stride, dilation = a.get("strides", [1] * axes), a.get("dilations", [1] * axes)
    before, after = _cut(r, node, a, weight.shape[2:], stride, dilation)
    r.emit(
        node,
        "conv_transpose",
        node.input[:1],
        {"weight": weight, "bias": bias},
        groups=a.get("group", 1),
        stride=tuple(stride),
        dilation=tuple(dilation),
        before=before,
        after=after,
    )


def _cut(
    r: Reader, node: Any, a: dict[str, Any], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Cells cut off before and after on each axis; fewer than none are added."""
    sizes, results = r.shape(node.input[0])[2:], r.graph.types[node.output[0]].shape[2:]
    extra = a.get("output_padding", [0] * len(kernel))
    whole = [(n - 1) * s + (k - 1) * d + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation)]
    auto = a.get("auto_pad", "NOTSET")
    if auto == "NOTSET" and "output_shape" not in a:
        before = tuple(a.get("pads", [0] * 2 * len(kernel))[: len(kernel)])
    else:
        totals = [w + e - n for w, e, n in zip(whole, extra, results)]
        before = tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals)
    return before, tuple(w - b - n for w, b, n in zip(whole, before, results))


ROUNDINGS = {"floor": "floor", "round_prefer_floor": "round_down", "round_prefer_ceil": "round_up"}
PLACES = {"half_pixel": "half_pixel", "pytorch_half_pixel": "half_pixel", "asymmetric": "asymmetric",
          "align_corners": "align_corners", "half_pixel_symmetric": "half_pixel"}  # fmt: skip


def resize(r: Reader, node: Any) -> None:
    """Resize to the nearest or linearly; the size after must be the size before times the scale, exactly."""
    a = r.attributes(node)
    before, after = r.shape(node.input[0]), r.graph.types[node.output[0]].shape
    older = node.op_type == "Upsample" or r.opset < 11
    scales = r.numbers(node, 1 if older else 2, "scales")
    exact = scales is None or not scales.size or np.allclose(np.multiply(before, scales), after, rtol=0, atol=1e-4)
    places = PLACES.get(a.get("coordinate_transformation_mode", "asymmetric" if older else "half_pixel"))
    rounding = ROUNDINGS.get(a.get("nearest_mode", "floor" if older else "round_prefer_floor"))
    mode = a.get("mode", "nearest")
    single = a.get("coordinate_transformation_mode") == "pytorch_half_pixel" and 1 in after[2:]
    odd = a.get("antialias") or a.get("exclude_outside") or a.get("keep_aspect_ratio_policy", "stretch") != "stretch"
    if not exact or places is None or rounding is None or mode not in ("nearest", "linear") or single or odd:
        _by_matrices(r, node)
    else:
        r.emit(node, "resize", node.input[:1], mode=mode, places=places, rounding=rounding)


def _by_matrices(r: Reader, node: Any) -> None:
    """Resizing that is a product with a matrix along each axis, as onnx computes it."""
    before, after = r.shape(node.input[0]), r.graph.types[node.output[0]].shape
    others = {name: r.constant(node, i) for i, name in enumerate(node.input) if i and name}
    if any(array is None for array in others.values()) or before[:2] != after[:2] or len(before) < 3:
        r.opaque(node, "upsampling")
        return

    def run(array: Array) -> Array:
        found = computed(r, node, {node.input[0]: array, **others})
        if found is None:
            raise NotImplementedError
        return found[0]

    try:
        matrices = found_matrices(before, run)
    except NotImplementedError:
        r.opaque(node, "upsampling")
    else:
        emit_matrices(r, node, r.value(node.input[0]), node.output[0], matrices)


HOST_ROWS: tuple[tuple[Handler, str], ...] = (
    *((function(rows), name) for name, rows in by_operator("onnx").items()),
    (selu, "Selu"),
    (hard_sigmoid, "HardSigmoid"),
    (leaky_relu, "LeakyRelu"),
    (prelu, "PRelu"),
    (axis_norm("layer_norm", "LayerNorm"), "LayerNormalization"),
    (axis_norm("rms_norm", "RMSNorm"), "RMSNormalization SimplifiedLayerNormalization"),
    (group_norm, "GroupNormalization"),
    (instance_norm, "InstanceNormalization"),
    (local_response_norm, "LRN"),
    (conv_transpose, "ConvTranspose"),
    (resize, "Resize Upsample"),
)
"""Rows of akc.frontends.onnx.table."""
