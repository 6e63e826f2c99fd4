# SPDX-License-Identifier: Apache-2.0
"""How the chip's padding compares with a float layer's."""

from __future__ import annotations

from attrs import frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group
from akc.sim.windows import same_padding
from akc.targets import ImageNumbers, Numbers

Sides = tuple[int, ...]
"""Cells before d0, before d1, after d0, after d1."""

NO_SIDES = (0, 0, 0, 0)


def same_sides(sizes: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> Sides:
    """The border that padding=same puts around d0 and d1; the odd cell comes after."""
    (b0, a0), (b1, a1) = (same_padding(n, k, s) for n, k, s in zip(sizes[:2], window, stride))
    return b0, b1, a0, a1


def is_same(conv: nn.Conv, module: Module) -> bool:
    """Whether a convolution pads as the chip's padding=same does."""
    kernel = module.weights[conv.weight].type.shape[1:3]
    return conv.pad == same_sides(module.net.types[conv.x].shape, kernel, conv.stride)


def pools_same(pool: nn.MaxPool, module: Module) -> bool:
    """Whether a max pool gives what pooling with padding=same gives: ceil(n / stride) outputs, no shift."""
    x = module.net.types[pool.x].shape
    sides = same_sides(x, pool.size, pool.stride)
    outputs = tuple(-(-n // s) for n, s in zip(x[:2], pool.stride))
    return pool.pad[:2] == sides[:2] and pool.type.shape[:2] == outputs


def pools_valid(pool: nn.MaxPool, module: Module) -> bool:
    """Whether a max pool takes whole windows only, from the first cell on."""
    x = module.net.types[pool.x].shape
    outputs = tuple((n - k) // s + 1 for n, k, s in zip(x[:2], pool.size, pool.stride))
    return not any(pool.pad) and pool.type.shape[:2] == outputs


@frozen(kw_only=True)
class ImagePlan:
    """How a group goes into the image layer.

    padding: same or valid; border: what lies outside the image, in the units of the value that is
    quantised; absorbed: the pad op that the layer's own padding replaces, or None.
    """

    padding: str
    border: float = 0.0
    absorbed: nn.Pad | None = None


def image_plan(group: Group, module: Module, chip: Numbers) -> ImagePlan | None:
    """How the image layer takes a group whose input is pixels; None where it cannot, or where there is none."""
    conv, image = group.core, chip.image
    if image is None or not isinstance(conv, nn.Conv) or not _suits(group, conv, module, image):
        return None
    before = module.net.producer(conv.x)
    kernel = module.weights[conv.weight].type.shape[1:3]
    plans: list[ImagePlan] = []
    if isinstance(before, nn.Pad) and conv.pad == NO_SIDES:
        sides = same_sides(module.net.types[before.x].shape, kernel, conv.stride)
        plans += [ImagePlan(padding="same", border=before.value, absorbed=before)] if before.pad == sides else []
    plans += [ImagePlan(padding="same")] if is_same(conv, module) else []
    plans += [ImagePlan(padding="valid")] if conv.pad == NO_SIDES else []
    return next((p for p in plans if _fits(p, group, conv, module, image)), None)


def _suits(group: Group, conv: nn.Conv, module: Module, image: ImageNumbers) -> bool:
    """Kernel, channels, filters and stride are ones that the image layer has."""
    filters, k0, k1, channels = module.weights[conv.weight].type.shape
    return (
        k0 == k1
        and filters <= image.filters.get((channels, k0), 0)
        and conv.groups == 1
        and conv.dilation == (1, 1)
        and all(s in image.strides for s in conv.stride)
        and group.activation is not None
        and not isinstance(group.pool, nn.Mean)
    )


def _fits(plan: ImagePlan, group: Group, conv: nn.Conv, module: Module, image: ImageNumbers) -> bool:
    """The image is large enough, and the pool rounds as the padding does."""
    x = plan.absorbed.x if plan.absorbed is not None else conv.x
    d0, d1, _ = module.net.types[x].shape
    kernel = module.weights[conv.weight].type.shape[1]
    pool = group.pool
    least = max(image.smallest, kernel)
    enough = d0 >= least and least <= d1 <= image.widest
    if plan.padding == "valid":
        enough &= d1 >= kernel + conv.stride[1]
    if not isinstance(pool, nn.MaxPool):
        return enough
    rounds = pools_same(pool, module) if plan.padding == "same" else pools_valid(pool, module)
    sizes = pool.size == pool.stride and all(n in image.pools for n in pool.size)
    return enough and rounds and sizes and pool.type.shape[1] >= image.pooled
