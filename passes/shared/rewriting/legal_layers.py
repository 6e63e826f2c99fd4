# SPDX-License-Identifier: Apache-2.0
"""Which groups of float ops the chip can take as a layer; every rule is a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.rewriting.chains import Group, Segment
from akc.passes.shared.rewriting.geometry import image_plan, is_same, pools_same
from akc.passes.shared.rewriting.windows import common_stride, obstacle
from akc.targets import Numbers


@frozen
class Place:
    """A group, the one behind it, and the chip."""

    group: Group
    module: Module
    follower: Group | None
    chip: Numbers

    @property
    def kernel(self) -> tuple[int, ...]:
        """Kernel of the core, (1, 1) for a dense layer."""
        core = self.group.core
        return self.module.weights[core.weight].type.shape[1:3] if isinstance(core, nn.Conv) else (1, 1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of what the core reads."""
        return self.module.net.types[self.group.core.x].shape


@frozen(kw_only=True)
class GroupRule:
    """A limit on one group: `broken` gives the words for what was found, or None.

    blamed: which op of the group is at fault; help: {largest} and {strided} are the chip's largest kernels with
    stride 1 and 2, {far} is what two layers of the largest kernel see, {pool} its largest pool.
    """

    code: str
    broken: Callable[[Place], str | None]
    help: str
    blamed: Callable[[Group], Op | None] = lambda group: group.core


def _conv(place: Place) -> nn.Conv | None:
    return place.group.core if isinstance(place.group.core, nn.Conv) else None


def _kernel(place: Place) -> str | None:
    k0, k1 = place.kernel
    known = place.chip.separable_kernels if place.group.depthwise else place.chip.kernels[1]
    fits = k0 == k1 and k0 in known
    kind = "depthwise" if place.group.depthwise else "convolution"
    return None if fits else f"the {k0}x{k1} {kind} kernel is {_none_of(known)}"


def _none_of(kernels: tuple[int, ...]) -> str:
    """In words, that a kernel is none of these sizes."""
    low, high = min(kernels), max(kernels)
    if low % 2 and low < high and kernels == tuple(range(low, high + 1, 2)):
        return f"not square and odd from {low}x{low} to {high}x{high}"
    return f"not {' or '.join(f'{k}x{k}' for k in kernels)}"


def _groups(place: Place) -> str | None:
    conv = _conv(place)
    if conv is None or conv.groups == 1:
        return None
    shape = place.module.weights[conv.weight].type.shape
    if shape[3] != 1 or shape[0] != conv.groups:
        return f"{conv.groups} groups of {shape[3]} channels for {shape[0]} filters"
    return None if place.group.pointwise is not None else "a depthwise convolution without a 1x1 convolution behind it"


def _dilation(place: Place) -> str | None:
    conv = _conv(place)
    return None if conv is None or conv.dilation == (1, 1) else f"dilation {list(conv.dilation)}"


def _stride(place: Place) -> str | None:
    conv = _conv(place)
    if conv is None or conv.stride == (1, 1):
        return None
    sizes = {(k, k) for k in place.chip.kernels.get(common_stride(conv) or 0, ())}
    if conv.stride[0] == conv.stride[1] and place.kernel in sizes:
        return None
    return f"stride {list(conv.stride)} with a {place.kernel[0]}x{place.kernel[1]} kernel"


def _border(place: Place) -> str | None:
    conv = _conv(place)
    if conv is None or conv.dilation != (1, 1) or not all(k % 2 for k in place.kernel) or _stride(place):
        return None
    if is_same(conv, place.module):
        return None
    return f"a border of {list(conv.pad)} around {place.input_shape[0]}x{place.input_shape[1]} cells"


def _odd_pool(pool: nn.MaxPool, chip: Numbers) -> bool:
    """Whether a max pool is one of no size that the chip has, or moves by other than one cell or its own size."""
    square = pool.size[0] == pool.size[1] in set(chip.pools) - {1}
    return not square or pool.stride not in ((1, 1), pool.size)


