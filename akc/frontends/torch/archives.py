# SPDX-License-Identifier: Apache-2.0
"""What holds a PyTorch file together: the pickle of its objects, and the bytes of each storage.

torch.save writes a zip (archive/data.pkl, archive/data/0 ...); before PyTorch 1.6 it wrote pickles one behind the
other, and the storages behind them. Both are read here without torch: nothing is made that the file does not hold.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import define, field, frozen

from akc.base.budget import promise, promise_member

MAGIC = 0x1950A86A20F9469CFC6C
"""The number that a file of the old form begins with."""
MOST_OPCODES = 5_000_000
LARGEST_STORAGE = 1 << 40


class BadFile(ValueError):
    """The bytes are no PyTorch file, or a damaged one; the text says why."""


@frozen(eq=False)
class Storage:
    """A row of numbers that tensors look into. element: its dtype as PyTorch calls it ("" for plain bytes)."""

    key: str
    element: str
    count: int


@define
class Archive:
    """The pickle of a file, and what gives the bytes of a storage."""

    pickle: bytes
    bytes_of: Callable[[Storage, int], bytes]
    """bytes_of(storage, bytes that are needed); raises BadFile."""


Sizes = Callable[[bytes], dict[str, int]]


def open_archive(data: bytes, name: str, load: Callable[[bytes], Any], sizes: Sizes) -> Archive:
    """Either form. load: reads a pickle of plain values; sizes: bytes of each storage that a pickle names."""
    return _zip(data, name) if data[:2] == b"PK" else _old(data, load, sizes)


def _zip(data: bytes, name: str) -> Archive:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as fault:
        raise BadFile(str(fault)) from None
    members = {entry.filename: entry for entry in archive.infolist()}
    root = next((n.removesuffix("data.pkl") for n in members if n.endswith("data.pkl")), None)
    if root is None:
        raise BadFile("it has no data.pkl")

    def member(entry: zipfile.ZipInfo) -> bytes:
        promise_member(entry, name)
        try:
            return archive.read(entry)
        except Exception as fault:  # damage, encryption, unknown methods: zipfile raises many kinds
            raise BadFile(f"{entry.filename}: {fault}") from None

    order = members.get(f"{root}byteorder")
    if order is not None and (order.file_size > 16 or member(order).strip() != b"little"):
        raise BadFile("its numbers are not little endian")

    def bytes_of(storage: Storage, need: int) -> bytes:
        entry = members.get(f"{root}data/{storage.key}")
        if entry is None or entry.file_size < need:
            there = "is missing" if entry is None else f"has {entry.file_size} bytes, {need} are needed"
            raise BadFile(f"{root}data/{storage.key} {there}")
        return member(entry)

    return Archive(scanned(member(members[f"{root}data.pkl"])), bytes_of)


def _old(data: bytes, load: Callable[[bytes], Any], sizes: Sizes) -> Archive:
    stream = io.BytesIO(data)
    if load(next_pickle(stream)) != MAGIC:
        raise BadFile("it is neither a zip nor does it begin like a file of torch.save")
    for _ in ("version of the protocol", "system"):
        next_pickle(stream)
    objects = next_pickle(stream)
    keys = load(next_pickle(stream))
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise BadFile("it has no list of storages")
    places, named, at = {}, sizes(objects), stream.tell()
    for key in keys:
        begin, at = at + 8, at + 8 + named.get(key, 0)
        if key not in named or at > len(data):
            raise BadFile(f"storage {key} does not fit into the file")
        places[key] = data[begin:at]

    def bytes_of(storage: Storage, need: int) -> bytes:
        if len(places.get(storage.key, b"")) < need:
            raise BadFile(f"storage {storage.key} is missing or too short")
        return places[storage.key]

    return Archive(objects, bytes_of)


# -- pickles -----------------------------------------------------------------------------------------

_MEMO_SET = ("PUT", "BINPUT", "LONG_BINPUT")


def next_pickle(stream: io.BytesIO) -> bytes:
    """The bytes of the pickle at a stream's place, which it is left behind; raises BadFile."""
    start = stream.tell()
    _scan(stream)
    return stream.getvalue()[start : stream.tell()]


def scanned(data: bytes) -> bytes:
    """A pickle that takes no more memory than it is long: lengths and memo places stay within the file."""
    _scan(io.BytesIO(data))
    return data


