# SPDX-License-Identifier: Apache-2.0
"""Where the windows of a float network lie on the chip's maps.

The chip pads every convolution and pool with padding=same, so its maps may be larger than the float
network's: the float map is a part of the chip's, from cell `offset` on, and what lies around it is not used.
A kernel may stand anywhere in a larger one of zeros, which moves the float map on the chip's.
`solve` looks for offsets and kernel sizes with which every layer reads exactly what it should.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from attrs import evolve, frozen

from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group, Segment, without_pool
from akc.passes.shared.rewriting.geometry import image_plan
from akc.sim.windows import same_padding
from akc.targets import Numbers


def common_stride(conv: nn.Conv) -> int | None:
    """The stride of both axes, where one with a single output may have any; None where they differ."""
    strides = {s for s, n in zip(conv.stride, conv.type.shape) if n > 1}
    return strides.pop() if len(strides) == 1 else None if strides else 1


@frozen
class Axis:
    """One axis of a map: `size` cells in the float network, from `offset` on among the chip's `chip` cells."""

    size: int
    chip: int
    offset: int = 0

    @property
    def whole(self) -> bool:
        """Whether both are the same."""
        return self.size == self.chip


Map = tuple[Axis, Axis]


@frozen
class Fit:
    """What one group becomes.

    kernel, stride: of the chip's layer; shift: where its own kernel stands in that one, on each axis;
    before: its input map; inner: the map between core and pool; after: its result.
    """

    kernel: int
    stride: int
    shift: tuple[int, int]
    before: Map
    inner: Map
    after: Map


def solve(segment: Segment, module: Module, chip: Numbers) -> tuple[Fit | None, ...] | None:
    """A fit for each group (None for the image layer and for dense layers), or None if there is none.

    Small kernels are tried first. A last map that is larger than the float network's is for the host to cut, where
    there is no way to the very one.
    """
    searches = (_Search(segment.groups, module, chip, cut) for cut in (False, True))
    return next((found for search in searches if (found := search.fits(0, _start(segment, module))) is not None), None)


def _start(segment: Segment, module: Module) -> tuple[Axis, ...]:
    shape = module.net.types[segment.source].shape
    return tuple(Axis(n, n) for n in shape[:2]) if len(shape) == 3 else ()


def obstacle(segment: Segment, module: Module, chip: Numbers) -> Group | None:
    """The group that no way of putting the ones in front leads past; None where there is a way."""
    search = _Search(segment.groups, module, chip, cut=True)
    if search.fits(0, _start(segment, module)) is not None:
        return None
    return segment.groups[min(search.furthest, len(segment.groups) - 1)]


def solvable_parts(segment: Segment, module: Module, chip: Numbers) -> Iterator[Segment]:
    """The longest runs of a segment that have a way each, where the host may run what lies between them."""
    stuck = obstacle(segment, module, chip)
    if stuck is None:
        yield segment
        return
    at, shorter = segment.groups.index(stuck), without_pool(stuck)
    if shorter is not None:
        front = evolve(segment, groups=(*segment.groups[:at], shorter))
        if solve(front, module, chip) is not None:
            yield front
            if rest := segment.groups[at + 1 :]:
                yield from solvable_parts(Segment(source=rest[0].ops[0].operands[0], groups=rest), module, chip)
            return
    runs = (segment.groups[:at], segment.groups[at:]) if at else (segment.groups[1:],)
    for groups in runs:
        if groups:
            yield from solvable_parts(Segment(source=groups[0].ops[0].operands[0], groups=groups), module, chip)


