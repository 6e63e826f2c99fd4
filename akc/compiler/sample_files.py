# SPDX-License-Identifier: Apache-2.0
"""Files of numpy, read by their own headers: what a header claims is held against what the file holds.

Formats: numpy.lib.format, versions 1 to 3 (.npy), and zip archives of such files (.npz).
"""

from __future__ import annotations

import ast
import io
import zipfile
from typing import Any

import numpy as np

from akc.base.budget import promise_member
from akc.base.checked import Array
from akc.base.diagnostics import DiagnosticError, error

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000
SAVE_ONE = "save one with numpy.save or numpy.savez; arrays of Python objects are not read"


class _Unreadable(ValueError):
    """Why the bytes are no array."""


def read_arrays(data: bytes, shown: str) -> dict[str, Array]:
    """The arrays of a file by name, "" for the only one of a .npy; raises DiagnosticError AKC0701, AKC0956."""
    if not data.startswith((MAGIC, b"PK")):
        raise error("AKC0701", f"{shown} is no .npy or .npz file{'' if data else ': it is empty'}", help=SAVE_ONE)
    try:
        return {"": _array(data)} if data.startswith(MAGIC) else _archive(data, shown)
    except _Unreadable as fault:
        raise error("AKC0701", f"{shown} cannot be read: {fault}", help=SAVE_ONE) from None


def _archive(data: bytes, shown: str) -> dict[str, Array]:
    found: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                promise_member(entry, shown)
                name, held = entry.filename.removesuffix(".npy"), archive.read(entry)
                if not held.startswith(MAGIC):
                    raise _Unreadable(f"{entry.filename} is no array")
                found[name] = _array(held, f"{name}: ")
    except (_Unreadable, DiagnosticError):
        raise
    except Exception as fault:  # damage, passwords and unknown methods: zipfile raises many kinds
        raise _Unreadable((str(fault) or type(fault).__name__).splitlines()[0]) from None
    return found


def _array(data: bytes, where: str = "") -> Array:
    major = data[6] if len(data) > 6 else 0
    if major not in (1, 2, 3) or len(data) < 12:
        raise _Unreadable(f"{where}the form {major} of .npy is not known, or the file is cut short")
    width = 2 if major == 1 else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > LONGEST_HEADER or start + length > len(data):
        raise _Unreadable(f"{where}its header of {length} bytes does not fit")
    kind, fortran, shape = _header(data[start : start + length], where)
    count, body = int(np.prod(shape, dtype=object)), len(data) - start - length
    if count * kind.itemsize > body:
        sizes = "x".join(map(str, shape))
        raise _Unreadable(f"{where}its header says {sizes} {kind}, {count * kind.itemsize} bytes, {body} are there")
    flat = np.frombuffer(data, kind, count, start + length)
    array: Array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return array.astype(kind.newbyteorder("="))


def _header(raw: bytes, where: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Element type, order and shape, from a Python dict as text."""
    try:
        fields = ast.literal_eval(raw.decode("utf-8").strip())
        kind, fortran, shape = np.dtype(fields["descr"]), fields["fortran_order"], fields["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as fault:
        raise _Unreadable(f"{where}its header is damaged ({type(fault).__name__})") from None
    if kind.hasobject:
        raise _Unreadable(f"{where}an array holds Python objects")
    good = isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and 0 <= n < 1 << 60 for n in shape)
    if kind.kind not in "biufcUS" or not kind.itemsize or not good or not isinstance(fortran, bool):
        raise _Unreadable(f"{where}it holds {kind}, shape {shape if good else 'unknown'}: numbers are needed")
    return kind, fortran, shape
