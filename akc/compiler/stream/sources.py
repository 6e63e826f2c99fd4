# SPDX-License-Identifier: Apache-2.0
"""Where a stream comes from, which kind it is, and its chunks of .npy arrays."""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Iterator
from math import prod
from os import fstat
from time import perf_counter
from typing import IO, Any

import numpy as np
from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.files import LONGEST_STREAM, nearly, reason
from akc.ir.module import Array, Value

NPY, AEDAT = b"\x93NUMPY", b"#!AER-DAT"
"""How the kinds of streams begin; events as CSV begin with anything else."""


@frozen
class Chunk:
    """What one piece of a stream adds to it.

    windows: [n, *shape of the network's input], n may be 0; arrived: when all of it was there, s of perf_counter;
    what: its name in messages.
    """

    windows: Array
    arrived: float
    what: str


@frozen
class Stream:
    """An open stream. `shown`: its name in messages."""

    file: io.BufferedReader
    shown: str

    @property
    def kind(self) -> str:
        """npy, aedat or csv, by the first bytes, which are still to be read. Raises DiagnosticError AKC0707."""
        head = self.file.peek(len(AEDAT))[: len(AEDAT)]
        if not head:
            help = "look at what writes it: the program in front of the pipe may have failed"
            raise error("AKC0707", f"{self.shown} ends before its first chunk", help=help)
        kinds = {"npy": NPY, "aedat": AEDAT}
        return next((kind for kind, magic in kinds.items() if magic.startswith(head[: len(magic)])), "csv")


def open_stream(path: str) -> Stream:
    """A file, a pipe or stdin (-); raises DiagnosticError AKC0901."""
    if path == "-":
        if sys.stdin is None:
            raise error("AKC0901", "<stdin> is closed", help="give the name of a file")
        raw: Any = sys.stdin.buffer
        return Stream(raw if hasattr(raw, "peek") else io.BufferedReader(raw), "<stdin>")
    try:
        file = open(path, "rb")  # noqa: SIM115 - it is read until it ends
        if stat.S_ISDIR(fstat(file.fileno()).st_mode):
            raise IsADirectoryError(21, "is a directory")
        return Stream(file, path)
    except (OSError, ValueError) as fault:
        help = nearly(path) or "check the path; - reads from stdin"
        raise error("AKC0901", f"{path}: {reason(fault)}", help=help) from None


class Windows:
    """Cuts arrays into windows of the network's input; steps wait until a window is full."""

    def __init__(self, entry: Value) -> None:
        self.shape, self.steps = entry.type.full_shape, entry.type.steps
        self.waiting: Array = np.empty((0, *self.shape[1:])) if self.steps else np.empty(0)

    def of(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape with what is left out put in front, [n, *shape] or [k steps, *shape]; None if it does not fit."""
        takes = [(self.shape, 1), (self.shape, 0)]
        if self.steps:
            takes = [(self.shape, 1), (self.shape[1:], 1), (self.shape[1:], 0)]
        for inner, free in takes:
            if len(shape) == len(inner) + free and shape[free:] == inner:
                return shape if free else (1, *shape)
        return None

    def cut(self, array: Array) -> Array:
        """The windows that are full now, [n, *shape]; array: of a shape that `of` gives."""
        if array.ndim > len(self.shape):
            if not self.steps or not len(self.waiting):
                return array
            array = array.reshape(-1, *self.shape[1:])
        assert self.steps is not None
        waiting = np.concatenate([self.waiting, array]) if len(self.waiting) else array
        full = len(waiting) // self.steps
        self.waiting = waiting[full * self.steps :]
        return waiting[: full * self.steps].reshape(full, *self.shape)


def array_chunks(stream: Stream, entry: Value, windows: Windows) -> Iterator[Chunk]:
    """Chunks of a stream of .npy arrays. Raises DiagnosticError AKC0707, AKC0708."""
    number = 0
    while stream.file.peek(1):
        number += 1
        what = f"chunk {number} of {stream.shown}"
        array = _array(stream.file, what, entry, windows)
        yield Chunk(windows.cut(array), perf_counter(), what)


def _array(file: IO[bytes], what: str, entry: Value, windows: Windows) -> Array:
    """One array, its shape checked before its numbers are read."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ValueError(f"it is of version {version[0]}.{version[1]} of the format")
        shape, fortran, kind = read[version](file)
    except (ValueError, OSError) as fault:
        raise _damaged(what, str(fault).splitlines()[0]) from None
    if kind.hasobject or kind.names or kind.kind not in "fiub":
        raise error("AKC0708", f"{what} holds {kind}, not numbers", help="convert it, such as with .astype('float32')")
    full = windows.of(shape)
    size = prod(shape) * kind.itemsize
    if full is None or size > LONGEST_STREAM:
        raise DiagnosticError(_unfit(what, entry, shape, size > LONGEST_STREAM))
    data = file.read(size)
    if len(data) < size:
        raise _damaged(what, f"it ends after {len(data)} of {size} bytes")
    array = np.frombuffer(data, kind)
    return array.reshape(shape[::-1]).T.reshape(full) if fortran else array.reshape(full)


def _damaged(what: str, why: str) -> DiagnosticError:
    help = "numpy.save each array to an io.BytesIO, write its bytes whole, and flush the pipe"
    return error("AKC0707", f"{what} is damaged: {why}", help=help)


def _unfit(what: str, entry: Value, shape: tuple[int, ...], large: bool) -> Diagnostic:
    inner = ", ".join(map(str, entry.type.shape))
    steps = entry.type.steps
    takes = f"[n, {inner}] or [{inner}]" if steps is None else f"[n, {steps}, {inner}], [k, {inner}] or [{inner}]"
    found = f"found {list(shape)}"
    if large:
        return Diagnostic(code="AKC0708", message=f"{what} is too large, {found}", help="write smaller chunks")
    return Diagnostic(code="AKC0708", message=f"{what}: %{entry.name} takes {takes}, {found}", help=_SHAPES)


_SHAPES = "n samples, or one alone; where there are time steps, also k steps, which wait until a window is full"
