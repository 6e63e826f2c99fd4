# SPDX-License-Identifier: Apache-2.0
"""Networks for comparing verdicts and placements: wide and large shapes, numbers that do not matter.

Weights are all ones (weights of nothing but zeros are refused), thresholds and steps are left out, so
that large layers cost little. `spoil` changes one to three things that the chip may mind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from akc.ir.module import Module
from akc.ir.signature import TypeFault
from akc.ir.weights import Weight
from tests.conformance.random_networks import NetBuilder, Random


class PlainBuilder(NetBuilder):
    """Layers whose weights are all ones."""

    def _weight(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        self.weights[name] = Weight.of(np.ones(shape, np.int8), dtype)
        return name

    def _vectors(self, name: str, filters: int) -> dict[str, str]:
        return {}


def log_uniform(rng: Random, low: int, high: int) -> int:
    """low to high, small numbers more often."""
    return min(high, int(np.exp(rng.uniform(np.log(low), np.log(high + 1)))))


def pick(rng: Random, *choices: Any) -> Any:
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


BITS = ("u1", "u2", "u4")
CONV_BITS = ("u1", "i2", "i4")


def add_conv(net: PlainBuilder, rng: Random, filters: int, **fields: Any) -> None:
    """A convolution or separable convolution."""
    if rng.random() < 0.5:
        net.convolution(filters, pick(rng, 1, 3, 5, 7), pick(rng, *CONV_BITS), **fields)
    else:
        net.separable(filters, pick(rng, 3, 5, 7), pick(rng, "i2", "i4"), **fields)


def one_conv(rng: Random) -> Module:
    """One convolution, from tiny to larger than the chip."""
    net = PlainBuilder(
        rng, (log_uniform(rng, 1, 200), log_uniform(rng, 1, 600), log_uniform(rng, 1, 600)), pick(rng, *BITS)
    )
    fields: dict[str, Any] = {}
    if rng.random() < 0.2:
        fields = {"pool": "average"}
    add_conv(net, rng, log_uniform(rng, 1, 700), **fields)
    return net.module()


def one_channel(rng: Random) -> Module:
    """A one-channel convolution in front of others."""
    net = PlainBuilder(rng, (log_uniform(rng, 4, 60), log_uniform(rng, 4, 60), 1), pick(rng, *BITS))
    net.convolution(log_uniform(rng, 8, 120), pick(rng, 1, 3, 5, 7), pick(rng, *CONV_BITS))
    for _ in range(int(rng.integers(0, 3))):
        add_conv(net, rng, log_uniform(rng, 1, 60))
    return net.module()


def large(rng: Random) -> Module:
    """A deep network near or beyond the mesh, with dense layers at the end."""
    net = PlainBuilder(
        rng, (log_uniform(rng, 8, 128), log_uniform(rng, 8, 128), log_uniform(rng, 1, 32)), pick(rng, *BITS)
    )
    for _ in range(int(rng.integers(3, 16))):
        stride, pool = (1, 1), rng.random() < 0.15 and min(net.shape[:2]) > 3
        fields = {"pool": "max", "pool_size": (2, 2), "pool_stride": pick(rng, (2, 2), (1, 1))} if pool else {}
        if not pool and rng.random() < 0.2:
            stride = (2, 2)
        filters = log_uniform(rng, 4, 256)
        if stride == (2, 2):
            net.convolution(filters, 3, pick(rng, *CONV_BITS), stride=stride, act_bits=pick(rng, 1, 2, 4))
        else:
            add_conv(net, rng, filters, **fields)
    for _ in range(int(rng.integers(0, 6))):
        net.dense(log_uniform(rng, 1, 200), pick(rng, *CONV_BITS))
    return net.module()


def picture(rng: Random) -> Module:
    """An image layer of any size, then other layers."""
    net = PlainBuilder(rng, (log_uniform(rng, 3, 300), log_uniform(rng, 3, 270), pick(rng, 1, 3)), "u8")
    kernel = pick(rng, 3, 5, 7)
    most = {1: {3: 520, 5: 200, 7: 100}, 3: {3: 200, 5: 70, 7: 40}}[net.shape[2]][kernel]
    pool = pick(rng, "none", "none", "max")
    size = (pick(rng, 1, 2), pick(rng, 1, 2))
    fields = {"pool": "max", "pool_size": size, "pool_stride": size} if pool == "max" else {}
    net.image(
        log_uniform(rng, 1, most),
        kernel,
        stride=(pick(rng, 1, 2, 3), pick(rng, 1, 2, 3)),
        padding=pick(rng, "same", "valid"),
        **fields,
    )
    for _ in range(int(rng.integers(0, 4))):
        add_conv(net, rng, log_uniform(rng, 1, 80))
    for _ in range(int(rng.integers(0, 3))):
        net.dense(log_uniform(rng, 1, 40), pick(rng, *CONV_BITS))
    return net.module()


def spoiled_shape(rng: Random) -> Module:
    """A small network with one to three layers that the chip may not take."""
    if rng.random() < 0.3:
        net = PlainBuilder(rng, (log_uniform(rng, 3, 40), log_uniform(rng, 3, 40), pick(rng, 1, 2, 3)), "u8")
        size = (pick(rng, 1, 2, 3), pick(rng, 1, 2))
        pools = (
            {},
            {"pool": "average"},
            {"pool": "max", "pool_size": size, "pool_stride": size},
            {"pool": "max", "pool_size": (2, 2), "pool_stride": (1, 2)},
        )
        net.image(
            log_uniform(rng, 1, 40),
            pick(rng, 1, 3, 5, 7),
            stride=(pick(rng, 1, 2, 3, 4), pick(rng, 1, 2, 3, 4)),
            padding=pick(rng, "same", "valid"),
            activation=rng.random() < 0.9,
            **pick(rng, *pools),
        )
    else:
        net = PlainBuilder(
            rng,
            (log_uniform(rng, 1, 60), log_uniform(rng, 1, 300), log_uniform(rng, 1, 40)),
            pick(rng, "u1", "u2", "u3", "u4"),
        )
    spots = {int(n) for n in rng.integers(0, 4, int(rng.integers(1, 4)))}
    for index in range(4):
        if net.value.type.dtype == "i32":
            break
        _spoil(net, rng) if index in spots else add_conv(net, rng, log_uniform(rng, 1, 40))
    if net.value.type.dtype != "i32" and rng.random() < 0.5:
        net.dense(5, pick(rng, *CONV_BITS, "i8"))
    return net.module()


def _spoil(net: PlainBuilder, rng: Random) -> None:
    filters = log_uniform(rng, 1, 60)
    stride = pick(rng, (1, 1), (2, 2), (1, 2), (3, 3))
    pools: tuple[dict[str, Any], ...] = (
        {},
        {},
        {"pool": "average"},
        {"pool": "max", "pool_size": (1, 1), "pool_stride": (1, 1)},
        {"pool": "max", "pool_size": (2, 2), "pool_stride": (1, 1)},
        {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)},
        {"pool": "max", "pool_size": (2, 1), "pool_stride": (2, 1)},
        {"pool": "max", "pool_size": (3, 3), "pool_stride": (2, 2)},
    )
    kernel = pick(rng, 1, 3, 5, 7, 9)
    stride = stride if stride[0] <= kernel else (1, 1)
    fields = dict(
        pick(rng, *pools),
        stride=stride,
        padding=pick(rng, "same", "same", "same", "valid"),
        activation=rng.random() < 0.95,
    )
    kinds: tuple[Callable[[], None], ...] = (
        lambda: net.convolution(filters, kernel, pick(rng, *CONV_BITS, "i8"), **fields),
        lambda: net.separable(filters, kernel, pick(rng, "u1", "i2", "i4", "i8"), **fields),
        lambda: net.dense(filters, pick(rng, *CONV_BITS, "i8")),
    )
    pick(rng, *kinds)()


def edge(rng: Random) -> Module:
    """A layer whose map or weights are within one percent of a memory."""
    channels, bits = log_uniform(rng, 8, 400), pick(rng, *BITS)
    per_cell = channels * int(bits[1]) / 8
    cells = 43008 * rng.uniform(0.98, 1.02) / per_cell
    d0 = min(32, max(1, int(np.sqrt(cells) * rng.uniform(0.5, 1.5))))
    net = PlainBuilder(rng, (d0, max(1, round(cells / d0)), channels), bits)
    add_conv(net, rng, pick(rng, 1, 8, 9, 24, 25, 503, 504, 505, log_uniform(rng, 1, 900)))
    return net.module()


def crowded(rng: Random) -> Module:
    """More than one mesh holds: max pools end up where sequences end, one-channel layers sway the search."""
    if rng.random() < 0.5:
        net = PlainBuilder(rng, (8, 8, int(rng.integers(20, 80))), "u1")
        for _ in range(int(rng.integers(8, 20))):
            fields = {"pool": "max", "pool_size": (2, 2), "pool_stride": (1, 1)} if rng.random() < 0.5 else {}
            net.convolution(int(rng.integers(40, 160)), 7, "i4", act_bits=1, **fields)
        net.convolution(4, 1, "i4")
        return net.module()
    net = PlainBuilder(rng, (log_uniform(rng, 8, 64), log_uniform(rng, 8, 64), 1), pick(rng, *BITS))
    net.convolution(int(rng.integers(17, 130)), pick(rng, 1, 3, 5, 7), pick(rng, *CONV_BITS))
    for _ in range(int(rng.integers(2, 14))):
        pool = rng.random() < 0.35 and min(net.shape[:2]) > 1
        fields = {"pool": "max", "pool_size": (2, 2), "pool_stride": (2, 2)} if pool else {}
        add_conv(net, rng, log_uniform(rng, 8, 256), **fields)
    return net.module()


SHAPES: dict[str, Callable[[Random], Module]] = {
    make.__name__: make for make in (one_conv, one_channel, large, picture, spoiled_shape, edge, crowded)
}


def shaped_network(kind: str, seed: int) -> Module:
    """The network of a class for a seed; draws again where nothing would be left of the map."""
    for attempt in range(100):
        try:
            return SHAPES[kind](np.random.default_rng([seed, attempt, *kind.encode()]))
        except TypeFault:
            continue
    raise AssertionError(f"no {kind} network for seed {seed}")