def _scan(stream: io.BytesIO) -> None:
    count = 0
    try:
        for opcode, argument, position in pickletools.genops(stream):
            count += 1
            if opcode.name in _MEMO_SET and not 0 <= int(argument or 0) <= 2 * count + 256:
                raise BadFile(f"its pickle uses place {argument} of a memo at byte {position}")
            if opcode.name in _REFUSED or count > MOST_OPCODES:
                raise BadFile(f"its pickle has {opcode.name} at byte {position}")
    except BadFile:
        raise
    except Exception as fault:  # pickletools raises several kinds at damage
        raise BadFile(f"its pickle is damaged: {str(fault) or type(fault).__name__}") from None


_REFUSED = ("EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "BYTEARRAY8")
"""Opcodes that torch.save does not write."""

# -- tensors -----------------------------------------------------------------------------------------

ELEMENTS = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "bf16", "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
    "UntypedStorage": "u1",
    "float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "bf16", "int64": "i8", "int32": "i4", "int16": "i2",
    "int8": "i1", "uint8": "u1", "bool": "?", "uint16": "u2", "uint32": "u4", "uint64": "u8",
}  # fmt: skip
"""numpy's names of PyTorch's classes of storages, and of its dtypes; bf16: the upper half of a float32."""


def size_of(storage: Storage) -> int:
    """Its bytes; raises BadFile for elements that are not known."""
    kind = ELEMENTS.get(storage.element)
    if kind is None:
        raise BadFile(f"it holds numbers of the kind {storage.element}")
    return storage.count * (2 if kind == "bf16" else np.dtype(kind).itemsize)


@define(eq=False)
class Tensors:
    """Makes arrays of storages; `found`: the bytes that were read already."""

    archive: Archive
    name: str
    found: dict[str, Any] = field(factory=dict)

    def array(self, storage: Storage, offset: Any, shape: Any, stride: Any, element: str = "") -> Any:
        """The array of a tensor; raises BadFile where it leaves its storage, and AKC0956 where it is too large."""
        kind = ELEMENTS.get(element or storage.element)
        if kind is None:
            raise BadFile(f"it holds numbers of the kind {element or storage.element}")
        lengths, steps = _wholes(shape), _wholes(stride)
        if lengths is None or steps is None or len(lengths) != len(steps) or len(lengths) > 16:
            raise BadFile("a tensor has an impossible shape")
        if not isinstance(offset, int) or not 0 <= offset < LARGEST_STORAGE:
            raise BadFile("a tensor has an impossible place")
        size = 2 if kind == "bf16" else np.dtype(kind).itemsize
        total = int(np.prod(lengths, dtype=object))
        last = offset + sum((n - 1) * s for n, s in zip(lengths, steps)) if total else offset - 1
        promise(total * max(size, 4), f"{self.name}: a tensor {'x'.join(map(str, lengths))}")
        raw = self._raw(storage, (last + 1) * size)
        flat = np.frombuffer(raw[: len(raw) - len(raw) % size], "<u2" if kind == "bf16" else f"<{kind}")
        flat = flat[offset : last + 1] if total else flat[:0]
        if not total:
            return np.zeros(lengths, flat.dtype)
        strides = tuple(s * size for s in steps)
        view = np.lib.stride_tricks.as_strided(flat, lengths, strides, writeable=False)
        array = np.array(view, order="C")
        return (array.astype(np.uint32) << 16).view(np.float32) if kind == "bf16" else array

    def _raw(self, storage: Storage, need: int) -> bytes:
        if storage.key not in self.found:
            self.found[storage.key] = self.archive.bytes_of(storage, size_of(storage))
        data: bytes = self.found[storage.key]
        if len(data) < need:
            raise BadFile(f"a tensor reads {need} bytes of storage {storage.key}, which has {len(data)}")
        return data


def _wholes(values: Any) -> tuple[int, ...] | None:
    good = isinstance(values, tuple | list) and all(type(v) is int and 0 <= v < LARGEST_STORAGE for v in values)
    return tuple(values) if good else None


UNPICKLING = (pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError,
              ImportError, OverflowError, MemoryError, RecursionError, UnicodeDecodeError)  # fmt: skip
"""What Python's unpickler raises at damage."""
