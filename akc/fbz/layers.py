# SPDX-License-Identifier: Apache-2.0
"""The layers of a module as the .fbz file describes them: names, parameters, variables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.fbz.orders import Array, weight_variables
from akc.fbz.schema import (
    COLUMN_MAJOR,
    INPUT_DATA,
    KIND_OF_OP,
    LEARNING_VARIABLES,
    PADDINGS,
    POOLS,
    ROW_MAJOR,
    SIZE_KEYS,
    VECTORS,
    LayerKind,
)
from akc.ir.module import Module
from akc.ir.ops import akida
from akc.ir.types import TensorType


@frozen
class Variable:
    """A variable of a layer; data is in the file's order, shape as the file says it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: Array = field(repr=False)
    layout: int


@frozen
class FileLayer:
    """A layer of the file."""

    kind: LayerKind
    name: str
    parameters: Mapping[str, int]
    variables: tuple[Variable, ...]


def chain(module: Module) -> tuple[akida.Layer, ...]:
    """The chip layers in order, proved to be one chain; raises DiagnosticError AKC0640 with every break."""
    layers = tuple(op for op in module.net.ops if isinstance(op, akida.Layer))
    faults = [fault for check in _CHAIN_CHECKS for fault in check(module, layers)]
    if faults:
        raise DiagnosticError(faults)
    return layers


def _fault(op: akida.Layer, message: str, help: str, key: str = "op") -> Diagnostic:
    return Diagnostic(code="AKC0640", message=message, span=op.span(key), origin=op.origin, help=help)


def _check_some(module: Module, layers: tuple[akida.Layer, ...]) -> list[Diagnostic]:
    if layers:
        return []
    help = "lower it first: akc lower, or akc opt -p lower-int4"
    return [Diagnostic(code="AKC0640", message=f"@{module.net.name} has no chip layer to write", help=help)]


def _check_links(module: Module, layers: tuple[akida.Layer, ...]) -> list[Diagnostic]:
    help = "the file holds one chain of chip layers; parts that run on the host cannot be in it"
    return [
        _fault(after, f"%{after.name} reads %{after.x}, the layer before it gives %{before.name}", help, "x")
        for before, after in pairwise(layers)
        if after.x != before.name
    ]


def _check_last(module: Module, layers: tuple[akida.Layer, ...]) -> list[Diagnostic]:
    potentials = [
        _fault(op, f"%{op.name} gives potentials and is not the last layer", "only the last may have activation=false")
        for op in layers[:-1]
        if not op.activation
    ]
    learning = [
        _fault(op, f"%{op.name} learns and is not the last layer", "only the last layer can learn", "learning")
        for op in layers[:-1]
        if getattr(op, "learning", None) is not None
    ]
    return potentials + learning


def _check_windows(module: Module, layers: tuple[akida.Layer, ...]) -> list[Diagnostic]:
    """What the vendor's loader refuses."""
    return [fault for op in layers if isinstance(op, akida._Spatial) for fault in _window_faults(op, module)]


def _window_faults(op: akida._Spatial, module: Module) -> list[Diagnostic]:
    kernel = module.weights[op.weights].type.shape[1:3]
    faults = []
    if not isinstance(op, akida.InputConvolutional) and _larger(op.stride, kernel):
        message = f"%{op.name} has the stride {list(op.stride)} and the kernel {list(kernel)}"
        faults.append(_fault(op, message, "a stride is at most the kernel's size", "stride"))
    if op.pool == "max" and _larger(op.pool_stride, op.pool_size):
        message = f"%{op.name} has pool_stride {list(op.pool_stride)} and pool_size {list(op.pool_size)}"
        faults.append(_fault(op, message, "a pool_stride is at most the pool_size", "pool_stride"))
    return faults


