# SPDX-License-Identifier: Apache-2.0
"""The four Akida layers in torch: the same integers as akc.sim.integer, faster.

Products of 4-bit levels and 4-bit weights run as int8 with int32 sums; others in float32 or float64,
whichever holds every partial sum as a whole number. Convolutions are unrolled into one product, since
faster algorithms for them (Winograd) round. Where no number can leave 24 bits the level is one float32
division, rounded up, which is exact there (docs/akd1000/arithmetic.md); elsewhere numpy finishes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from akc.ir.module import Module, Op
from akc.ir.ops import akida
from akc.sim import integer
from akc.sim.integer import LayerNumbers
from akc.sim.registry import Array, Kernel, Prepare
from akc.sim.windows import in_chunks

if TYPE_CHECKING:
    from torch import Tensor

Product = Callable[["Tensor"], "Tensor"]

INT8_LIMIT = 15
"""Factors up to this size give exact sums on every int8 unit, also on those whose pair sums saturate at 16 bits."""


def _tensor(array: Array) -> Tensor:
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _product(weights: Array, bound: int, largest_input: int) -> Product:
    """x [rows, inputs] (uint8) times weights [filters, inputs]: whole numbers in a float tensor [rows, filters]."""
    import torch

    kind = torch.float32 if integer.exact_float(bound) == np.float32 else torch.float64
    matrix = _tensor(np.ascontiguousarray(weights.T))
    # A private name of torch: where a version lacks it, the float product below gives the same integers.
    multiply: Any = getattr(torch, "_int_mm", None)
    fits = largest_input <= INT8_LIMIT and np.abs(weights.astype(np.int16)).max(initial=0) <= INT8_LIMIT
    if multiply is not None and fits:
        narrow = matrix.to(torch.int8)
        # Rows of unrolled windows may share their bytes, which this product does not expect.
        return lambda rows: multiply(rows.contiguous().view(torch.int8), narrow).to(kind)
    wide = matrix.to(kind)
    return lambda rows: rows.to(kind) @ wide


def _finisher(op: akida.Layer, numbers: LayerNumbers, bound: int) -> Callable[[Tensor], Array]:
    """From pooled potentials to the layer's result; `bound` is the largest of them."""
    import torch

    def potentials_out(potentials: Tensor) -> Array:
        whole: Array = potentials.to(torch.int64).numpy()
        return whole.astype(np.int32)

    def exact_levels(potentials: Tensor) -> Array:
        return integer.activate(potentials.to(torch.int64).numpy(), numbers)

    threshold = _tensor(numbers.threshold.astype(np.float32))
    step = _tensor((numbers.steps / numbers.levels).astype(np.float32))
    top = numbers.levels - 1

    def float_levels(potentials: Tensor) -> Array:
        levels = potentials.to(torch.float32).sub_(threshold).div_(step).ceil_().clamp_(0, top)
        result: Array = levels.to(torch.uint8).numpy()
        return result

    if not op.activation:
        return potentials_out
    return float_levels if integer.float_levels_are_exact(numbers, bound) else exact_levels


def _clip20(potentials: Tensor) -> Tensor:
    return potentials.clamp_(integer.POTENTIAL_MIN, integer.POTENTIAL_MAX)


def _fully_connected(op: akida.FullyConnected, module: Module) -> Kernel:
    numbers = integer.layer_numbers(op, module)
    product = _product(module.array(op.weights), numbers.bound, integer.largest_input(op, module))
    finish = _finisher(op, numbers, min(numbers.bound, -integer.POTENTIAL_MIN))
    clips = numbers.bound >= integer.POTENTIAL_MAX

    def kernel(x: Array) -> Array:
        potentials = product(_tensor(x).view(len(x), -1))
        return finish(_clip20(potentials) if clips else potentials).reshape(len(x), 1, 1, -1)

    return kernel


def _unrolled(x: Tensor, size: tuple[int, int], stride: tuple[int, ...]) -> Tensor:
    """Every window as a view [n, out0, out1, size0, size1, channels]."""
    return x.unfold(1, size[0], stride[0]).unfold(2, size[1], stride[1]).permute(0, 1, 2, 4, 5, 3)


