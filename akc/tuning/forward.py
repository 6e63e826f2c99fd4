# SPDX-License-Identifier: Apache-2.0
"""Chip layers and what stands between them in PyTorch: the simulator's integers forwards, straight-through backwards.

Every function gives exactly what akc.sim gives, in float tensors. A number that is rounded is written as the rounded
one plus a difference that is 0 and carries the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from akc.ir.module import Module, Op
from akc.ir.ops import akida, host, nn, nn_host
from akc.ir.types import TensorType
from akc.sim.integer import POTENTIAL_MAX, POTENTIAL_MIN, pools, spatial_padding

Tensor = Any


def through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The first tensor's numbers with the second one's gradient."""
    return exact.detach() + (smooth - smooth.detach())


def rounded(x: Tensor) -> Tensor:
    """The nearest whole number, halves to even; its gradient is 1."""
    import torch

    return through(torch.round(x.detach()), x)


def clipped(x: Tensor, low: float, high: float) -> Tensor:
    """x cut to a range; its gradient is 1 everywhere."""
    import torch

    return through(torch.clamp(x.detach(), low, high), x)


def staircase(z: Tensor, top: int) -> Tensor:
    """clip(ceil(z), 0, top); its gradient is 1 where the staircase's own middle line rises, from -1/2 to top - 1/2."""
    import torch

    exact = torch.clamp(torch.ceil(z.detach()), 0, top)
    inside = ((z.detach() > -0.5) & (z.detach() < top - 0.5)).to(z.dtype)
    return through(exact, z * inside)


# -- potentials --------------------------------------------------------------------------------------


def potentials(op: akida.Layer, x: Tensor, weights: Tensor, pointwise: Tensor | None, bound: int) -> Tensor:
    """Potentials of a layer, pooled and cut as the chip does; x: levels [n, d0, d1, channels]."""
    if isinstance(op, akida.FullyConnected):
        sums = rounded(x.reshape(len(x), -1) @ weights.T)
        return _cut(sums, bound).reshape(len(x), 1, 1, -1)
    assert isinstance(op, akida._Spatial)
    sums = rounded(_convolved(op, x, weights, pointwise))
    return _pooled(op, sums, bound).permute(0, 2, 3, 1)


def _cut(sums: Tensor, bound: int) -> Tensor:
    return sums if bound <= POTENTIAL_MAX else clipped(sums, POTENTIAL_MIN, POTENTIAL_MAX)


def _convolved(op: akida._Spatial, x: Tensor, weights: Tensor, pointwise: Tensor | None) -> Tensor:
    """Sums [n, filters, d0, d1]."""
    from torch.nn import functional

    kernel = tuple(weights.shape[1:3])
    before, after = spatial_padding(op, (x.shape[1], x.shape[2]), kernel, op.stride)
    sides = (before[1], after[1], before[0], after[0])
    wide = functional.pad(x.permute(0, 3, 1, 2), sides, value=float(getattr(op, "padding_value", 0)))
    if pointwise is None:
        return functional.conv2d(wide, weights.permute(0, 3, 1, 2), stride=op.stride)
    inner = functional.conv2d(wide, weights[:, None], stride=op.stride, groups=len(weights))
    return functional.conv2d(rounded(inner), pointwise[:, :, None, None])


def _pooled(op: akida._Spatial, sums: Tensor, bound: int) -> Tensor:
    from torch.nn import functional

    if not pools(op):
        return sums
    if op.pool == "max":
        before, after = spatial_padding(op, tuple(sums.shape[2:]), op.pool_size, op.pool_stride)
        wide = functional.pad(sums, (before[1], after[1], before[0], after[0]), value=float("-inf"))
        return _cut(functional.max_pool2d(wide, op.pool_size, op.pool_stride), bound)
    cells = sums.flatten(2)
    if float(cells.detach().abs().sum(dim=2).max()) <= POTENTIAL_MAX:
        return cells.sum(dim=2)[:, :, None, None]
    total = cells[:, :, 0] * 0
    for cell in range(cells.shape[2]):
        total = clipped(total + cells[:, :, cell], POTENTIAL_MIN, POTENTIAL_MAX)
    return total[:, :, None, None]