def _larger(strides: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    return any(stride > size for stride, size in zip(strides, sizes))


def _check_steps(module: Module, layers: tuple[akida.Layer, ...]) -> list[Diagnostic]:
    """Steps that make the vendor's loader refuse the file or its simulator stop the process."""
    faults = []
    for op in layers:
        steps: Any = np.ones(1) if op.act_step is None else module.array(op.act_step)
        bad = ~((steps >= 1 / 16) & (steps < 2**24))
        if bad.any():
            faults.append(
                _fault(
                    op,
                    f"act_step of %{op.name} is {steps[bad][0]} for filter {int(np.argmax(bad))}",
                    "an act_step is at least 0.0625 and below 16777216",
                    "act_step",
                )
            )
    return faults


_CHAIN_CHECKS = (_check_some, _check_links, _check_last, _check_windows, _check_steps)


def file_layers(module: Module) -> tuple[FileLayer, ...]:
    """All layers of the file, the input first."""
    layers = chain(module)
    names = layer_names(module, layers)
    first = module.net.types[layers[0].x]
    described = tuple(_describe(op, name, module) for op, name in zip(layers, names))
    if isinstance(layers[0], akida.InputConvolutional):
        return described
    return (_input_data(first, _free_name(layers[0].x, names)), *described)


def layer_names(module: Module, layers: tuple[akida.Layer, ...]) -> tuple[str, ...]:
    """The first source name of each layer, or the names of their values where those are not clear."""
    sources = [op.origin[0] if op.origin else op.name for op in layers]
    clear = "" not in sources and len({*sources, layers[0].x}) == len(sources) + 1
    return tuple(sources) if clear else tuple(op.name for op in layers)


def _free_name(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name += "_input"
    return name


def _input_data(kind: TensorType, name: str) -> FileLayer:
    parameters = {**dict(zip(SIZE_KEYS, kind.shape)), "input_bits": kind.element.bits, "input_signed": 0}
    return FileLayer(INPUT_DATA, name, parameters, ())


def _describe(op: akida.Layer, name: str, module: Module) -> FileLayer:
    kind = KIND_OF_OP[type(op)]
    parameters = _all_parameters(op, module)
    variables = (*_weights(op, kind, module), *_vectors(op, module), *_learning_vectors(op, module))
    return FileLayer(kind, name, {key: parameters[key] for key in kind.keys}, variables)


def _all_parameters(op: akida.Layer, module: Module) -> dict[str, int]:
    weights = module.weights[op.weights].type
    found = {
        "weights_bits": getattr(op, "weights_bits", None) or weights.element.bits,
        "act_bits": op.act_bits,
        "activation": int(op.activation),
        "units": op.type.shape[-1],
        "filters": op.type.shape[-1],
        "padding_value": getattr(op, "padding_value", 0),
        **dict(zip(SIZE_KEYS, module.net.types[op.x].shape)),
    }
    return {**found, **_window_parameters(op, weights.shape)} if isinstance(op, akida._Spatial) else found


def _window_parameters(op: akida._Spatial, weights: tuple[int, ...]) -> dict[str, int]:
    size, stride = (op.pool_size, op.pool_stride) if op.pool == "max" else ((-1, -1), (-1, -1))
    return {
        "kernel_width": weights[1],
        "kernel_height": weights[2],
        "stride_x": op.stride[0],
        "stride_y": op.stride[1],
        "padding": PADDINGS[op.padding],
        "pool_type": POOLS[op.pool],
        "pooling_width": size[0],
        "pooling_height": size[1],
        "pooling_stride_x": stride[0],
        "pooling_stride_y": stride[1],
    }


def _weights(op: akida.Layer, kind: LayerKind, module: Module) -> list[Variable]:
    shape = module.net.types[op.x].shape
    found = []
    for name, key, order in weight_variables(kind):
        weight = module.weights[getattr(op, key)]
        data = np.ascontiguousarray(order.store(weight.array, shape), np.int8)
        found.append(Variable(name, _stored_type(op, weight.type.dtype), data.shape[::-1], data, COLUMN_MAJOR))
    return found


def _stored_type(op: akida.Layer, dtype: str) -> str:
    """The image layer may name other bits than its weights have; all but 1, 2 and 4 are stored as i8."""
    bits = getattr(op, "weights_bits", None)
    return dtype if bits is None else {1: "u1", 2: "i2", 4: "i4"}.get(bits, "i8")


def _vectors(op: akida.Layer, module: Module) -> list[Variable]:
    """threshold and act_step; both are written always, with the values that absence means."""
    count, found = op.type.shape[-1], []
    for (name, dtype), default in zip(VECTORS, (0, 1)):
        key = getattr(op, name)
        data = np.full(count, default) if key is None else module.array(key)
        found.append(_vector(name, dtype, data))
    return found


def _learning_vectors(op: akida.Layer, module: Module) -> list[Variable]:
    if not isinstance(op, akida.FullyConnected) or op.learning is None:
        return []
    learning, units = op.learning, op.type.shape[-1]
    start = int(np.floor(learning.num_weights * learning.initial_plasticity + 0.5))
    found = []
    for name, default in zip(LEARNING_VARIABLES, (0, start)):
        key = getattr(op, name)
        data = np.full(units, default) if key is None else module.array(key)
        found.append(_vector(name, "i32", data))
    return found


def _vector(name: str, dtype: str, data: Array) -> Variable:
    kind = np.float32 if dtype == "f32" else np.int32
    return Variable(name, dtype, data.shape, np.ascontiguousarray(data, kind), ROW_MAJOR)
