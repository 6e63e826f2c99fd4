# SPDX-License-Identifier: Apache-2.0
"""Read the vendor's model file (.fbz) with layers of Akida 1.0 as a quantised module (docs/fbz.md).

The file knows nothing of the source network's own numbers, so the input of the net takes the chip's
integers: levels of InputData, or 8-bit pixels of InputConvolutional. A last layer without activation
is followed by host.decode, as in the vendor's `predict`; else levels come out.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.fbz import schema
from akc.fbz.file import RawLayer, RawModel, RawVariable, read_raw
from akc.fbz.orders import Array, weight_variables
from akc.fbz.schema import LayerKind
from akc.ir.module import Module, Net, Op, Sequence, Statement, Value, fresh_name
from akc.ir.names import text_name
from akc.ir.ops import akida, host
from akc.ir.signature import TypeFault, Types
from akc.ir.types import ELEMENT_TYPES, TensorType
from akc.ir.weights import Weight


def read(data: bytes, name: str = "model.fbz") -> Module:
    """The module of a .fbz file; the vendor's layer names are kept as origins.

    name: the file's name, for messages and for the name of the net.
    Raises DiagnosticError: AKC0340 (no such file, or cut), AKC0341 (damaged), AKC0342 (newer SDK), AKC0343
    (form of old SDKs), AKC0344 (not a chain of Akida 1.0 layers), AKC0345 (a layer contradicts itself).
    """
    raw = read_raw(data, name)
    kinds = _kinds(raw, name)
    builder = _Builder(raw, kinds)
    for layer, kind in zip(raw.layers, kinds):
        builder.add(layer, kind)
    return builder.module(text_name(PurePath(name).name.partition(".")[0], "network"))


# -- the chain -------------------------------------------------------------------------------------


def _kinds(raw: RawModel, name: str) -> list[LayerKind]:
    """The kind of each layer, once they are proved to be one chain with an input first."""
    faults = [fault for index in range(len(raw.layers)) for fault in _place_faults(raw, index)]
    if not any(layer.parameters.get("layer_type") != schema.INPUT_DATA.code for layer in raw.layers):
        faults.append(Diagnostic(code="AKC0344", message=f"{name} holds no layer that computes anything"))
    if faults:
        raise DiagnosticError(faults)
    return [schema.KIND_OF_CODE[layer.parameters["layer_type"]] for layer in raw.layers]


def _place_faults(raw: RawModel, index: int) -> list[Diagnostic]:
    layer = raw.layers[index]
    code = layer.parameters.get("layer_type", 0)
    if code not in schema.KIND_OF_CODE:
        known = ", ".join(kind.name for kind in schema.LAYER_KINDS)
        return [
            _fault(
                layer,
                f"layer {layer.name!r} has the type {code}, which is none of Akida 1.0",
                "AKC0344",
                f"the layers of Akida 1.0 are {known}; models of version 2 do not run on an AKD1000",
            )
        ]
    faults = []
    if (index == 0) != (code in (1, 2)):
        what = "needs a layer in front of it" if index == 0 else "is an input amid other layers"
        faults.append(_fault(layer, f"layer {layer.name!r} ({schema.KIND_OF_CODE[code].name}) {what}", "AKC0344"))
    wanted = (raw.layers[index - 1].name,) if index else ()
    if layer.inbounds is not None and layer.inbounds != wanted:
        found = ", ".join(repr(name) for name in layer.inbounds) or "nothing"
        faults.append(
            _fault(
                layer,
                f"layer {layer.name!r} reads {found}, not the layer before it",
                "AKC0344",
                "layers of Akida 1.0 form one chain; branches do not run on an AKD1000",
            )
        )
    if layer.name in [other.name for other in raw.layers[:index]]:
        faults.append(_fault(layer, f"two layers have the name {layer.name!r}", "AKC0344"))
    return faults


WAYS_OUT = {
    "AKC0344": "an AKD1000 runs one chain: InputData or InputConvolutional, then layers that each read the one before",
    "AKC0345": "make and save the model again with the vendor's SDK, which does not load this file either",
}


def _fault(layer: RawLayer, message: str, code: str = "AKC0345", help: str = "") -> Diagnostic:
    return Diagnostic(code=code, message=message, help=help or WAYS_OUT[code], origin=(layer.name,))


LARGEST_DEFAULT = 2**26
"""Elements of the largest variable that may be left out; no layer that fits a chip is near it."""


class _Refusal(ValueError):
    """A layer contradicts itself; the text says how, without its name."""


# -- parameters ------------------------------------------------------------------------------------


@frozen
class _Limit:
    """What a parameter may be; `test` is given its number."""

    keys: tuple[str, ...]
    test: Callable[[int], bool]
    says: str
    help: str = ""


def _at_least(low: int) -> Callable[[int], bool]:
    return lambda number: number >= low


SOFTWARE_ONLY = "change the model; the vendor's SDK may simulate it, but no AKD1000 runs it"

LIMITS = (
    _Limit((*schema.SIZE_KEYS, "filters", "units", "stride_x", "stride_y"), _at_least(1), "at least 1"),
    _Limit(("kernel_width", "kernel_height"), lambda n: n > 0 and n % 2 == 1, "odd"),
    _Limit(("act_bits",), lambda n: n in (1, 2, 4), "1, 2 or 4"),
    _Limit(("padding",), lambda n: n in (0, 1), "0 (valid) or 1 (same); 2 is Padding.SameUpper", SOFTWARE_ONLY),
    _Limit(("pool_type",), lambda n: n in (0, 1, 2), "0 (none), 1 (max) or 2 (average)"),
    _Limit(("padding_value",), lambda n: 0 <= n <= 255, "0 to 255"),
    _Limit(
        ("input_bits",), lambda n: 1 <= n <= 4, "1 to 4; 8-bit images enter through InputConvolutional", SOFTWARE_ONLY
    ),
    _Limit(("input_signed",), lambda n: n == 0, "0: Akida 1.0 takes no signed input", SOFTWARE_ONLY),
)
LIMIT_OF = {key: limit for limit in LIMITS for key in limit.keys}


def _parameter_faults(layer: RawLayer, kind: LayerKind) -> list[Diagnostic]:
    wanted, found = {*kind.keys, "layer_type"}, set(layer.parameters)
    name = f"layer {layer.name!r} ({kind.name})"
    faults = [_fault(layer, f"{name} has no parameter {key}") for key in sorted(wanted - found)]
    faults += [_fault(layer, f"{name} has a parameter {key} that is unknown") for key in sorted(found - wanted)]
    for key in kind.keys:
        limit, number = LIMIT_OF.get(key), layer.parameters.get(key)
        if limit is not None and number is not None and not limit.test(number):
            faults.append(_fault(layer, f"{name} has {key} {number}; must be {limit.says}", help=limit.help))
    if "weights_bits" in kind.keys and not _weights_bits_fit(layer.parameters.get("weights_bits", 1), kind):
        faults.append(
            _fault(layer, f"{name} has weights_bits {layer.parameters['weights_bits']}; must be 1, 2, 4 or 8")
        )
    return faults


def _weights_bits_fit(bits: int, kind: LayerKind) -> bool:
    return bits >= 1 if kind.op is akida.InputConvolutional else bits in schema.WEIGHT_TYPES


def _word(table: dict[str, int], code: int) -> str:
    return next(word for word, number in table.items() if number == code)


def _window_fields(p: dict[str, int]) -> dict[str, object]:
    found: dict[str, object] = {
        "stride": (p["stride_x"], p["stride_y"]),
        "padding": _word(schema.PADDINGS, p["padding"]),
        "pool": _word(schema.POOLS, p["pool_type"]),
    }
    if found["pool"] == "max":
        size = (p["pooling_width"], p["pooling_height"])
        steps = (p["pooling_stride_x"], p["pooling_stride_y"])
        stride = tuple(n if step == -1 else step for n, step in zip(size, steps))
        if min(*size, *stride) < 1:
            raise _Refusal(f"max pooling of the size {list(size)} by steps of {list(stride)}")
        found |= {"pool_size": size, "pool_stride": stride}
    return found


def _fields(p: dict[str, int], kind: LayerKind) -> dict[str, object]:
    """The fields of the operation that parameters give."""
    found: dict[str, object] = {"act_bits": p["act_bits"], "activation": bool(p["activation"])}
    if "padding" in p:
        found |= _window_fields(p)
    if kind.op is akida.InputConvolutional:
        odd = p["weights_bits"] if p["weights_bits"] not in schema.WEIGHT_TYPES else None
        found |= {"padding_value": p["padding_value"], "weights_bits": odd}
    return found


# -- variables -------------------------------------------------------------------------------------


def _stored_shapes(p: dict[str, int], kind: LayerKind, x: TensorType) -> dict[str, tuple[int, ...]]:
    """Shape (k0, k1, channels, filters) of each weight variable."""
    if kind.op is akida.FullyConnected:
        return {"weights": (1, 1, x.size, p["units"])}
    kernel, channels = (p["kernel_width"], p["kernel_height"]), x.shape[2]
    if kind.op is akida.SeparableConvolutional:
        return {"weights": (*kernel, channels, 1), "weights_pw": (1, 1, channels, p["filters"])}
    return {"weights": (*kernel, channels, p["filters"])}


def _numbers(variable: RawVariable, shape: tuple[int, ...], dtype: str) -> Array:
    """A variable's numbers in C order of `shape`; raises _Refusal."""
    expected = shape[::-1] if variable.layout == schema.COLUMN_MAJOR else shape
    if variable.layout not in (schema.COLUMN_MAJOR, schema.ROW_MAJOR) or variable.shape != expected:
        raise _Refusal(f"the variable {variable.name} has the shape {list(variable.shape)}, {list(expected)} is needed")
    code = schema.ELEMENT_OF[dtype].code
    width = schema.ELEMENT_OF[dtype].numpy
    if width.itemsize > 1 and variable.element != code:
        raise _Refusal(f"the variable {variable.name} has elements of type {variable.element}, {code} is needed")
    if variable.data.size != prod(shape) * width.itemsize:
        raise _Refusal(f"the variable {variable.name} has {variable.data.size} bytes for the shape {list(shape)}")
    return np.frombuffer(variable.data.tobytes(), width).reshape(shape)


