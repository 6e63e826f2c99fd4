# SPDX-License-Identifier: Apache-2.0
"""Lay out a .fbz model as a FlatBuffer, in the vendor's own order of objects and slots, and pack it.

The unpacked buffer equals what the vendor's `Model.to_buffer()` gives for the same model, byte for
byte; the packed file is any valid Snappy block, since that depends on the packer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cramjam
import flatbuffers
import numpy as np

from akc.fbz import schema
from akc.fbz.layers import FileLayer, Variable, chain, file_layers
from akc.ir.module import Module
from akc.ir.ops.akida import FullyConnected, Learning


def write(module: Module, version: str = schema.DEFAULT_VERSION) -> bytes:
    """The .fbz file of a module whose chip layers form one chain; border operations are left out.

    version: the SDK version that the file names; older SDKs than it refuse the file.
    Raises DiagnosticError AKC0640 with everything that keeps the module from being such a file.
    """
    return bytes(cramjam.snappy.compress_raw(to_buffer(module, version)))


def to_buffer(module: Module, version: str = schema.DEFAULT_VERSION) -> bytes:
    """The unpacked FlatBuffer of the file."""
    layers = file_layers(module)
    last = chain(module)[-1]
    builder = flatbuffers.Builder(_size_guess(layers))
    tables = [_layer(builder, layer, layers[i - 1].name if i else None) for i, layer in enumerate(layers)]
    learning = last.learning if isinstance(last, FullyConnected) else None
    learned = None if learning is None else _learning(builder, learning)
    vector = _vector(builder, tables)
    written_by = builder.CreateString(version)
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(schema.MODEL_VERSION, written_by, 0)
    if learned is not None:
        builder.PrependUOffsetTRelativeSlot(schema.MODEL_LEARNING, learned, 0)
    builder.PrependUOffsetTRelativeSlot(schema.MODEL_LAYERS, vector, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def _size_guess(layers: Iterable[FileLayer]) -> int:
    return 1024 + sum(variable.data.nbytes + 512 for layer in layers for variable in layer.variables)


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _layer(builder: Any, layer: FileLayer, inbound: str | None) -> int:
    name = builder.CreateString(layer.name)
    ordered = sorted(layer.variables, key=lambda variable: variable.name.encode())
    variables = _vector(builder, [_variable(builder, variable) for variable in ordered])
    parameters = _parameters(builder, {**layer.parameters, "layer_type": layer.kind.code})
    inbounds = _vector(builder, [] if inbound is None else [builder.CreateString(inbound)])
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(schema.LAYER_INBOUNDS, inbounds, 0)
    builder.PrependUOffsetTRelativeSlot(schema.LAYER_PARAMETERS, parameters, 0)
    builder.PrependUOffsetTRelativeSlot(schema.LAYER_VARIABLES, variables, 0)
    builder.PrependUOffsetTRelativeSlot(schema.LAYER_NAME, name, 0)
    return int(builder.EndObject())


def _variable(builder: Any, variable: Variable) -> int:
    name = builder.CreateString(variable.name)
    shape = builder.CreateNumpyVector(np.array(variable.shape, "<u4"))
    element = schema.ELEMENT_OF[variable.dtype]
    data = builder.CreateByteVector(np.ascontiguousarray(variable.data, element.numpy).tobytes())
    builder.StartObject(5)
    # The element type is written even where it is 0: its default is some other number.
    builder.PrependUint8Slot(schema.VARIABLE_ELEMENT, element.code, None)
    builder.PrependUOffsetTRelativeSlot(schema.VARIABLE_DATA, data, 0)
    builder.PrependUOffsetTRelativeSlot(schema.VARIABLE_SHAPE, shape, 0)
    builder.PrependUOffsetTRelativeSlot(schema.VARIABLE_NAME, name, 0)
    builder.PrependUint8Slot(schema.VARIABLE_LAYOUT, variable.layout, 0)
    return int(builder.EndObject())


def _entries(builder: Any, entries: dict[str, float], kind: str, created_last: str) -> int:
    """A vector of (key, value) tables sorted by key; one key is created after all others."""
    order = sorted(entries, key=lambda key: (key == created_last, key))
    tables = {}
    for key in order:
        name = builder.CreateString(key)
        builder.StartObject(2)
        getattr(builder, f"Prepend{kind}Slot")(schema.ENTRY_VALUE, entries[key], 0)
        builder.PrependUOffsetTRelativeSlot(schema.ENTRY_KEY, name, 0)
        tables[key] = int(builder.EndObject())
    return _vector(builder, [tables[key] for key in sorted(tables)])


def _parameters(builder: Any, values: dict[str, int]) -> int:
    entries = _entries(builder, dict(values), "Int32", "layer_type")
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(schema.MAP_ENTRIES, entries, 0)
    found = builder.EndObject()
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(schema.PARAMETERS_MAP, found, 0)
    return int(builder.EndObject())


def _learning(builder: Any, learning: Learning) -> int:
    values = {key: float(getattr(learning, key)) for key in schema.LEARNING_KEYS}
    entries = _entries(builder, {**values, "learning_type": 0.0}, "Float64", "learning_type")
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(schema.LEARNING_ENTRIES, entries, 0)
    return int(builder.EndObject())
