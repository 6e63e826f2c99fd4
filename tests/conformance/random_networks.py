# SPDX-License-Identifier: Apache-2.0
"""Seeded random networks of akida layers, by class; the same seed gives the same module everywhere.

Networks are quantised modules without placement: an input of levels, a chain of layers, and the last
value as output. Most are legal, some are not on purpose. Values that make the SDK fail outright
(steps from 2**24 on, infinities) are never drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import evolve

from akc.ir.module import Array, Module, Net, Op, Sequence, Value
from akc.ir.ops.akida import (
    Convolutional,
    FullyConnected,
    InputConvolutional,
    Layer,
    Learning,
    SeparableConvolutional,
)
from akc.ir.signature import TypeFault, Types
from akc.ir.types import ELEMENT_TYPES, TensorType
from akc.ir.weights import Weight

Random = np.random.Generator
DENSE_TYPES = ("u1", "i2", "i4")
SEPARABLE_TYPES = ("i2", "i4")
BITS = (1, 2, 4)
THRESHOLD_LIMIT = 2**19


class NetBuilder:
    """Adds layers to a chain; weights, thresholds and steps are drawn here."""

    def __init__(self, rng: Random, shape: tuple[int, ...], dtype: str) -> None:
        self.rng = rng
        self.input = Value("x", TensorType(dtype, shape))
        self.ops: list[Layer] = []
        self.weights: dict[str, Weight] = {}

    @property
    def value(self) -> Value:
        """What the next layer reads."""
        return self.ops[-1].result if self.ops else self.input

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of that value."""
        return self.value.type.shape

    def module(self) -> Module:
        """The network so far."""
        last = self.value
        net = Net(
            name="random",
            inputs=(self.input,),
            statements=tuple(self.ops),
            outputs=(last.name,),
            output_types=(last.type,),
        )
        return Module(net=net, weights=dict(self.weights))

    def _weight(self, name: str, shape: tuple[int, ...], dtype: str) -> str:
        element = ELEMENT_TYPES[dtype]
        assert element.low is not None and element.high is not None
        values = self.rng.integers(element.low, element.high + 1, shape)
        if self.rng.random() < 0.3:
            values = values * (self.rng.random(shape) < 0.3)
        self.weights[name] = Weight.of(values, dtype)
        return name

    def _vectors(self, name: str, filters: int) -> dict[str, str]:
        """Threshold and act_step; either may be absent."""
        fields = {}
        if self.rng.random() < 0.95:
            fields["threshold"] = f"{name}.threshold"
            self.weights[f"{name}.threshold"] = Weight.of(draw_thresholds(self.rng, filters), "i32")
        if self.rng.random() < 0.95:
            fields["act_step"] = f"{name}.act_step"
            self.weights[f"{name}.act_step"] = Weight.of(draw_steps(self.rng, filters), "f32")
        return fields

    def _add(self, layer: type[Layer], filters: int, weights: dict[str, str], **fields: Any) -> None:
        name = f"n{len(self.ops) + 1}"
        fields.setdefault("act_bits", int(self.rng.choice(BITS)))
        draft = layer(
            result=Value(name, self.value.type), x=self.value.name, **weights, **self._vectors(name, filters), **fields
        )
        types = Types({self.value.name: self.value.type}, {n: w.type for n, w in self.weights.items()})
        self.ops.append(evolve(draft, result=Value(name, draft.infer(types))))

    def dense(self, units: int, dtype: str, **fields: Any) -> None:
        """A fully connected layer."""
        name = f"n{len(self.ops) + 1}.weights"
        self._weight(name, (units, self.value.type.size), dtype)
        self._add(FullyConnected, units, {"weights": name}, **fields)

    def convolution(self, filters: int, kernel: int, dtype: str, **fields: Any) -> None:
        """A convolution on the mesh."""
        name = f"n{len(self.ops) + 1}.weights"
        self._weight(name, (filters, kernel, kernel, self.shape[2]), dtype)
        self._add(Convolutional, filters, {"weights": name}, **fields)

    def image(self, filters: int, kernel: int, **fields: Any) -> None:
        """The image front end."""
        name = f"n{len(self.ops) + 1}.weights"
        self._weight(name, (filters, kernel, kernel, self.shape[2]), "i8")
        self._add(InputConvolutional, filters, {"weights": name}, **fields)

    def separable(self, filters: int, kernel: int, dtype: str, **fields: Any) -> None:
        """A separable convolution."""
        name = f"n{len(self.ops) + 1}"
        self._weight(f"{name}.weights", (self.shape[2], kernel, kernel), dtype)
        self._weight(f"{name}.pointwise", (filters, self.shape[2]), dtype)
        weights = {"weights": f"{name}.weights", "pointwise": f"{name}.pointwise"}
        self._add(SeparableConvolutional, filters, weights, **fields)