def _weight(variable: str, numbers: Array, dtype: str) -> Weight:
    try:
        return Weight.of(numbers, dtype)
    except ValueError:
        element = ELEMENT_TYPES[dtype]
        found = f"{numbers.min()} to {numbers.max()}"
        message = f"the variable {variable} holds {found}, {element.bits} bits are {element.low} to {element.high}"
        raise _Refusal(message) from None


def _filled(shape: tuple[int, ...], number: int, dtype: npt.DTypeLike) -> Array:
    """The default of a variable that the file leaves out."""
    if prod(shape) > LARGEST_DEFAULT:
        raise _Refusal(f"a variable of the shape {list(shape)} is missing")
    return np.full(shape, number, dtype)


def _check_steps(steps: Array) -> None:
    bad = ~((steps.astype(np.float64) >= 1 / 16) & (steps.astype(np.float64) < 2**24))
    if bad.any():
        raise _Refusal(f"the variable act_step holds {steps[bad][0]}; a step is at least 0.0625 and below 16777216")


class _Builder:
    """Collects operations and weights of a chain, and the faults of its layers."""

    def __init__(self, raw: RawModel, kinds: list[LayerKind]) -> None:
        self.raw, self.kinds = raw, kinds
        self.weights: dict[str, Weight] = {}
        self.ops: list[Op] = []
        self.faults: list[Diagnostic] = []
        self.input: Value | None = None
        self.names: set[str] = set()

    def add(self, layer: RawLayer, kind: LayerKind) -> None:
        """Add a layer; its faults are kept, and the layers after it are only checked for theirs."""
        faults = _parameter_faults(layer, kind)
        self.faults += faults
        if self.faults:
            return
        try:
            self._set_input(layer, kind)
            if kind.op is not None:
                self._add_op(layer, kind)
        except (_Refusal, TypeFault) as fault:
            self.faults.append(_fault(layer, f"layer {layer.name!r} ({kind.name}): {fault}"))

    def module(self, name: str) -> Module:
        """The whole module; raises DiagnosticError with all faults."""
        if self.faults:
            raise DiagnosticError(self.faults)
        assert self.input is not None
        last = self.ops[-1]
        statements: list[Statement] = [Sequence(name="s0", ops=tuple(self.ops))]
        if isinstance(last, akida.Layer) and not last.activation:
            last = self._decode(last)
            statements.append(last)
        net = Net(
            name=name,
            inputs=(self.input,),
            statements=tuple(statements),
            outputs=(last.name,),
            output_types=(last.type,),
        )
        return Module(net=net, weights=self.weights)

    def _decode(self, last: akida.Layer) -> Op:
        result = Value(fresh_name("output", self.names), TensorType("f32", last.type.shape))
        op = host.Decode(
            result=result, x=last.name, threshold=last.threshold, act_step=last.act_step, origin=last.origin
        )
        return evolve(op, result=Value(result.name, op.infer(self._types())))

    def _name(self, source: str) -> str:
        name = fresh_name(text_name(source, "layer"), self.names)
        self.names.add(name)
        return name

    def _types(self) -> Types:
        values = [v for v in (self.input, *(op.result for op in self.ops)) if v is not None]
        return Types({v.name: v.type for v in values}, {name: w.type for name, w in self.weights.items()})

    def _set_input(self, layer: RawLayer, kind: LayerKind) -> None:
        if self.input is None:
            p = layer.parameters
            image = kind.op is not None
            shape = tuple(p[key] for key in schema.SIZE_KEYS)
            name = self._name("input" if image else layer.name)
            self.input = Value(name, TensorType("u8" if image else f"u{p['input_bits']}", shape))

    def _add_op(self, layer: RawLayer, kind: LayerKind) -> None:
        assert kind.op is not None and self.input is not None
        x = self.ops[-1].result if self.ops else self.input
        name = self._name(layer.name)
        fields: dict[str, Any] = {"x": x.name, **_fields(layer.parameters, kind)}
        fields |= self._variables(layer, kind, name, x.type)
        op = kind.op(result=Value(name, x.type), origin=(layer.name,), **fields)
        self.ops.append(evolve(op, result=Value(name, op.infer(self._types()))))

    def _variables(self, layer: RawLayer, kind: LayerKind, name: str, x: TensorType) -> dict[str, object]:
        """Weights of the module from a layer's variables, and the fields that name them."""
        filters = layer.parameters.get("units") or layer.parameters["filters"]
        found = self._weight_fields(layer, kind, name, x)
        learning = self._learning(layer, kind)
        vectors = (*schema.VECTORS, *((key, "i32") for key in schema.LEARNING_VARIABLES if learning is not None))
        for key, dtype in vectors:
            if key in layer.variables or key in dict(schema.VECTORS):
                numbers = self._vector(layer, key, dtype, filters)
                found[key] = self._keep(f"{name}.{key}", _weight(key, numbers, dtype))
        unknown = sorted(set(layer.variables) - {*kind.variables, *(key for key, _ in vectors)})
        if unknown:
            raise _Refusal(f"there is a variable {unknown[0]} that the layer does not have")
        return {**found, **({} if learning is None else {"learning": learning})}

    def _keep(self, name: str, weight: Weight) -> str:
        self.weights[name] = weight
        return name

    def _weight_fields(self, layer: RawLayer, kind: LayerKind, name: str, x: TensorType) -> dict[str, object]:
        shapes = _stored_shapes(layer.parameters, kind, x)
        dtype = schema.WEIGHT_TYPES.get(layer.parameters["weights_bits"], "i8")
        found: dict[str, object] = {}
        for key, field, order in weight_variables(kind):
            raw = layer.variables.get(key)
            stored = _filled(shapes[key], 0, np.int8) if raw is None else _numbers(raw, shapes[key], dtype)
            weight = _weight(key, np.ascontiguousarray(order.load(stored, x.shape)), dtype)
            found[field] = self._keep(f"{name}.{field}", weight)
        return found

    def _vector(self, layer: RawLayer, key: str, dtype: str, count: int) -> Array:
        raw = layer.variables.get(key)
        if raw is None:
            return _filled((count,), 1 if key == "act_step" else 0, schema.ELEMENT_OF[dtype].numpy)
        numbers = _numbers(evolve(raw, layout=schema.ROW_MAJOR), (count,), dtype)
        if key == "act_step":
            _check_steps(numbers)
        return numbers

    def _learning(self, layer: RawLayer, kind: LayerKind) -> akida.Learning | None:
        """Learning parameters, which the file keeps beside the layers, for the last layer."""
        values = self.raw.learning
        if values is None or layer is not self.raw.layers[-1]:
            return None
        missing = sorted({*schema.LEARNING_KEYS, "learning_type"} - set(values))
        if missing:
            raise _Refusal(f"the learning parameter {missing[0]} is missing")
        if values["learning_type"] != 0 or kind.op is not akida.FullyConnected or layer.parameters["weights_bits"] != 1:
            raise _Refusal("only a last FullyConnected layer with 1-bit weights learns, and only unsupervised")
        if not all(0 <= values[key] <= 1 for key in schema.LEARNING_KEYS if not key.startswith("num_")):
            raise _Refusal("learning parameters other than numbers of weights and classes are from 0 to 1")
        counts = {key: int(values[key]) for key in ("num_weights", "num_classes")}
        if min(counts.values()) < 1:
            raise _Refusal("num_weights and num_classes are at least 1")
        settings: dict[str, Any] = {**{key: values[key] for key in schema.LEARNING_KEYS}, **counts}
        return akida.Learning(**settings)
