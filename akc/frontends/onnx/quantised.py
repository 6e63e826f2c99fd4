# SPDX-License-Identifier: Apache-2.0
"""Quantisers in ONNX files: QuantizeLinear and DequantizeLinear with Clip between them, and those of QONNX.

Operators: https://onnx.ai/onnx/operators/ and
https://github.com/fastmachinelearning/qonnx/tree/main/docs/qonnx-custom-ops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from akc.frontends.graph.graph import FLOATS, Array, scalar
from akc.frontends.graph.quantisers import levels_attributes
from akc.frontends.onnx.reader import Handler, Reader

QONNX = ("qonnx.custom_op.general", "onnx.brevitas", "qonnx.custom_op.channels_last")
"""Domains of the operators of QONNX."""

WHAT = "quantization in the file"

ENDS: dict[str, tuple[int, int]] = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "u")
    for bits in (2, 4, 8, 16)
}
"""Smallest and largest number of the element types that stand for a value's levels."""

KEEPS_LEVELS = frozenset(
    {
        *("Clip", "MaxPool", "GlobalMaxPool", "Pad", "Concat", "Split", "Slice", "Gather", "Expand", "Tile"),
        *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "DepthToSpace", "SpaceToDepth"),
        *("Identity", "Dropout"),
    }
)
"""Operators that move levels, or choose among them, and so do the same to the values."""


# -- QuantizeLinear, Clip, DequantizeLinear -----------------------------------------------------------


def quantize(r: Reader, node: Any) -> None:
    """Levels of a value. The result stands for the rounded value, and is noted as its levels.

    DequantizeLinear is the way back.
    """
    scale, zero_point = scalar(r.constant(node, 1)), scalar(r.constant(node, 2))
    dtype, value = r.graph.types[node.output[0]].dtype, r.value(node.input[0])
    outputs = {v.name for v in r.model.graph.output}
    known = scale is not None and np.isfinite(scale) and scale > 0 and dtype in ENDS
    if scale is None or not known or node.output[0] in outputs or (zero_point is None and r.given(node, 2)):
        r.opaque(node, WHAT)
        return
    zero = int(zero_point or 0)
    r.levels[node.output[0]] = scale, zero, dtype
    r.graph.types[node.output[0]] = r.graph.types[value]
    r.emit(node, "levels", (value,), **levels_attributes(scale, zero, ENDS[dtype], "even", False))


def clip_levels(r: Reader, node: Any) -> None:
    """Clip of levels, on integers: fewer of them."""
    scale, zero, dtype = r.levels[node.input[0]]
    ends = [scalar(r.numbers(node, i, key)) for i, key in ((1, "min"), (2, "max"))]
    if any(end is None and r.given(node, i) for i, end in enumerate(ends, 1)):
        r.opaque(node, WHAT)
        return
    low, high = (int(own if end is None else end) for end, own in zip(ends, ENDS[dtype]))
    low, high = max(low, ENDS[dtype][0]), min(high, ENDS[dtype][1])
    if low >= high:
        r.opaque(node, WHAT)
        return
    r.emit(node, "levels", node.input[:1], **levels_attributes(scale, zero, (low, high), "even", False))


def dequantize(r: Reader, node: Any) -> None:
    """The way back: the value that the levels stand for; bytes that come in are scaled."""
    scale, zero_point = r.constant(node, 1), r.constant(node, 2)
    number, zero = scalar(scale), int(scalar(zero_point) or 0)
    dtype = r.graph.types[r.value(node.input[0])].dtype
    if r.levels.get(node.input[0], (None,))[:2] == (number, zero):
        r.aliases[node.output[0]] = r.value(node.input[0])
    elif node.input[0] not in r.levels and number is not None and dtype in ("uint8", "int8"):
        floats = f"{node.output[0]}:cast"
        r.graph.types[floats] = r.graph.types[node.output[0]]
        r.emit(node, "cast", node.input[:1], outputs=(floats,))
        r.emit(node, "affine", (floats,), {"scale": np.array(number), "shift": np.array(-zero * number)})
    else:
        r.opaque(node, WHAT)


# -- QONNX -------------------------------------------------------------------------------------------

ROUNDINGS: dict[str, tuple[str, bool]] = {
    "ROUND": ("even", False),
    "HALF_EVEN": ("even", False),
    "FLOOR": ("down", False),
    "CEIL": ("up", False),
    "UP": ("up", True),
    "DOWN": ("down", True),
    "HALF_UP": ("upper", True),
    "HALF_DOWN": ("lower", True),
}
"""Words of nn.levels for those of QONNX; those marked are away from 0 or towards it, so alike above 0 only."""


def quant(r: Reader, node: Any) -> None:
    """Quant, also called IntQuant: a value rounded to levels; raises no fault for what the chip has not."""
    found = _quant_numbers(r, node)
    scale = None if found is None else scalar(found[0])
    zero = None if found is None else scalar(found[1])
    if found is None or scale is None or zero is None or not scale > 0 or zero != int(zero):
        r.opaque(node, WHAT)
        return
    ends, (word, symmetric) = found[2], ROUNDINGS.get(found[3], ("", False))
    if not word or (symmetric and (ends[0] < 0 or zero)) or ends[0] >= ends[1]:
        r.opaque(node, WHAT)
        return
    r.emit(node, "levels", node.input[:1], **levels_attributes(scale, int(zero), ends, word, True))