def draw_thresholds(rng: Random, count: int) -> Array:
    """Mostly small numbers, sometimes the whole legal range."""
    limit = 3000 if rng.random() < 0.8 else THRESHOLD_LIMIT
    return rng.integers(-limit, limit, count)


def draw_steps(rng: Random, count: int) -> Array:
    """Mostly small steps with a fraction, sometimes up to the largest legal one."""
    high = 60.0 if rng.random() < 0.8 else 65535.0
    steps = rng.uniform(1 / 16, high, count)
    return (np.floor(steps * 16) / 16 if rng.random() < 0.5 else steps).astype(np.float32)


def _pick(rng: Random, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _small(rng: Random, high: int) -> int:
    """1 to high, small numbers more often."""
    return int(np.exp(rng.uniform(0, np.log(high + 1)))) or 1


def _dense_layer(net: NetBuilder, rng: Random, last: bool, units: int = 80) -> None:
    net.dense(_small(rng, units), _pick(rng, *DENSE_TYPES), activation=not (last and rng.random() < 0.6))


def _pool(net: NetBuilder, rng: Random, last: bool, next_spatial: bool) -> dict[str, Any]:
    roll = rng.random()
    if not last and next_spatial and roll < 0.25 and min(net.shape[:2]) > 1:
        return {"pool": "max", "pool_size": (2, 2), "pool_stride": _pick(rng, (2, 2), (2, 2), (1, 1))}
    return {"pool": "average"} if roll > 0.93 else {}


def _spatial_fields(net: NetBuilder, rng: Random, kernel: int, last: bool, next_spatial: bool) -> dict[str, Any]:
    stride = (2, 2) if kernel == 3 and rng.random() < 0.25 else (1, 1)
    fields = {"stride": stride, "activation": not (last and rng.random() < 0.4)}
    return fields | _pool(net, rng, last, next_spatial)


def _convolution(net: NetBuilder, rng: Random, last: bool, next_spatial: bool = True, filters: int = 80) -> None:
    kernel = _pick(rng, 1, 3, 3, 5, 7)
    fields = _spatial_fields(net, rng, kernel, last, next_spatial)
    net.convolution(_small(rng, filters), kernel, _pick(rng, *DENSE_TYPES), **fields)


def _separable(net: NetBuilder, rng: Random, last: bool, next_spatial: bool = True, filters: int = 80) -> None:
    kernel = _pick(rng, 3, 3, 5, 7)
    fields = _spatial_fields(net, rng, kernel, last, next_spatial)
    net.separable(_small(rng, filters), kernel, _pick(rng, *SEPARABLE_TYPES), **fields)


def _image(net: NetBuilder, rng: Random) -> None:
    kernel = _pick(rng, 3, 3, 5, 7)
    most = {1: {3: 64, 5: 48, 7: 24}, 3: {3: 48, 5: 32, 7: 20}}[net.shape[2]][kernel]
    fields: dict[str, Any] = {
        "stride": (_pick(rng, 1, 2, 3), _pick(rng, 1, 2, 3)),
        "padding": _pick(rng, "same", "same", "valid"),
        "padding_value": int(rng.integers(0, 256)),
    }
    if rng.random() < 0.3:
        size = (_pick(rng, 1, 2), _pick(rng, 1, 2))
        fields |= {"pool": "max", "pool_size": size, "pool_stride": size}
    net.image(_small(rng, most), kernel, **fields)


def _map_start(rng: Random) -> NetBuilder:
    shape = (_small(rng, 48), _small(rng, 48), _small(rng, 48))
    if rng.random() < 0.1:
        shape = (_small(rng, 20), int(rng.integers(200, 600)), _small(rng, 4))
    return NetBuilder(rng, shape, _pick(rng, "u1", "u2", "u4"))


# -- the classes -----------------------------------------------------------------------------------


def dense(rng: Random) -> Module:
    """1 to 23 fully connected layers on a flat or a spatial input."""
    flat = rng.random() < 0.6
    shape = (1, 1, _small(rng, 900)) if flat else (_small(rng, 12), _small(rng, 12), _small(rng, 24))
    net = NetBuilder(rng, shape, _pick(rng, "u1", "u2", "u4"))
    count = _small(rng, 8) if rng.random() < 0.9 else int(rng.integers(17, 24))
    for index in range(count):
        large = count < 8 and rng.random() < 0.1
        _dense_layer(net, rng, index == count - 1, 2600 if large else 80)
    return net.module()


def _chain(rng: Random, layer: Callable[..., None]) -> Module:
    net = _map_start(rng)
    count = _small(rng, 4)
    for index in range(count):
        layer(net, rng, index == count - 1)
    return net.module()


def conv(rng: Random) -> Module:
    """1 to 4 convolutions."""
    return _chain(rng, _convolution)


def separable(rng: Random) -> Module:
    """1 to 4 separable convolutions."""
    return _chain(rng, _separable)


def _continue(net: NetBuilder, rng: Random, spatial: int, flat: int) -> Module:
    """Adds convolutions of both kinds and then fully connected layers."""
    for index in range(spatial):
        last = index == spatial - 1
        _pick(rng, _convolution, _separable)(net, rng, last and not flat, not last)
    for index in range(flat):
        _dense_layer(net, rng, index == flat - 1)
    return net.module()


def mixed(rng: Random) -> Module:
    """Convolutions and separable ones, with fully connected layers behind."""
    return _continue(_map_start(rng), rng, _small(rng, 4), int(rng.integers(0, 4)))


def image(rng: Random) -> Module:
    """The image front end, alone or with mesh layers behind."""
    shape = (int(rng.integers(7, 60)), int(rng.integers(7, 60)), _pick(rng, 1, 3))
    net = NetBuilder(rng, shape, "u8")
    _image(net, rng)
    return _continue(net, rng, int(rng.integers(0, 3)), int(rng.integers(0, 3)))


def near_capacity(rng: Random) -> Module:
    """One layer or a chain near the end of a memory or of the mesh."""
    return _pick(rng, _large_dense, _many_dense, _large_map, _long_chain)(rng)


def _large_dense(rng: Random) -> Module:
    """Weights around the 10752 words of an FNP3."""
    dtype, blocks = _pick(rng, ("u1", 1), ("i2", 2), ("i4", 6))
    inputs = int(rng.integers(32, 1200))
    net = NetBuilder(rng, (1, 1, inputs), "u4")
    units = 10752 // (4 + blocks * (-(-inputs // 32))) + int(rng.integers(-2, 3))
    net.dense(max(units, 1), dtype)
    _dense_layer(net, rng, True)
    return net.module()


def _many_dense(rng: Random) -> Module:
    """20 to 24 small layers; the chip has room for 22."""
    net = NetBuilder(rng, (1, 1, _small(rng, 40)), "u2")
    count = int(rng.integers(20, 25))
    for index in range(count):
        _dense_layer(net, rng, index == count - 1, 20)
    return net.module()


def _large_map(rng: Random) -> Module:
    """One layer whose map or kernels fill the memories of some NPs."""
    net = NetBuilder(rng, (int(rng.integers(20, 90)), int(rng.integers(20, 90)), int(rng.integers(16, 96))), "u4")
    _pick(rng, _convolution, _separable)(net, rng, True, filters=400)
    return net.module()


def _long_chain(rng: Random) -> Module:
    """Convolutions that use up the mesh, with fully connected layers that may find no room."""
    net = NetBuilder(rng, (_small(rng, 30), _small(rng, 30), _small(rng, 20)), "u4")
    return _continue(net, rng, int(rng.integers(4, 9)), int(rng.integers(0, 4)))


def wide(rng: Random) -> Module:
    """Many channels or filters, some beyond the 504 of one processor and some in several tracks; small maps."""
    shape = (_small(rng, 8), _small(rng, 8), int(rng.integers(1, 2049)) if rng.random() < 0.5 else _small(rng, 64))
    net = NetBuilder(rng, shape, _pick(rng, "u1", "u2", "u4"))
    filters = int(rng.integers(200, 2049)) if shape[2] <= 64 else _small(rng, 300)
    kernel = 1 if filters * shape[2] > 60000 else 3
    if rng.random() < 0.5:
        net.separable(filters, 3, _pick(rng, *SEPARABLE_TYPES))
    else:
        net.convolution(filters, kernel, _pick(rng, *DENSE_TYPES))
    if rng.random() < 0.5:
        _dense_layer(net, rng, True)
    return net.module()


def _many_units(rng: Random, inputs: int, classes: int) -> int:
    """Units per class so that the weights take about 9,000 to 40,000 words: the end of an FNP3 and beyond."""
    words = int(rng.integers(9000, 40000))
    return max(1, words // (4 + -(-inputs // 32)) // classes)


def learning(rng: Random) -> Module:
    """Fully connected layers, the last with edge learning."""
    net = NetBuilder(rng, (1, 1, _small(rng, 600)), "u1")
    for _ in range(int(rng.integers(0, 3))):
        net.dense(_small(rng, 60), _pick(rng, *DENSE_TYPES), act_bits=1)
    inputs, classes = net.value.type.size, _small(rng, 10)
    units = classes * (_small(rng, 12) if rng.random() < 0.8 else _many_units(rng, inputs, classes))
    count = _small(rng, min(inputs, 60))
    settings = Learning(
        num_weights=count,
        num_classes=classes,
        initial_plasticity=float(rng.random()),
        learning_competition=float(rng.random()),
        plasticity_decay=float(rng.random()),
        **({} if rng.random() < 0.3 else {"min_plasticity": float(rng.random())}),
    )
    net.dense(units, "u1", learning=settings, activation=bool(rng.random() < 0.5))
    _draw_learning_state(net, count)
    return net.module()


def _draw_learning_state(net: NetBuilder, count: int) -> None:
    """Each unit has `count` ones; learning thresholds and swap counts are drawn."""
    op, rng = net.ops[-1], net.rng
    assert isinstance(op, FullyConnected)
    units, inputs = net.weights[op.weights].type.shape
    chosen = rng.random((units, inputs)).argsort(axis=1) < count
    net.weights[op.weights] = Weight.of(chosen.astype(np.uint8), "u1")
    net.weights["t"] = Weight.of(rng.integers(0, 200, units), "i32")
    net.weights["s"] = Weight.of(rng.integers(0, count + 1, units), "i32")
    net.ops[-1] = evolve(op, threshold_learning="t", thswap="s")


# -- spoiled networks ------------------------------------------------------------------------------


def _spoil_dense(net: NetBuilder, rng: Random) -> None:
    _pick(
        rng,
        lambda: net.dense(5, "i8"),
        lambda: net.dense(_pick(rng, 131071, 131072), "u1") if net.value.type.size < 40 else net.dense(4, "i8"),
    )()


def _spoil_vectors(net: NetBuilder, rng: Random) -> None:
    """A threshold outside 20 bits or a step outside 1/16 .. 65536; only some layers and settings mind."""
    op = _pick(rng, *net.ops)
    filters = op.type.shape[-1]
    if rng.random() < 0.5:
        net.weights["spoiled"] = Weight.of(np.full(filters, _pick(rng, 2**19, -(2**19) - 1, 2**19 - 1, 2**24)), "i32")
        changed = evolve(op, threshold="spoiled")
    else:
        steps = np.full(filters, _pick(rng, 65536.0, 65535.9375, 70000.0, 0.06, 0.0625))
        net.weights["spoiled"] = Weight.of(steps.astype(np.float32), "f32")
        changed = evolve(op, act_step="spoiled")
    net.ops[net.ops.index(op)] = changed


def _spoil_window(net: NetBuilder, rng: Random) -> None:
    _pick(
        rng,
        lambda: net.convolution(4, 9, "i4"),
        lambda: net.convolution(4, 5, "i4", stride=(2, 2)),
        lambda: net.convolution(4, 3, "i4", stride=(3, 3)),
        lambda: net.convolution(4, 3, "i4", stride=(1, 2)),
        lambda: net.convolution(4, 3, "i8"),
        lambda: net.separable(4, 3, "u1"),
        lambda: net.separable(4, 1, "i4"),
        lambda: net.convolution(4, 3, "i4", pool="max", pool_size=(2, 2), pool_stride=(2, 2)),
        lambda: (
            net.convolution(4, 3, "i4", pool="max", pool_size=(3, 3), pool_stride=(2, 2)) or net.convolution(4, 1, "i4")
        ),
        lambda: net.convolution(4, 1, "i4", padding="valid"),
    )()


def spoiled(rng: Random) -> Module:
    """A small network with one thing that the chip may not take."""
    spoil = _pick(rng, _spoil_dense, _spoil_vectors, _spoil_window)
    net = NetBuilder(rng, (_small(rng, 30), _small(rng, 30), _small(rng, 20)), _pick(rng, "u1", "u2", "u3", "u4"))
    if spoil is not _spoil_window or rng.random() < 0.5:
        _pick(rng, _convolution, _separable, _dense_layer)(net, rng, False)
    spoil(net, rng)
    return net.module()


CLASSES: dict[str, Callable[[Random], Module]] = {
    make.__name__: make for make in (dense, conv, separable, mixed, image, near_capacity, wide, learning, spoiled)
}


def network(kind: str, seed: int) -> Module:
    """The network of a class for a seed; a draw in which a map shrinks to nothing is drawn again."""
    for attempt in range(100):
        try:
            return CLASSES[kind](np.random.default_rng([seed, *kind.encode(), *[1] * attempt]))
        except TypeFault:
            continue
    raise AssertionError("a network is drawn in the end")


def networks(kind: str, seed: int, number: int) -> Iterator[tuple[int, Module]]:
    """`number` networks of a class with the seeds that made them."""
    for drawn in range(seed, seed + number):
        yield drawn, network(kind, drawn)


def layers(module: Module) -> list[Op]:
    """The akida layers of a module."""
    return [op for op in module.net.ops if isinstance(op, Layer)]


def in_one_sequence(module: Module) -> Module:
    """The module with all layers in one hardware sequence."""
    return module.with_statements([Sequence(name="s0", ops=tuple(module.net.ops))])


SAMPLES = 3


def samples(module: Module, seed: int) -> Array:
    """Random integers for the input, the extremes among them."""
    kind = module.net.inputs[0].type
    rng = np.random.default_rng(seed)
    high = kind.element.high or 0
    x = rng.integers(0, high + 1, (SAMPLES, *kind.shape)).astype(np.uint8)
    x[-1] = high
    return x