def _padded(op: akida._Spatial, x: Array, size: tuple[int, int]) -> Tensor:
    return _tensor(integer.pad_input(op, x, size, getattr(op, "padding_value", 0)))


def _convolutional(op: akida.InputConvolutional | akida.Convolutional, module: Module) -> Kernel:
    numbers = integer.layer_numbers(op, module)
    weights = module.array(op.weights)
    size = (weights.shape[1], weights.shape[2])
    product = _product(weights.reshape(len(weights), -1), numbers.bound, integer.largest_input(op, module))
    end = _pool_and_finish(op, numbers)

    def kernel(x: Array) -> Array:
        view = _unrolled(_padded(op, x, size), size, op.stride)
        n, d0, d1 = view.shape[:3]
        return end(product(view.reshape(n * d0 * d1, -1)).view(n, d0, d1, -1))

    return in_chunks(kernel, integer.unrolled_bytes(op, module, size, 2))


def _separable(op: akida.SeparableConvolutional, module: Module) -> Kernel:
    import torch

    numbers = integer.layer_numbers(op, module)
    kind = torch.float32 if integer.exact_float(numbers.bound) == np.float32 else torch.float64
    depthwise = _tensor(module.array(op.weights)).to(kind)
    matrix = _tensor(module.array(op.pointwise)).to(kind).t().contiguous()
    size = (depthwise.shape[1], depthwise.shape[2])
    end = _pool_and_finish(op, numbers)

    def kernel(x: Array) -> Array:
        view = _unrolled(_padded(op, x, size).to(kind), size, op.stride)
        sums = view.new_zeros((*view.shape[:3], view.shape[5]))
        for u in range(size[0]):
            for v in range(size[1]):
                sums.addcmul_(view[:, :, :, u, v], depthwise[:, u, v])
        return end(sums.double() @ matrix.double() if _products_are_cut() else sums @ matrix)

    return in_chunks(kernel, integer.unrolled_bytes(op, module, (1, 1), 16))


def _products_are_cut() -> bool:
    """Whether torch was told to cut the factors of float32 products to as few as 8 bits.

    Levels, pixels and weights fit 8 bits; depthwise sums do not.
    """
    import torch

    try:
        return torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:  # set for some backends only
        return True


# -- pooling ---------------------------------------------------------------------------------------


def _pool_and_finish(op: akida._Spatial, numbers: LayerNumbers) -> Callable[[Tensor], Array]:
    if not integer.pools(op):
        return _finisher(op, numbers, numbers.bound)
    finish = _finisher(op, numbers, integer.pooled_bound(op, numbers.bound))
    pool = _max_pool if op.pool == "max" else _sum_pool
    return lambda potentials: finish(pool(op, potentials, numbers.bound))


def _max_pool(op: akida._Spatial, potentials: Tensor, bound: int) -> Tensor:
    import torch.nn.functional as functional

    sizes = (potentials.shape[1], potentials.shape[2])
    before, after = integer.spatial_padding(op, sizes, op.pool_size, op.pool_stride)
    channels_first = potentials.permute(0, 3, 1, 2)
    around = functional.pad(channels_first, (before[1], after[1], before[0], after[0]), value=float("-inf"))
    return _clip20(functional.max_pool2d(around, op.pool_size, op.pool_stride).permute(0, 2, 3, 1))


def _sum_pool(op: akida._Spatial, potentials: Tensor, bound: int) -> Tensor:
    """One sum where nothing can saturate, else numpy's cell by cell."""
    if bound * potentials.shape[1] * potentials.shape[2] < integer.POTENTIAL_MAX:
        return potentials.sum(dim=(1, 2), keepdim=True)
    return _tensor(integer.sum_pool(op, potentials.numpy()))


TORCH_RULES: dict[type[Op], Prepare] = {
    akida.FullyConnected: _fully_connected,
    akida.InputConvolutional: _convolutional,
    akida.Convolutional: _convolutional,
    akida.SeparableConvolutional: _separable,
}
