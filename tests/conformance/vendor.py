# SPDX-License-Identifier: Apache-2.0
"""The vendor's side of a comparison: an akc module as a model of the `akida` package, and back its placement.

`to_akida` builds the model with the documented layer classes and `set_variable`; it raises what the
SDK raises where a layer cannot be created. `placed_like` copies the SDK's placement into `at`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import akida
import numpy as np
from attrs import evolve, frozen

from akc.ir.fields import Range
from akc.ir.module import Array, Module, Op, Sequence, Statement
from akc.ir.ops.akida import (
    Convolutional,
    FullyConnected,
    InputConvolutional,
    Layer,
    Location,
    SeparableConvolutional,
)
from akc.ir.types import TensorType

POOLS = {
    "none": akida.PoolType.NoPooling,
    "max": akida.PoolType.Max,
    "average": akida.PoolType.Average,
}
PADDINGS = {"same": akida.Padding.Same, "valid": akida.Padding.Valid}
NP_KINDS = {"HRC": "hrc", "CNP1": "cnp1", "CNP2": "cnp1", "FNP2": "fnp2", "FNP3": "fnp3"}


# -- orders of the vendor's variables --------------------------------------------------------------


def cross_correlation(weights: Array) -> Array:
    """[filters, k0, k1, channels] as (k0, k1, channels, filters), not flipped (the image layer)."""
    return np.ascontiguousarray(weights.transpose(1, 2, 3, 0), np.int8)


def convolution(weights: Array) -> Array:
    """[filters, k0, k1, channels] as (k0, k1, channels, filters), flipped on both axes."""
    return np.ascontiguousarray(weights[:, ::-1, ::-1].transpose(1, 2, 3, 0), np.int8)


def depthwise(weights: Array) -> Array:
    """[channels, k0, k1] as (k0, k1, channels, 1), flipped on both axes."""
    return np.ascontiguousarray(weights[:, ::-1, ::-1].transpose(1, 2, 0)[..., None], np.int8)


def pointwise(weights: Array) -> Array:
    """[filters, channels] as (1, 1, channels, filters)."""
    return np.ascontiguousarray(weights.T[None, None], np.int8)


def dense(weights: Array, shape: tuple[int, ...]) -> Array:
    """[units, (d0, d1, channels)] as (1, 1, (channels, d1, d0), units): first axis fastest."""
    spatial = weights.reshape(len(weights), *shape).transpose(3, 2, 1, 0)
    return np.ascontiguousarray(spatial.reshape(1, 1, -1, len(weights)), np.int8)


# -- layers ----------------------------------------------------------------------------------------


def _activation(op: Any) -> dict[str, Any]:
    return {"activation": op.activation, "act_bits": op.act_bits, "name": op.name}


def _window(op: Any, kernel: tuple[int, ...], filters: int) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "kernel_size": kernel,
        "filters": filters,
        "kernel_stride": op.stride,
        "padding": PADDINGS[op.padding],
        "pool_type": POOLS[op.pool],
        **_activation(op),
    }
    if op.pool == "max":
        keys |= {"pool_size": op.pool_size, "pool_stride": op.pool_stride}
    return keys


def _weights_bits(module: Module, op: Any) -> int:
    return module.weights[op.weights].type.element.bits


def _input_convolutional(module: Module, op: InputConvolutional, x: TensorType) -> Any:
    filters, k0, k1, _ = module.weights[op.weights].type.shape
    return akida.InputConvolutional(
        input_shape=x.shape,
        weights_bits=op.weights_bits or _weights_bits(module, op),
        padding_value=op.padding_value,
        **_window(op, (k0, k1), filters),
    )


def _convolutional(module: Module, op: Convolutional, x: TensorType) -> Any:
    filters, k0, k1, _ = module.weights[op.weights].type.shape
    return akida.Convolutional(weights_bits=_weights_bits(module, op), **_window(op, (k0, k1), filters))


def _separable(module: Module, op: SeparableConvolutional, x: TensorType) -> Any:
    _, k0, k1 = module.weights[op.weights].type.shape
    filters = module.weights[op.pointwise].type.shape[0]
    return akida.SeparableConvolutional(weights_bits=_weights_bits(module, op), **_window(op, (k0, k1), filters))


def _fully_connected(module: Module, op: FullyConnected, x: TensorType) -> Any:
    units = module.weights[op.weights].type.shape[0]
    return akida.FullyConnected(units=units, weights_bits=_weights_bits(module, op), **_activation(op))


@frozen
class Translation:
    """How one kind of layer becomes the vendor's: the layer object and its weight variables."""

    layer: Callable[[Module, Any, TensorType], Any]
    variables: Callable[[Module, Any, TensorType], dict[str, Array]]


TRANSLATIONS: dict[type[Op], Translation] = {
    InputConvolutional: Translation(
        _input_convolutional, lambda m, op, x: {"weights": cross_correlation(m.array(op.weights))}
    ),
    Convolutional: Translation(_convolutional, lambda m, op, x: {"weights": convolution(m.array(op.weights))}),
    SeparableConvolutional: Translation(
        _separable,
        lambda m, op, x: {
            "weights": depthwise(m.array(op.weights)),
            "weights_pw": pointwise(m.array(op.pointwise)),
        },
    ),
    FullyConnected: Translation(_fully_connected, lambda m, op, x: {"weights": dense(m.array(op.weights), x.shape)}),
}
VECTORS = (("threshold", np.int32), ("act_step", np.float32))
LEARNING_VECTORS = ("threshold_learning", "thswap")