class _Search:
    """Depth-first, with the positions remembered from which there is no way on. cut: whether the host cuts the end."""

    def __init__(self, groups: tuple[Group, ...], module: Module, chip: Numbers, cut: bool) -> None:
        self.groups, self.module, self.chip, self.cut = groups, module, chip, cut
        self.dead: set[tuple[int, tuple[Axis, ...]]] = set()
        self.furthest = 0

    def fits(self, index: int, before: tuple[Axis, ...]) -> tuple[Fit | None, ...] | None:
        """Fits for the groups from `index` on, whose input is this map."""
        self.furthest = max(self.furthest, index)
        if index == len(self.groups):
            return () if self.cut or all(axis.whole for axis in before) else None
        if (index, before) in self.dead:
            return None
        for fit, after in self.options(index, before):
            rest = self.fits(index + 1, after)
            if rest is not None:
                return (fit, *rest)
        self.dead.add((index, before))
        return None

    def options(self, index: int, before: tuple[Axis, ...]) -> Iterator[tuple[Fit | None, tuple[Axis, ...]]]:
        group = self.groups[index]
        if isinstance(group.core, nn.Dense):
            yield None, ()
        elif index == 0 and image_plan(group, self.module, self.chip) is not None:
            yield None, tuple(Axis(n, n) for n in group.last.type.shape[:2]) if len(group.last.type.shape) == 3 else ()
        elif len(before) == 2:
            yield from self.spatial(group, group.core, (before[0], before[1]))

    def spatial(self, group: Group, conv: nn.Conv, before: Map) -> Iterator[tuple[Fit, tuple[Axis, ...]]]:
        """All ways to put one convolution and its pool onto the chip."""
        own = self.module.weights[conv.weight].type.shape[1:3]
        stride = common_stride(conv)
        if stride is None or conv.dilation != (1, 1):
            return
        smallest = self.chip.smallest(group.depthwise)
        for kernel in self.chip.kernels.get(stride, ()):
            if kernel < max(*own, smallest):
                continue
            ways = [list(_convolved(before[a], conv, a, own[a], kernel, stride)) for a in (0, 1)]
            for (shift0, inner0), (shift1, inner1) in product(*ways):
                inner = (inner0, inner1)
                after = _pooled(group, inner)
                if after is None:
                    continue
                mean = isinstance(group.pool, nn.Mean)
                yield Fit(kernel, stride, (shift0, shift1), before, inner, after), () if mean else after


def _convolved(x: Axis, conv: nn.Conv, a: int, own: int, kernel: int, stride: int) -> Iterator[tuple[int, Axis]]:
    """Shifts of the kernel on one axis, and the result's axis, for a chip kernel of this size.

    Output i reads float cells stride * i - pad + t, t < own; the chip's output j reads its cells
    stride * j - border + u, u < kernel. Cells outside the float map are zeros, so they must lie outside the
    chip's map too.
    """
    pad, outputs = conv.pad[a], conv.type.shape[a]
    if not _zeros_are_zeros(x, -pad, stride * (outputs - 1) - pad + own):
        return
    border, _ = same_padding(x.chip, kernel, stride)
    chip = -(-x.chip // stride)
    for offset in range(chip - outputs + 1):
        shift = x.offset - pad + border - stride * offset
        if 0 <= shift <= kernel - own:
            yield shift, Axis(outputs, chip, offset)


def _zeros_are_zeros(x: Axis, first: int, end: int) -> bool:
    """Whether reading float cells first:end finds nothing but zeros outside of the float map."""
    return (first >= 0 or x.offset == 0) and (end <= x.size or x.offset + x.size == x.chip)


def _pooled(group: Group, inner: Map) -> Map | None:
    """The map behind a group's pool; None where windows do not meet."""
    pool = group.pool
    if pool is None:
        return inner
    if isinstance(pool, nn.Mean):
        return inner if all(axis.whole for axis in inner) else None
    axes = [_pooled_axis(inner[a], pool, a) for a in (0, 1)]
    return None if axes[0] is None or axes[1] is None else (axes[0], axes[1])


def _pooled_axis(x: Axis, pool: nn.MaxPool, a: int) -> Axis | None:
    stride, pad, size, outputs = pool.stride[a], pool.pad[a], pool.size[a], pool.type.shape[a]
    border, _ = same_padding(x.chip, size, stride)
    offset, remainder = divmod(x.offset - pad + border, stride)
    chip = -(-x.chip // stride)
    if remainder or offset < 0 or offset + outputs > chip:
        return None
    if not _zeros_are_zeros(x, -pad, stride * (outputs - 1) - pad + size):
        return None
    return Axis(outputs, chip, offset)


def is_idle(fit: Fit, conv: nn.Conv, module: Module) -> bool:
    """Whether a fit is what the convolution is already."""
    own = module.weights[conv.weight].type.shape[1:3]
    return own == (fit.kernel, fit.kernel) and all(axis.whole for axis in (*fit.before, *fit.inner, *fit.after))
