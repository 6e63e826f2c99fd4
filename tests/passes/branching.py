# SPDX-License-Identifier: Apache-2.0
"""Networks whose branches meet again, with seeded weights, op by op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from akc.ir.module import Op, Value
from akc.ir.ops import nn, nn_host
from akc.ir.signature import Types
from akc.ir.types import TensorType
from tests.passes.building import Building


class Branching(Building):
    """A network under construction that may go back to an earlier value."""

    tip: str | None = None

    def eighths(self, name: str, shape: tuple[int, ...], low: int = -8, high: int = 8) -> str:
        """Biases are 0 or more, so that no layer dies."""
        return super().eighths(name, shape, max(low, 0) if name.endswith(".bias") else low, high)

    @property
    def last(self) -> Value:
        """The value that the next op reads."""
        known = {v.name: v for v in (self.input, *(op.result for op in self.ops))}
        return known[self.tip] if self.tip is not None else super().last

    def add(self, kind: type[Op], name: str | None = None, **fields: Any) -> Branching:
        """Append an op that reads the last value, or the one that was gone back to."""
        super().add(kind, name, **fields)
        self.tip = None
        return self

    @property
    def here(self) -> str:
        """The name of the last value."""
        return self.last.name

    def back(self, name: str) -> Branching:
        """Let the next op read an earlier value."""
        self.tip = name
        return self

    def join(self, kind: type[Op], *others: str, **fields: Any) -> Branching:
        """Append an op that reads the last value and others."""
        names = (self.last.name, *others)
        operands: dict[str, Any] = {"inputs": names} if kind is nn_host.Concat else {"x": names[0], "y": names[1]}
        name = f"{kind.mnemonic.removeprefix('nn.')}{len(self.ops)}"
        draft = kind(result=Value(name, TensorType("f32", ())), origin=(f"/{name}",), **operands, **fields)
        values = {v.name: v.type for v in (self.input, *(op.result for op in self.ops))}
        kind_of_result = draft.infer(Types(values, {}))
        self.ops.append(evolve(draft, result=Value(name, kind_of_result)))
        self.tip = None
        return self

    def plus(self, other: str) -> Branching:
        """Append nn.add."""
        return self.join(nn_host.Add, other)

    def concat(self, *others: str) -> Branching:
        """Append nn.concat of others and the last value, in this order."""
        return self.join(nn_host.Concat, *others)

    def layer(self, filters: int, kernel: int, stride: int = 1, **fields: Any) -> Branching:
        """Convolution that keeps the size, and a ReLU."""
        self.linear(filters, kernel, stride, **fields)
        self.relu()
        return self

    def linear(self, filters: int, kernel: int, stride: int = 1, **fields: Any) -> Branching:
        """Convolution that keeps the size."""
        self.conv(filters, kernel, pad=(kernel // 2,) * 4, stride=(stride, stride), **fields)
        return self


def stem(size: int = 8, channels: int = 4, image: int = 3, seed: int = 0) -> Branching:
    """A first layer."""
    return Branching(size, size, image, seed=seed).layer(channels, 3)


def residual(net: Branching, filters: int, stride: int = 1, depth: int = 2, kernel: int = 3) -> Branching:
    """relu(layers(x) + x), or + a 1x1 convolution of x where the shapes differ."""
    x, channels = net.here, net.shape[2]
    for number in range(depth):
        net.linear(filters, kernel, stride if number == 0 else 1)
        if number < depth - 1:
            net.relu()
    end = net.here
    if stride > 1 or channels != filters:
        net.back(x).linear(filters, 1, stride)
        x = net.here
    net.back(end).plus(x).relu()
    return net


def bottleneck(net: Branching, filters: int, stride: int = 1) -> Branching:
    """1x1, 3x3 with the stride, 1x1, around a shortcut."""
    x, narrow = net.here, max(filters // 2, 1)
    end = net.layer(narrow, 1).layer(narrow, 3, stride).linear(filters, 1).here
    shortcut = net.back(x).linear(filters, 1, stride).here
    net.back(end).plus(shortcut).relu()
    return net


def fire(net: Branching, narrow: int, one: int, three: int) -> Branching:
    """A fire module of SqueezeNet."""
    x = net.layer(narrow, 1).here
    first = net.layer(one, 1).here
    second = net.back(x).layer(three, 3).here
    return net.back(first).concat(second)


def inception(net: Branching) -> Branching:
    """Branches of one, two and three layers, and one behind an average."""
    x = net.here
    one = net.layer(3, 1).here
    three = net.back(x).layer(2, 1).layer(4, 3).here
    five = net.back(x).layer(2, 1).layer(2, 3).layer(3, 3).here
    net.back(x).add(nn.AveragePool, size=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1))
    pool = net.layer(2, 1).here
    return net.back(one).concat(three, five, pool)


def inverted(net: Branching, wide: int) -> Branching:
    """An inverted residual with a linear end: 1x1, depthwise, 1x1, and the sum."""
    x, filters = net.here, net.shape[2]
    net.layer(wide, 1).layer(wide, 3, groups=wide).linear(filters, 1)
    return net.plus(x)


def _dense_skip() -> Branching:
    net = Branching(12).dense(9).relu()
    x = net.here
    return net.dense(7).relu().dense(9).plus(x).relu().dense(4)  # type: ignore[attr-defined, no-any-return]


def _dense_concat() -> Branching:
    net = Branching(12).dense(9).relu()
    x = net.here
    one = net.dense(5).relu().last.name
    two = net.back(x).dense(6).relu().dense(3).relu().last.name
    return net.back(one).concat(two, x).dense(4)  # type: ignore[return-value]


def _sum_before_dense() -> Branching:
    net = stem()
    x = net.here
    net.layer(4, 3).plus(x).flatten().dense(5)
    return net


def _concat_before_dense() -> Branching:
    net = stem()
    x = net.here
    net.layer(3, 3).concat(x).flatten().dense(5)
    return net


def _sum_before_convolution() -> Branching:
    net = stem()
    x = net.here
    one = net.layer(4, 1).here
    return net.back(x).layer(4, 3).plus(one).layer(3, 3, 2)


def _reparameterised() -> Branching:
    net = stem(7)
    x = net.here
    three = net.linear(4, 3).here
    one = net.back(x).linear(4, 1).here
    return net.back(three).plus(one).plus(x).relu()  # type: ignore[return-value]


def _densenet() -> Branching:
    net = stem(6)
    for _ in range(2):
        x = net.here
        net.batch_norm().relu().linear(3, 3)  # type: ignore[attr-defined]
        net.back(x).concat(net.ops[-1].name)
    return net.layer(3, 1)


def _halves() -> Branching:
    """The half of the channels goes by, as in ShuffleNetV2."""
    net = stem(6, 6)
    x = net.here
    shape = net.shape
    first = net.add(nn_host.Slice, start=(0, 0, 0), stop=(*shape[:2], 3)).here
    net.back(x).add(nn_host.Slice, start=(0, 0, 3), stop=shape)
    net.layer(3, 1).layer(3, 3, groups=3).layer(3, 1)
    second = net.here
    return net.back(first).concat(second).layer(4, 3)


def _difference() -> Branching:
    net = stem(6)
    x = net.here
    one = net.layer(4, 3).here
    return net.back(x).layer(4, 1).join(nn_host.Sub, one).relu()  # type: ignore[return-value]


def _signed_start() -> Branching:
    """Blocks with linear ends, as in MobileNetV2 with ReLU."""
    net = stem(8, 6).linear(4, 1)
    return inverted(inverted(net, 10), 8).layer(5, 1)


def _separable() -> Branching:
    """Depthwise and 1x1 without an activation in between."""
    net = stem(8, 4)
    x = net.here
    net.linear(4, 3, groups=4).linear(4, 1)
    return net.plus(x).relu()  # type: ignore[return-value]


def _average_shortcut() -> Branching:
    """The shortcut of a ResNet-D with a kernel of 2x2 and stride 2, behind a first layer of stride 2."""
    net = stem(8, 4)
    x = net.here
    end = net.linear(6, 3, 2).here
    shortcut = net.back(x).conv(6, 2, stride=(2, 2)).last.name
    return net.back(end).plus(shortcut).relu()  # type: ignore[return-value]


BRANCHES: dict[str, Callable[[], Building]] = {
    "residual": lambda: residual(stem(), 4),
    "residual-strided": lambda: residual(stem(9), 6, 2),
    "residual-strided-even": lambda: residual(stem(8), 6, 2),
    "residual-long": lambda: residual(stem(), 4, depth=3),
    "residual-wide-kernel": lambda: residual(stem(), 5, kernel=5),
    "bottleneck": lambda: bottleneck(stem(9), 6, 2),
    "two-residuals": lambda: residual(residual(stem(9), 6, 2), 6),
    "fire": lambda: fire(stem(), 3, 4, 5),
    "fire-pooled": lambda: fire(fire(stem(), 3, 4, 5), 2, 3, 3).max_pool().conv(4, 1).relu(),
    "inception": lambda: inception(stem()),
    "dense-skip": _dense_skip,
    "dense-concat": _dense_concat,
    "sum-before-dense": _sum_before_dense,
    "concat-before-dense": _concat_before_dense,
    "sum-before-convolution": _sum_before_convolution,
    "reparameterised": _reparameterised,
    "densenet": _densenet,
    "halves": _halves,
    "difference": _difference,
    "signed-start": _signed_start,
    "separable": _separable,
    "average-shortcut": _average_shortcut,
}
"""Networks that become one row of layers."""


def _different_activations() -> Branching:
    net = stem()
    x = net.here
    one = net.linear(4, 3).add(nn.Clip, low=0.0, high=6.0).here
    return net.back(x).layer(4, 1).plus(one)


def _cut_while_carried() -> Branching:
    net = stem()
    x = net.here
    return net.linear(4, 3).add(nn.Clip, low=0.0, high=6.0).linear(4, 3).plus(x)


def _pool_in_a_branch() -> Branching:
    net = stem()
    x = net.here
    one = net.layer(4, 3, 2).here
    return net.back(x).max_pool().concat(one).layer(4, 3)  # type: ignore[attr-defined, no-any-return]


def _other_depths() -> Branching:
    """One branch takes its step in its first layer, the other in its second."""
    net = stem(9)
    x = net.here
    one = net.layer(4, 3, 2).layer(4, 3).here
    return net.back(x).layer(4, 3).layer(4, 3, 2).plus(one)


def _too_wide() -> Branching:
    return residual(stem(4, 256), 256)


LEFT: dict[str, tuple[Callable[[], Branching], str]] = {
    "different-activations": (_different_activations, "different activations"),
    "cut-while-carried": (_cut_while_carried, "a layer that cuts at 6 would cut what it carries"),
    "pool-in-a-branch": (_pool_in_a_branch, ""),
    "other-depths": (_other_depths, "strides at different depths"),
    "too-wide": (_too_wide, "the memory of a single filter is"),
}
"""Networks that stay as they are, and what the warning says; nothing where the host has the operation anyway."""