def _max_pool(place: Place) -> str | None:
    pool = place.group.pool
    if not isinstance(pool, nn.MaxPool):
        return None
    x = place.module.net.types[pool.x].shape
    size = f"a {pool.size[0]}x{pool.size[1]} max pool with stride {list(pool.stride)}"
    if x[0] == 1 == pool.size[0]:
        size = f"a max pool of {pool.size[1]} cells with stride {pool.stride[1]}"
    if _odd_pool(pool, place.chip):
        return size
    return None if pools_same(pool, place.module) else f"{size} that leaves out a border of {x[0]}x{x[1]} cells"


def _pool_follower(place: Place) -> str | None:
    if not isinstance(place.group.pool, nn.MaxPool) or (place.follower and isinstance(place.follower.core, nn.Conv)):
        return None
    return "a max pool in front of a dense layer" if place.follower else "a max pool at the end"


def _average(place: Place) -> str | None:
    if not isinstance(place.group.pool, nn.Mean):
        return None
    x = place.module.net.types[place.group.pool.x].shape
    fewest, most = place.chip.average
    fits = place.input_shape[0] <= most and x[1] >= fewest
    return None if fits else f"a global average over {x[0]}x{x[1]} cells; d0 is at most {most}, d1 at least {fewest}"


def _rectified(place: Place) -> str | None:
    activation = place.group.activation
    lifted = isinstance(activation, nn.Clip) and activation.low != 0
    if isinstance(activation, nn.Clip) and lifted and not _levels_from_below(activation, place.follower):
        return f"a clip from {activation.low:g}"
    if activation is not None or place.follower is None:
        return None
    behind = place.follower.core
    exact = isinstance(behind, nn.Dense) or place.module.weights[behind.weight].type.shape[1:3] == (1, 1)
    return None if exact else "no activation in front of a convolution that pads"


def _levels_from_below(activation: nn.Clip, follower: Group | None) -> bool:
    """Whether a clip is a quantiser whose lowest level is no 0, in front of nothing that pads with level 0."""
    if not isinstance(activation, nn.Levels) or activation.bits not in (1, 2, 4):
        return False
    return follower is None or not isinstance(follower.core, nn.Conv) or not any(follower.core.pad)


def _vector(place: Place) -> str | None:
    dense = isinstance(place.group.core, nn.Dense)
    return f"a dense layer on {list(place.input_shape)}" if dense and len(place.input_shape) != 1 else None


RULES = (
    GroupRule(code="AKC0427", broken=_vector, help="flatten in front of it"),
    GroupRule(
        code="AKC0422", broken=_groups, help="use groups=1, or as many groups as channels with a 1x1 convolution behind"
    ),
    GroupRule(code="AKC0422", broken=_dilation, help="keep (kernel - 1) * dilation + 1 at {largest} or less"),
    GroupRule(
        code="AKC0422",
        broken=_kernel,
        help="use kernels of at most {largest}; two layers of {largest}x{largest}, one behind the other, see as far as "
        "one of {far}x{far}",
    ),
    GroupRule(
        code="AKC0422",
        broken=_stride,
        help="use the same stride on both axes: 1, or 2 with a kernel of at most {strided}, or 2 or 4 with one of at "
        "most {largest} and a ReLU behind it; a first convolution may have others",
    ),
    GroupRule(
        code="AKC0422",
        broken=_border,
        help="pad kernel // 2 on every side, and use odd sizes in front of stride 2",
    ),
    GroupRule(
        code="AKC0423",
        broken=_max_pool,
        blamed=lambda g: g.pool,
        help="use {pool}x{pool} max pools on even sizes, or a stride of 2 in the convolution",
    ),
    GroupRule(
        code="AKC0423",
        broken=_pool_follower,
        blamed=lambda g: g.pool,
        help="put a 1x1 convolution with a ReLU behind it",
    ),
    GroupRule(
        code="AKC0423",
        broken=_average,
        blamed=lambda g: g.pool,
        help="flatten the map and use a dense layer in its place",
    ),
    GroupRule(
        code="AKC0424",
        broken=_rectified,
        blamed=lambda g: g.activation or g.filters_op,
        help="put a ReLU there and train again",
    ),
)
"""Limits of a layer on the mesh. A group that the image layer takes is not held to those on its geometry."""

