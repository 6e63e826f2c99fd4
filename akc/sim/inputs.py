# SPDX-License-Identifier: Apache-2.0
"""What a run is given: arrays by name, checked against the types of the values that they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.ir.module import Value
from akc.sim.registry import Array

Inputs = Mapping[str, Array] | Array
Values = dict[str, Array]


def bind_inputs(entries: Sequence[Value], inputs: Inputs) -> Values:
    """The arrays by name, each checked against its type; raises DiagnosticError with all that do not fit."""
    if not isinstance(inputs, Mapping):
        if len(entries) != 1:
            names = ", ".join(f"%{v.name}" for v in entries)
            raise error(
                "AKC0702",
                f"one array was given, the network has the inputs {names}",
                help="give a mapping from names to arrays, or an .npz file",
            )
        inputs = {entries[0].name: np.asarray(inputs)}
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    faults = [fault for v in entries for fault in _input_faults(v, arrays)]
    lengths = {len(arrays[v.name]) for v in entries if v.name in arrays and arrays[v.name].ndim}
    if not faults and len(lengths) > 1:
        faults = [Diagnostic(code="AKC0703", message=f"inputs have different numbers of samples: {sorted(lengths)}")]
    if lengths == {0}:
        faults = [Diagnostic(code="AKC0703", message="there are no samples: the batch is empty")]
    if faults:
        raise DiagnosticError(faults)
    return {v.name: np.ascontiguousarray(arrays[v.name], v.type.element.numpy) for v in entries}


def _input_faults(value: Value, arrays: Mapping[str, Array]) -> list[Diagnostic]:
    name, kind = value.name, value.type
    if name not in arrays:
        given = ", ".join(arrays) or "nothing"
        return [Diagnostic(code="AKC0702", message=f"there is no array for %{name}", label=f"given: {given}")]
    array = arrays[name]
    if array.ndim < 1 or array.shape[1:] != kind.full_shape:
        message = f"%{name} takes [batch, {', '.join(map(str, kind.full_shape))}], found {list(array.shape)}"
        return [Diagnostic(code="AKC0703", message=message, help="the first axis is the batch, also for one sample")]
    return _number_faults(value, array)


def _number_faults(value: Value, array: Array) -> list[Diagnostic]:
    element = value.type.element
    if element.low is None:
        if array.dtype.kind not in "fiub":
            return [Diagnostic(code="AKC0703", message=f"%{value.name} takes numbers, found {array.dtype}")]
        return [] if array.dtype.kind != "f" else _float_faults(value, array)
    if array.dtype.kind not in "iub":
        message = f"%{value.name} takes whole numbers ({element.name}), found {array.dtype}"
        return [Diagnostic(code="AKC0703", message=message, help="convert the array, such as with .astype(np.uint8)")]
    if array.size and (array.min() < element.low or array.max() > (element.high or 0)):
        found = f"{array.min()} to {array.max()}"
        message = f"%{value.name} takes {element.low} to {element.high} ({element.name}), found {found}"
        return [Diagnostic(code="AKC0703", message=message)]
    return []


LARGEST = 1e30
"""Numbers of a larger size do not survive a few products in float32, so that nothing computed from them is right."""


def _float_faults(value: Value, array: Array) -> list[Diagnostic]:
    if not array.size:
        return []
    largest = max(abs(float(array.min())), abs(float(array.max())))  # NaN stays NaN
    if largest <= LARGEST:
        return []
    what = "numbers that are NaN" if np.isnan(largest) else f"numbers as large as {largest:.3g}"
    help = "scale the samples to what the network was trained with"
    return [Diagnostic(code="AKC0703", message=f"the array for %{value.name} holds {what}", help=help)]


def pieces(values: Values, size: int) -> list[Values]:
    """The batch in parts of at most `size` samples."""
    batch = len(next(iter(values.values()))) if values else 0
    return [{n: a[i : i + size] for n, a in values.items()} for i in range(0, max(batch, 1), size)]