# -- what the host does ------------------------------------------------------------------------------

Rule = Callable[[Any, Module, list[Tensor]], Tensor]


def constant(module: Module, value: Any) -> Any:
    """A number, or the vector of a weight, as a float32 tensor."""
    import torch

    found = module.array(value) if isinstance(value, str) else value
    return torch.from_numpy(np.array(found, np.float32))


def _quantize(op: host.Quantize, module: Module, operands: list[Tensor]) -> Tensor:
    levels = rounded(operands[0] / constant(module, op.scale)) + float(op.zero_point)
    return clipped_inside(levels, 0.0, float(2**op.bits - 1)).reshape(len(levels), *op.type.shape)


def clipped_inside(x: Tensor, low: float, high: float) -> Tensor:
    """x cut to a range, without gradient outside."""
    import torch

    return torch.clamp(x, low, high)


def _dequantize(op: host.Dequantize, module: Module, operands: list[Tensor]) -> Tensor:
    x = (operands[0] - float(op.zero_point)) * constant(module, op.scale)
    return x.reshape(len(x), *op.type.shape)


def _join(op: Any, module: Module, operands: list[Tensor]) -> Tensor:
    import torch

    names = {"sub": "subtract", "mul": "multiply", "div": "divide"}
    word = op.mnemonic.removeprefix("nn.")
    rank = len(op.type.shape) + 1
    x, y = (a.reshape(len(a), *(1,) * (rank - a.ndim), *a.shape[1:]) for a in operands)
    return getattr(torch, names.get(word, word))(x, y)


def _concat(op: nn_host.Concat, module: Module, operands: list[Tensor]) -> Tensor:
    import torch

    return torch.cat(operands, dim=op.axis + 1 if op.axis >= 0 else op.axis)


def _elementwise(name: str) -> Rule:
    def rule(op: Op, module: Module, operands: list[Tensor]) -> Tensor:
        import torch

        return getattr(torch, name)(operands[0])

    return rule


def _along(name: str) -> Rule:
    def rule(op: Any, module: Module, operands: list[Tensor]) -> Tensor:
        import torch

        return getattr(torch, name)(operands[0], dim=op.axis + 1 if op.axis >= 0 else op.axis)

    return rule


RULES: dict[type[Op], Rule] = {
    host.Quantize: _quantize,
    host.Dequantize: _dequantize,
    host.Add: lambda op, module, operands: operands[0] + operands[1],
    nn.Reshape: lambda op, module, operands: operands[0].reshape(len(operands[0]), *op.shape),
    nn.Permute: lambda op, module, operands: operands[0].permute(0, *(a + 1 for a in op.order)),
    nn.Affine: lambda op, module, operands: operands[0] * constant(module, op.scale) + constant(module, op.shift),
    nn.Relu: _elementwise("relu"),
    nn.Sigmoid: _elementwise("sigmoid"),
    nn.Softmax: _along("softmax"),
    nn.LogSoftmax: _along("log_softmax"),
    nn.Mean: lambda op, module, operands: operands[0].mean(dim=tuple(a + 1 for a in op.axes)),
    nn_host.Concat: _concat,
}
"""What the host computes behind a layer of the chip, by the class of the operation; joins have _join."""

OVER_TIME: dict[type[Op], Callable[[Any, Tensor], Tensor]] = {
    host.Sum: lambda op, x: x.sum(dim=1),
    host.Mean: lambda op, x: x.mean(dim=1),
    host.Max: lambda op, x: x.amax(dim=1),
    host.Last: lambda op, x: x[:, -1],
    host.Frames: lambda op, x: x,
}
"""What takes the time axis away; x: [batch, steps, ...]."""


def rule_of(op: Op) -> Rule | None:
    """How an operation is computed in torch; None where it is not."""
    if isinstance(op, nn_host._Join):
        return _join
    return RULES.get(type(op))


def folded(x: Tensor, kind: TensorType) -> tuple[Tensor, tuple[int, ...]]:
    """A value with its time axis folded into the batch, and the axes that come back in its place."""
    if kind.steps is None:
        return x, (len(x),)
    return x.reshape(-1, *x.shape[2:]), (len(x), kind.steps)
