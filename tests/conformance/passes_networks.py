# SPDX-License-Identifier: Apache-2.0
"""Networks that take several passes of a small mesh, and pools of 3: what the classes for the AKD1000 do not draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from akc.ir.module import Module
from akc.ir.ops.akida import Learning
from akc.ir.signature import TypeFault
from tests.conformance.placement_networks import CONV_BITS, PlainBuilder, log_uniform, pick
from tests.conformance.random_networks import NetBuilder, Random


def _bits(rng: Random) -> int:
    return int(pick(rng, 1, 2, 4))


def _conv(net: NetBuilder, rng: Random, filters: int, **fields: Any) -> None:
    if not fields and rng.random() < 0.2:
        net.convolution(filters, 3, pick(rng, *CONV_BITS), stride=(2, 2), act_bits=_bits(rng))
    elif rng.random() < 0.5:
        net.convolution(filters, pick(rng, 1, 3, 5, 7), pick(rng, *CONV_BITS), act_bits=_bits(rng), **fields)
    else:
        net.separable(filters, pick(rng, 3, 5, 7), pick(rng, "i2", "i4"), act_bits=_bits(rng), **fields)


def _convs(net: NetBuilder, rng: Random, count: int, most: int = 90) -> None:
    for _ in range(count):
        pooled = rng.random() < 0.12 and min(net.shape[:2]) > 3
        _conv(net, rng, log_uniform(rng, 2, most), **(_pool(rng) if pooled else {}))


def _pool(rng: Random) -> dict[str, Any]:
    size = pick(rng, 2, 3)
    stride = int(rng.integers(1, size + 1))
    return {"pool": "max", "pool_size": (size, size), "pool_stride": (stride, stride)}


def _map(rng: Random) -> tuple[int, int, int]:
    return log_uniform(rng, 4, 40), log_uniform(rng, 4, 40), log_uniform(rng, 1, 24)


def pools(rng: Random) -> Module:
    """A convolution with a max pool of up to 4 on maps that may be tiled, and one behind it."""
    net = PlainBuilder(rng, (log_uniform(rng, 3, 130), log_uniform(rng, 3, 300), log_uniform(rng, 1, 60)), "u4")
    size = pick(rng, 1, 2, 3, 3, 3, 3, 4)
    stride = int(rng.integers(1, size + 1))
    fields = {"pool": "max", "pool_size": (size, size), "pool_stride": (stride, stride)}
    steps = {"stride": (2, 2)} if rng.random() < 0.2 else {}
    if rng.random() < 0.5:
        net.separable(log_uniform(rng, 1, 60), 3, pick(rng, "i2", "i4"), act_bits=_bits(rng), **fields, **steps)
    else:
        kernel = 3 if steps else pick(rng, 1, 3, 5, 7)
        net.convolution(log_uniform(rng, 1, 60), kernel, pick(rng, *CONV_BITS), act_bits=_bits(rng), **fields, **steps)
    net.convolution(log_uniform(rng, 1, 20), 1, "i4", act_bits=_bits(rng))
    return net.module()


def long(rng: Random) -> Module:
    """3 to 15 convolutions, then dense layers."""
    net = NetBuilder(rng, _map(rng), pick(rng, "u1", "u2", "u4"))
    _convs(net, rng, int(rng.integers(3, 16)))
    for _ in range(int(rng.integers(0, 4))):
        net.dense(log_uniform(rng, 1, 40), pick(rng, *CONV_BITS), act_bits=_bits(rng))
    return net.module()


def long_image(rng: Random) -> Module:
    """An image layer in front of the same."""
    net = NetBuilder(rng, (int(rng.integers(7, 60)), int(rng.integers(7, 60)), pick(rng, 1, 3)), "u8")
    net.image(
        log_uniform(rng, 1, 30), pick(rng, 3, 5, 7), stride=(pick(rng, 1, 2), pick(rng, 1, 2)), act_bits=_bits(rng)
    )
    _convs(net, rng, int(rng.integers(3, 14)))
    for _ in range(int(rng.integers(0, 3))):
        net.dense(log_uniform(rng, 1, 40), pick(rng, *CONV_BITS), act_bits=_bits(rng))
    return net.module()


def long_dense(rng: Random) -> Module:
    """5 to 29 dense layers, some larger than an FNP3 holds."""
    net = NetBuilder(rng, (1, 1, log_uniform(rng, 1, 300)), pick(rng, "u1", "u2", "u4"))
    for _ in range(int(rng.integers(5, 30))):
        large = rng.random() < 0.04
        net.dense(400 if large else log_uniform(rng, 1, 80), pick(rng, *CONV_BITS), act_bits=_bits(rng))
    return net.module()


def zigzag(rng: Random) -> Module:
    """Convolutions and dense layers in turn, so that an NP is a CNP in one pass and an FNP in the next."""
    net = NetBuilder(rng, _map(rng), pick(rng, "u1", "u2", "u4"))
    for _ in range(int(rng.integers(2, 6))):
        _convs(net, rng, int(rng.integers(1, 4)), 200)
        for _ in range(int(rng.integers(1, 5))):
            net.dense(log_uniform(rng, 1, 60), pick(rng, *CONV_BITS), act_bits=_bits(rng))
    return net.module()


def long_learning(rng: Random) -> Module:
    """Dense layers, the last of which learns."""
    net = NetBuilder(rng, (1, 1, log_uniform(rng, 4, 200)), "u1")
    for _ in range(int(rng.integers(4, 20))):
        net.dense(log_uniform(rng, 4, 60), pick(rng, *CONV_BITS), act_bits=1)
    inputs, classes = net.value.type.size, int(rng.integers(1, 6))
    count = int(rng.integers(1, min(inputs, 20) + 1))
    net.dense(classes * int(rng.integers(1, 8)), "u1", learning=Learning(num_weights=count, num_classes=classes))
    _ones(net, count)
    return net.module()


def _ones(net: NetBuilder, count: int) -> None:
    """Each unit of the last layer has `count` ones."""
    from akc.ir.weights import Weight

    name = net.ops[-1].weights
    values = np.zeros(net.weights[name].type.shape, np.int8)
    for row in values:
        row[net.rng.permutation(len(row))[:count]] = 1
    net.weights[name] = Weight.of(values, "u1")


SEVERAL: dict[str, Callable[[Random], Module]] = {
    make.__name__: make for make in (pools, long, long_image, long_dense, zigzag, long_learning)
}


def several_network(kind: str, seed: int) -> Module:
    """The network of a class for a seed; draws again where nothing would be left of a map."""
    for attempt in range(100):
        try:
            return SEVERAL[kind](np.random.default_rng([seed, attempt, *kind.encode()]))
        except TypeFault:
            continue
    raise AssertionError(f"no {kind} network for seed {seed}")
