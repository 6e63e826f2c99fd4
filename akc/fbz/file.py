# SPDX-License-Identifier: Apache-2.0
"""The tables of a .fbz file as plain data, every offset checked; what they mean is decided in akc.fbz.reading."""

from __future__ import annotations

import re

import numpy as np
from attrs import field, frozen

from akc.base.diagnostics import error
from akc.base.flatbuffer import Array, Buffer, Table
from akc.fbz import schema
from akc.fbz.snappy import SnappyFault, unpack

SMALLEST_MODEL = 48
"""Bytes below which no model can be; an unpacked FlatBuffer often begins like a Snappy block of a few bytes."""


@frozen
class RawVariable:
    """A variable as it stands in the file; data are its bytes."""

    name: str
    shape: tuple[int, ...]
    data: Array = field(repr=False)
    element: int | None
    layout: int


@frozen
class RawLayer:
    """A layer as it stands in the file. inbounds: None where the file leaves them out."""

    name: str
    parameters: dict[str, int]
    variables: dict[str, RawVariable]
    inbounds: tuple[str, ...] | None


@frozen
class RawModel:
    """A whole file. learning: None where the model was not compiled."""

    version: str
    layers: tuple[RawLayer, ...]
    learning: dict[str, float] | None


def read_raw(data: bytes, name: str) -> RawModel:
    """Unpack a file and take its tables apart; raises DiagnosticError AKC0340 to AKC0343."""
    help = "save the model again from the vendor's SDK; a download may have been cut short"
    inside = " of its unpacked content"
    buffer = Buffer(name, _unpacked(data, name), prefix=0, code="AKC0341", inside=inside, help=help)
    root = buffer.root()
    version = root.string(schema.MODEL_VERSION) or "0"
    _check_version(name, version)
    if root.at(schema.MODEL_LAYERS) is None:
        buffer.fail(root.position, "there is no list of layers")
    layers = tuple(_layer(buffer, table) for table in root.tables(schema.MODEL_LAYERS))
    learning = root.table(schema.MODEL_LEARNING)
    return RawModel(version, layers, None if learning is None else _entries(buffer, learning, 0, "d"))


def _unpacked(data: bytes, name: str) -> bytes:
    try:
        content = unpack(data)
        if len(content) < SMALLEST_MODEL:
            raise SnappyFault(f"it unpacks to {len(content)} bytes, too few for a model")
        return content
    except SnappyFault as fault:
        raise error(
            "AKC0340",
            f"{name} is no .fbz file, or was cut short: {fault}",
            label=f"{len(data)} bytes, the first are {data[:8].hex(' ') or 'none'}",
            help="give a file that akida.Model.save wrote",
        ) from None


def _check_version(name: str, version: str) -> None:
    """The parts of a version are numbers, and its first two are known."""
    numbers = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    found = tuple(int(n) for n in numbers.groups("0")) if numbers else None
    if found is None or found[:2] > schema.KNOWN_VERSION[:2]:
        newest = ".".join(map(str, schema.KNOWN_VERSION))
        raise error(
            "AKC0342",
            f"{name} was written by version {version!r} of the vendor's SDK",
            label=f"akc knows files up to {newest}",
            help=f"save the model with SDK {newest} or an older one",
        )


def _layer(buffer: Buffer, table: Table) -> RawLayer:
    name = table.string(schema.LAYER_NAME)
    if not name:
        buffer.fail(table.position, "a layer has no name")
    if table.at(schema.LAYER_VARIABLES) is None:
        buffer.fail(table.position, f"layer {name!r} has no list of variables")
    parameters = table.need(schema.LAYER_PARAMETERS, f"parameters of layer {name!r}")
    _refuse_old_form(buffer, parameters, name)
    entries = parameters.need(schema.PARAMETERS_MAP, f"parameters of layer {name!r}")
    variables = [_variable(buffer, v, name) for v in table.tables(schema.LAYER_VARIABLES)]
    return RawLayer(
        name,
        {key: int(value) for key, value in _entries(buffer, entries, schema.MAP_ENTRIES, "i").items()},
        {variable.name: variable for variable in variables},
        _inbounds(buffer, table),
    )


def _refuse_old_form(buffer: Buffer, parameters: Table, name: str) -> None:
    if parameters.at(schema.PARAMETERS_OLD) is None and parameters.at(schema.PARAMETERS_OLD_KIND) is None:
        return
    raise error(
        "AKC0343",
        f"{buffer.name} keeps the parameters of layer {name!r} in the form of SDKs before 2.4.0",
        help="load it with SDK 2.4.0 or later and save it again",
        origin=(name,),
    )


def _entries(buffer: Buffer, table: Table, slot: int, form: str) -> dict[str, float]:
    """A vector of (key, number) tables."""
    if table.at(slot) is None:
        buffer.fail(table.position, "there are no parameters")
    found: dict[str, float] = {}
    for entry in table.tables(slot):
        key = entry.string(schema.ENTRY_KEY)
        if not key or key in found:
            buffer.fail(entry.position, "a parameter has no name, or one that is taken")
        found[key] = entry.number(schema.ENTRY_VALUE, form)
    return found


def _variable(buffer: Buffer, table: Table, layer: str) -> RawVariable:
    name = table.string(schema.VARIABLE_NAME)
    shape = table.vector(schema.VARIABLE_SHAPE, "u4")
    data = table.vector(schema.VARIABLE_DATA, "u1")
    if not name or shape is None or data is None:
        buffer.fail(table.position, f"a variable of layer {layer!r} has no name, no shape or no data")
    element = table.number(schema.VARIABLE_ELEMENT, "B", None)
    layout = int(table.number(schema.VARIABLE_LAYOUT, "B"))
    return RawVariable(name, tuple(int(n) for n in shape), np.asarray(data, np.uint8), element, layout)


def _inbounds(buffer: Buffer, table: Table) -> tuple[str, ...] | None:
    place = table.at(schema.LAYER_INBOUNDS)
    if place is None:
        return None
    first, count = buffer.elements(buffer.forward(place), 4)
    names = []
    for index in range(count):
        start, length = buffer.elements(buffer.forward(first + 4 * index), 1)
        names.append(buffer.data[start : start + length].decode("utf-8", "replace"))
    return tuple(names)