def _quant_numbers(r: Reader, node: Any) -> tuple[Array, Array, tuple[int, int], str] | None:
    """Scale, zero point, smallest and largest stored number, and rounding; None where they are not stored."""
    scale, zero, bits = (r.constant(node, i) for i in (1, 2, 3))
    width, a = scalar(bits), r.attributes(node)
    if scale is None or zero is None or width is None or not 1 <= width <= 16 or width != int(width):
        return None
    signed, narrow, count = bool(a.get("signed", 1)), bool(a.get("narrow", 0)), int(width)
    low = -(2 ** (count - 1)) + narrow if signed else 0
    high = 2 ** (count - 1) - 1 if signed else 2**count - 1 - narrow
    return scale, zero, (low, high), str(a.get("rounding_mode", "ROUND")).upper()


def bipolar(r: Reader, node: Any) -> None:
    """BipolarQuant: scale where a value is 0 or more, else -scale."""
    scale = scalar(r.constant(node, 1))
    if scale is None or not scale > 0:
        r.opaque(node, WHAT)
        return
    r.emit(node, "levels", node.input[:1], low=-scale, high=scale, scale=2 * scale, rounding="upper")


QONNX_HANDLERS: dict[str, Handler] = {"Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar}


def quantised_constant(r: Reader, node: Any) -> list[Array] | None:
    """Quant or BipolarQuant of a stored weight: the numbers that it stands for; None where they cannot be found."""
    x, scale = r.constant(node, 0), r.constant(node, 1)
    if x is None or scale is None:
        return None
    if node.op_type == "BipolarQuant":
        return [np.asarray(np.where(x >= 0, np.float32(1), np.float32(-1)) * scale, np.float32)]
    found = _quant_numbers(r, node) if node.op_type in ("Quant", "IntQuant") else None
    if found is None or found[3] not in ("ROUND", "HALF_EVEN", "FLOOR", "CEIL"):
        return None
    rounding = {"FLOOR": np.floor, "CEIL": np.ceil}.get(found[3], np.rint)
    stored = rounding(np.clip(x / scale + found[1], *found[2]))
    return [np.asarray((stored - found[1]) * scale, np.float32)]


# -- stored weights ----------------------------------------------------------------------------------


def dequantized(levels: Array, scale: Array, zero: Array | None = None, axis: int = 1) -> Array:
    """Stored integers as floats, with a scale and a zero point for all or for each index of an axis."""
    centred: Array = levels.astype(np.int64 if levels.dtype.kind in "iu" else np.float64)
    if zero is not None:
        centred = centred - _spread(zero.astype(centred.dtype), levels.ndim, axis)
    return np.asarray(centred.astype(np.float32) * _spread(scale.astype(np.float32), levels.ndim, axis))


def _spread(numbers: Array, rank: int, axis: int) -> Array:
    """One number, or a vector along an axis, in a shape that broadcasts against an array of this rank."""
    if numbers.size == 1:
        return numbers.reshape(())
    shape = [1] * rank
    shape[axis % rank] = numbers.size
    return numbers.reshape(shape)


LAYOUT = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")


def note_steps(r: Reader, node: Any, inputs: dict[str, Any]) -> None:
    """Note the scale of each number of a constant that a node has just made of whole numbers."""
    result, arrays = r.graph.constants[node.output[0]], list(inputs.values())
    if node.op_type == "DequantizeLinear" and arrays[1].size in (1, result.shape[_axis(r, node, result)]):
        scale = _spread(arrays[1].astype(np.float32), result.ndim, _axis(r, node, result))
    elif node.domain in QONNX:
        scale = arrays[1].astype(np.float32)
    elif node.op_type == "Cast" and arrays[0].dtype.kind in "iu" and result.dtype.name in FLOATS:
        scale = np.ones((), np.float32)
    elif node.op_type in LAYOUT and r.value(node.input[0]) in r.graph.steps:
        scale = _moved(r, node, r.graph.steps[r.value(node.input[0])], result)
    else:
        return
    if scale.size == 1 or scale.ndim == result.ndim:
        r.graph.steps[node.output[0]] = np.broadcast_to(scale.reshape(()) if scale.size == 1 else scale, result.shape)


def _axis(r: Reader, node: Any, result: Array) -> int:
    return int(r.attributes(node).get("axis", 1)) % max(result.ndim, 1) if result.ndim else 0


def _moved(r: Reader, node: Any, steps: Array, result: Array) -> Array:
    """The scales where a layout operator puts the numbers."""
    if node.op_type == "Transpose":
        return steps.transpose(r.attributes(node).get("perm", range(steps.ndim)[::-1]))
    return steps.reshape(result.shape)