ON_MESH = frozenset({_groups, _dilation, _kernel, _stride, _border, _max_pool, _pool_follower})


WINDOWS = frozenset({_kernel, _stride, _border, _max_pool})
"""Limits that fit-windows works around, for all layers of a segment or for none."""


def segment_faults(segment: Segment, module: Module, chip: Numbers) -> Iterator[Diagnostic]:
    """Everything that keeps the groups of a segment from being layers of the chip.

    Where windows cannot be fitted, only the group that stands in the way is blamed for its windows, and those
    whose kernels are too large in any case.
    """
    blocked = obstacle(segment, module, chip)
    followers = (*segment.groups[1:], None)
    for group, follower in zip(segment.groups, followers, strict=True):
        fittable = blocked is not None and not _beyond_fitting(Place(group, module, follower, chip))
        quiet = WINDOWS if fittable else frozenset()
        yield from group_faults(group, module, chip, group is segment.groups[0], follower, quiet)
        if group is blocked and fittable:
            yield _misplaced(Place(group, module, follower, chip))


def _beyond_fitting(place: Place) -> bool:
    """Whether no larger kernel and no other border could make a layer of the chip of it."""
    conv, pool = _conv(place), place.group.pool
    if conv is None:
        return False
    largest = place.chip.largest(common_stride(conv) or 0)
    return (
        max(place.kernel) > largest
        or conv.dilation != (1, 1)
        or (isinstance(pool, nn.MaxPool) and _odd_pool(pool, place.chip))
    )


def _misplaced(place: Place) -> Diagnostic:
    """A layer whose windows the chip could have, but not where they lie, or not behind the layers in front."""
    op = place.group.core
    conv = _conv(place)
    what = "" if conv is None else f", {place.kernel[0]}x{place.kernel[1]} with a border of {list(conv.pad)},"
    rows, columns = (*place.input_shape, 1)[:2]
    return Diagnostic(
        code="AKC0422",
        message=f"%{op.name}: no kernel of the chip has its windows{what} on {rows}x{columns} cells at this place",
        span=op.span(),
        origin=op.origin,
        help=(
            "pad (kernel - 1) / 2 on every side of odd kernels, here and in the layers in front, and pool even sizes",
            "without padding anywhere, maps may shrink from layer to layer, down to a dense layer",
        ),
    )


def group_faults(
    group: Group,
    module: Module,
    chip: Numbers,
    first: bool,
    follower: Group | None,
    quiet: frozenset[Any] = frozenset(),
) -> Iterator[Diagnostic]:
    """Everything that keeps a group from being a layer of the chip, the rules in `quiet` aside."""
    place = Place(group, module, follower, chip)
    image = first and image_plan(group, module, chip) is not None
    for rule in RULES:
        skipped = rule.broken in quiet or (image and rule.broken in ON_MESH)
        found = None if skipped else rule.broken(place)
        if found is not None:
            op = rule.blamed(group) or group.core
            yield Diagnostic(
                code=rule.code,
                message=f"%{op.name}: {found}",
                span=op.span(),
                origin=op.origin,
                help=rule.help.format(**_facts(chip)),
            )


def _facts(chip: Numbers) -> dict[str, int]:
    """The numbers that help texts name."""
    largest, pool = chip.largest(), min((n for n in chip.pools if n > 1), default=1)
    return {"largest": largest, "strided": chip.largest(2), "far": 2 * largest - 1, "pool": pool}