def to_akida(module: Module) -> Any:
    """The akida.Model of a chain of akida layers; border operations are left out. Raises what the SDK raises."""
    types = module.net.types
    layers = [op for op in module.net.ops if isinstance(op, Layer)]
    model = akida.Model()
    if not isinstance(layers[0], InputConvolutional):
        first = types[layers[0].x]
        model.add(akida.InputData(input_shape=first.shape, input_bits=first.element.bits, name="akc_input"))
    for op in layers:
        model.add(TRANSLATIONS[type(op)].layer(module, op, types[op.x]))
        for name, values in _variables(module, op, types[op.x]).items():
            model.get_layer(op.name).set_variable(name, values)
    _compile(module, model, layers[-1], types[layers[-1].x])
    return model


def _variables(module: Module, op: Layer, x: TensorType) -> dict[str, Array]:
    values = TRANSLATIONS[type(op)].variables(module, op, x)
    for name, kind in VECTORS:
        weight = getattr(op, name)
        if weight is not None:
            values[name] = module.array(weight).astype(kind)
    return values


def _compile(module: Module, model: Any, op: Layer, x: TensorType) -> None:
    """Compiling draws new weights, so they are set again afterwards."""
    if not isinstance(op, FullyConnected) or op.learning is None:
        return
    learning = op.learning
    model.compile(
        akida.AkidaUnsupervised(
            num_weights=learning.num_weights,
            num_classes=learning.num_classes,
            initial_plasticity=learning.initial_plasticity,
            learning_competition=learning.learning_competition,
            min_plasticity=learning.min_plasticity,
            plasticity_decay=learning.plasticity_decay,
        )
    )
    layer = model.get_layer(op.name)
    layer.set_variable("weights", dense(module.array(op.weights), x.shape))
    for name in LEARNING_VECTORS:
        if getattr(op, name) is not None:
            layer.set_variable(name, module.array(getattr(op, name)).astype(np.int32))


# -- the SDK's placement and programs --------------------------------------------------------------


def map_on_akd1000(model: Any, hw_only: bool = True, minimal: bool = False, constraints: Any = None) -> None:
    """Map a model; raises what the SDK raises where it refuses."""
    mode = akida.MapMode.Minimal if minimal else akida.MapMode.AllNps
    model.map(akida.AKD1000(), hw_only=hw_only, mode=mode, constraints=constraints)


def hardware_sequences(model: Any) -> list[Any]:
    """The sequences of a mapped model that run on the chip."""
    return [s for s in model.sequences if s.backend == akida.BackendType.Hardware]


def programs(model: Any) -> list[tuple[bytes, bytes]]:
    """(program_info, program_data) of every hardware sequence of a mapped model."""
    parts = [s.program_parts for s in hardware_sequences(model)]
    return [(bytes(p.program_info), bytes(p.program_data)) for p in parts]


def placed_like(module: Module, model: Any) -> Module:
    """The module with the placement and the sequences of a mapped model; software layers stay outside."""
    types = module.net.types
    sequences: dict[str, int] = {}
    places: dict[str, tuple[Location, ...]] = {}
    for number, sequence in enumerate(hardware_sequences(model)):
        for layer in (layer for group in sequence.passes for layer in group.layers):
            sequences[layer.name] = number
            places[layer.name] = tuple(layer.mapping.nps)
    statements: list[Statement] = []
    for op in module.net.ops:
        if op.name not in sequences or not isinstance(op, Layer):
            statements.append(op)
            continue
        filters = len(module.array(getattr(op, "pointwise", op.weights)))
        placed = evolve(op, at=tuple(_location(np_, filters, types[op.x].shape) for np_ in places[op.name]))
        _append(statements, f"s{sequences[op.name]}", placed)
    return module.with_statements(statements)


def _append(statements: list[Statement], name: str, op: Op) -> None:
    last = statements[-1] if statements else None
    if isinstance(last, Sequence) and last.name == name:
        statements[-1] = evolve(last, ops=(*last.ops, op))
    else:
        statements.append(Sequence(name=name, ops=(op,)))


def _location(np_: Any, filters: int, shape: tuple[int, ...]) -> Location:
    kind = NP_KINDS[np_.type.name]
    if kind == "hrc":
        return Location("hrc")
    place = (np_.ident.col, np_.ident.row, np_.ident.id)
    if kind != "cnp1":
        return Location(kind, *place)
    tile = np_.spatial_partition
    return Location(
        kind,
        *place,
        filters=_share(np_.start_neuron, np_.filters, filters),
        d0=_share(tile.x, tile.shape[0], shape[0]),
        d1=_share(tile.y, tile.shape[1], shape[1]),
    )


def _share(start: int, count: int, total: int) -> Range | None:
    return None if (start, count) == (0, total) else Range(start, start + count)


def steering(rng: np.random.Generator) -> Any:
    """Constraints for `map` that draw a filter limit for each layer and shuffle the NPs on offer."""

    class Steering(akida.MapConstraints):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(akida.AKD1000())

        def next_layer_handler(self, name: str) -> None:
            self.cnp_max_filters = int(rng.integers(1, 65)) if rng.random() < 0.7 else self.cnp_max_filters_default

        def select_nps(self, source: list[Any], n: int, type: Any) -> list[Any]:
            return [source[i] for i in rng.permutation(len(source))[:n]]

    return Steering()
