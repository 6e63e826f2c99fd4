# SPDX-License-Identifier: Apache-2.0
"""Quantisers in exported programs: fake quantisation, those of quantized_decomposed (PT2E), and akc's own operator.

Signatures: https://pytorch.org/docs/stable/generated/torch.fake_quantize_per_tensor_affine.html and
torch/ao/quantization/fx/_decomposed.py of PyTorch 2.13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from akc.frontends.graph.graph import Array, scalar
from akc.frontends.graph.quantisers import levels_attributes
from akc.frontends.torch.reader import TorchReader

WHAT = "quantization in the module"


def _number(r: TorchReader, argument: Any) -> float | None:
    """A scale or zero point that is a number, or a tensor of one that is known."""
    if isinstance(argument, int | float):
        return float(argument)
    return scalar(r.array(argument))


def fake_quantize(r: TorchReader, node: Any, x: Any, scale: Any, zero: Any, *rest: Any) -> None:
    """A value rounded to levels, as floats; the last two arguments are the smallest and largest stored number."""
    step, offset, ends = _number(r, scale), _number(r, zero), [a for a in rest if isinstance(a, int)][-2:]
    if step is None or offset is None or not (np.isfinite(step) and step > 0) or len(ends) != 2:
        r.opaque(node, WHAT)
        return
    r.emit(node, "levels", [r.name(x)], **levels_attributes(step, offset, (ends[0], ends[1]), "even", False))


def quantize(
    r: TorchReader, node: Any, x: Any, scale: Any, zero: Any, low: int, high: int, dtype: Any = None, **_: Any
) -> None:
    """The first half of a pair: the result stands for the rounded value."""
    fake_quantize(r, node, x, scale, zero, low, high)
    r.graph.types[node.name] = r.graph.types.get(r.name(x), r.graph.types[node.name])


def dequantize(r: TorchReader, node: Any, x: Any, scale: Any, zero: Any, *_: Any, **__: Any) -> None:
    """The second half: the rounded value itself, where the pair has one scale and zero point."""
    maker = r.graph.producers().get(r.name(x))
    step, offset = _number(r, scale), _number(r, zero)
    fits = maker is not None and maker.kind in ("levels", "max_pool", "reshape", "transpose", "relu")
    if step is None or offset is None or not fits:
        r.opaque(node, WHAT)
    else:
        r.aliases[node.name] = r.name(x)


def levels(r: TorchReader, node: Any, x: Any, low: float, high: float, scale: float, rounding: str) -> None:
    """akc.levels, which modules of other libraries are given in place of their quantisers."""
    r.emit(node, "levels", [r.name(x)], low=low, high=high, scale=scale, rounding=rounding)


FAKE = ("fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine")
PAIRED = ("dequantize_per_tensor", "dequantize_per_channel")
MOVED = (
    "permute",
    "transpose",
    "t",
    "view",
    "reshape",
    "clone",
    "contiguous",
    "detach",
    "alias",
    "unsqueeze",
    "squeeze",
)


def note_steps(r: TorchReader, node: Any, name: str) -> None:
    """Note the scale of each number of a constant that a node has just made of whole numbers."""
    result = r.graph.constants[node.name]
    if name.startswith(FAKE + PAIRED):
        scale = r.array(node.args[1]) if hasattr(node.args[1], "name") else np.array(node.args[1], np.float32)
        axis = next((a for a in node.args[3:] if isinstance(a, int)), 0) if "per_channel" in name else 0
        if scale is not None:
            r.graph.steps[node.name] = np.broadcast_to(_along(scale.astype(np.float32), result, axis), result.shape)
    elif name in MOVED and node.all_input_nodes and r.name(node.args[0]) in r.graph.steps:
        r.graph.steps[node.name] = _moved(r, node, result)


def _along(scale: Array, result: Array, axis: int) -> Array:
    if scale.size == 1:
        return scale.reshape(())
    shape = [1] * result.ndim
    shape[axis % result.ndim] = scale.size
    return scale.reshape(shape)


def _moved(r: TorchReader, node: Any, result: Array) -> Array:
    """The scales where a layout operator puts the numbers."""
    import torch

    def plain(argument: Any) -> Any:
        return torch.from_numpy(np.array(r.graph.steps[r.name(argument)]))

    moved = node.target(plain(node.args[0]), *node.args[1:], **node.kwargs)
    return np.asarray(moved.numpy()).reshape(result.shape)
