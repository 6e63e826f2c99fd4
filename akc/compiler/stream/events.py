# SPDX-License-Identifier: Apache-2.0
"""Streams of events: CSV lines and AEDAT 4 packets, counted into the time steps of a network's input."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from threading import Thread
from time import perf_counter
from typing import Any

import numpy as np
from attrs import frozen

from akc.base.diagnostics import DiagnosticError, error
from akc.compiler.stream.sources import Chunk, Stream
from akc.ir.module import Array, Value

LONGEST_GAP = 100_000
"""Windows without an event after which the clock must have jumped."""


Numbers = np.ndarray[Any, np.dtype[Any]]


@frozen
class Events:
    """A table of events; what: its name in messages, with {} for the number of a row."""

    t: Numbers
    x: Numbers
    y: Numbers
    on: Numbers
    what: str
    first: int = 0

    def place(self, row: int) -> str:
        """Where a row came from."""
        return self.what.format(self.first + row)


class Frames:
    """Counts events into windows [T, *shape]; the first event starts the clock."""

    def __init__(self, entry: Value, step_us: float) -> None:
        """step_us: microseconds of a time step, or of a sample where the input has no time axis.

        Raises DiagnosticError AKC0710 for an input that is no picture and no row of channels."""
        self.entry, self.step = entry, step_us
        self.steps = entry.type.steps or 1
        self.layout = _layout(entry)
        self.start = self.last = 0.0
        self.current = -1
        self.window = np.zeros((self.steps, *entry.type.shape), np.float32)

    def add(self, events: Events) -> Iterator[Array]:
        """The windows [1, *shape] that these events close. Raises DiagnosticError AKC0709."""
        if not len(events.t):
            return
        if self.current < 0:
            self.start, self.last, self.current = float(events.t[0]), float(events.t[0]), 0
        self._check(events)
        self.last = float(events.t[-1])
        step = ((events.t - self.start) // self.step).astype(np.int64)
        windows = step // self.steps
        places = self._places(events)
        for window in np.unique(windows):
            yield from self._close(int(window), events)
            those = windows == window
            np.add.at(self.window, (step[those] % self.steps, *(p[those] for p in places)), 1)

    def rest(self) -> Iterator[Array]:
        """The window that the last event is in."""
        if self.current >= 0:
            yield self._take()

    def _close(self, window: int, events: Events) -> Iterator[Array]:
        if window - self.current > LONGEST_GAP:
            what, empty = events.place(0), window - self.current - 1
            message = f"{what} and those behind it: {empty} windows pass without an event, more than {LONGEST_GAP}"
            raise error("AKC0709", message, help="t is in microseconds; start the stream anew where the clock jumps")
        while self.current < window:
            yield self._take()
            self.current += 1

    def _take(self) -> Array:
        full = self.window.reshape(1, *self.entry.type.full_shape)
        self.window = np.zeros_like(self.window)
        return full

    def _places(self, events: Events) -> list[Array]:
        parts = {"x": events.x, "y": events.y, "p": events.on, "0": np.zeros_like(events.x)}
        return [parts[axis] for axis in self.layout]

    def _check(self, events: Events) -> None:
        before = np.concatenate([[self.last], events.t[:-1]])
        sizes = dict(zip(self.layout, self.entry.type.shape))
        width, height = sizes["x"], sizes.get("y", 1)
        tests = (
            (~(events.t >= before), "comes before the event in front of it", "sort the events by t"),
            ((events.x < 0) | (events.x >= width), f"has an x outside of 0..{width - 1}", _SENSOR),
            ((events.y < 0) | (events.y >= height), f"has a y outside of 0..{height - 1}", _SENSOR),
        )
        for wrong, says, help in tests:
            if wrong.any():
                raise error("AKC0709", f"{events.place(int(wrong.argmax()))} {says}", help=help)


_SENSOR = "cut or shrink the sensor's picture to the network's input in front of the pipe"


def _layout(entry: Value) -> str:
    """Which of x, y, polarity (0: one channel) each axis of a step is, such as pyx."""
    shape = entry.type.shape
    if len(shape) == 3 and shape[0] in (1, 2):
        return "pyx" if shape[0] == 2 else "0yx"
    if len(shape) == 3 and shape[2] in (1, 2):
        return "yxp" if shape[2] == 2 else "yx0"
    if len(shape) in (1, 2):
        return "yx"[-len(shape) :]
    message = f"events cannot be put into %{entry.name}, which is {entry.type}"
    raise error("AKC0710", message, help="make the tensors yourself, and send them as .npy arrays one after the other")


# -- CSV -------------------------------------------------------------------------------------------

COLUMNS = {"t": "t", "ts": "t", "time": "t", "timestamp": "t", "x": "x", "y": "y", "p": "p", "on": "p", "polarity": "p"}
PIECE = 1 << 16
"""Bytes that are read at once, if there are as many."""


def csv_events(stream: Stream) -> Iterator[Events]:
    """Tables of the lines t,x,y,p, whose first may name the columns. Raises DiagnosticError AKC0707, AKC0709."""
    order, line, rest = "", 1, b""
    while True:
        data = stream.file.read1(PIECE)
        *lines, rest = (rest + data).split(b"\n")
        if not data and rest:
            lines, rest = [rest], b""
        if len(rest) > PIECE:
            raise _no_events(stream, line)
        rows, first = _rows(lines), line
        line += len(lines)
        if rows and not order:
            order, named = _order(rows[0][1], stream)
            rows = rows[named:]
        if rows:
            yield _table(rows, order, stream, first)
        if not data:
            return


def _rows(lines: list[bytes]) -> list[tuple[int, list[bytes]]]:
    """Which of the lines hold something, and their words."""
    stripped = ((n, text.strip()) for n, text in enumerate(lines))
    return [(n, text.replace(b",", b" ").split()) for n, text in stripped if text and not text.startswith(b"#")]


def _order(words: list[bytes], stream: Stream) -> tuple[str, bool]:
    """Which columns there are, such as txyp, and whether the first line names them."""
    names = [COLUMNS.get(word.decode("latin-1").strip('"').lower(), "") for word in words]
    if all(names) and {"t", "x"} <= set(names) and len(set(names)) == len(names):
        return "".join(names), True
    usual = {4: "txyp", 2: "tx"}
    if len(words) not in usual or not _are_numbers(words):
        raise _no_events(stream, 1)
    return usual[len(words)], False


def _are_numbers(words: list[bytes]) -> bool:
    try:
        return bool(np.isfinite([float(word) for word in words]).all())
    except ValueError:
        return False


def _no_events(stream: Stream, line: int) -> DiagnosticError:
    return error(
        "AKC0707",
        f"line {line} of {stream.shown} is no event",
        help="a stream is .npy arrays, AEDAT 4, or lines t,x,y,p (or t,x), whose first may name its columns",
    )


def _table(rows: list[tuple[int, list[bytes]]], order: str, stream: Stream, first: int) -> Events:
    for n, words in rows:
        if len(words) != len(order) or not _are_numbers(words):
            raise _no_events(stream, first + n)
    table = np.array([words for _, words in rows], "S").astype(np.float64)
    columns = {name: table[:, n] for n, name in enumerate(order)}
    numbers = np.array([first + n for n, _ in rows])
    for name in order.replace("t", ""):
        wrong = columns[name] != np.floor(columns[name])
        if name == "p":
            wrong |= ~np.isin(columns[name], (-1, 0, 1))
        if wrong.any():
            says = "no polarity: 0 or 1" if name == "p" else "no whole number"
            place = f"line {numbers[wrong.argmax()]} of {stream.shown}"
            raise error("AKC0709", f"{place}: {name} is {columns[name][wrong.argmax()]:g}, {says}", help=_CSV)
    zeros = np.zeros(len(table), np.int64)
    x, y, p = (columns[name].astype(np.int64) if name in columns else zeros for name in "xyp")
    return Events(columns["t"], x, y, (p > 0).astype(np.int64), _PLACES.format(stream.shown), int(numbers[0]))


_CSV = "t is in microseconds, x and y count pixels from 0, p is 1 where it got brighter and else 0"
_PLACES = "line {{}} of {}"


# -- AEDAT 4 ---------------------------------------------------------------------------------------

DECODER = """
import sys, aedat, numpy
try:
    for packet in aedat.Decoder("/dev/stdin"):
        if "events" in packet:
            events = packet["events"]
            table = numpy.stack([events[name].astype(numpy.int64) for name in ("t", "x", "y", "on")])
            sys.stdout.buffer.write(len(events).to_bytes(8, "little") + table.tobytes())
            sys.stdout.flush()
except BaseException as fault:
    sys.exit(str(fault) or type(fault).__name__)
"""
"""A process of its own, because the library waits for bytes without letting anything else run, Ctrl-C included."""


def aedat_events(stream: Stream) -> Iterator[Events]:
    """Tables of the packets of events of an AEDAT 4 stream. Raises DiagnosticError AKC0313, AKC0707."""
    if find_spec("aedat") is None:
        raise error("AKC0313", "reading AEDAT 4 needs aedat", help='pip install "akc[events]"')
    command = [sys.executable, "-c", DECODER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as decoder:  # type: ignore[call-overload]
        try:
            Thread(target=_feed, args=(stream.file, decoder.stdin), daemon=True).start()
            number = 0
            while head := decoder.stdout.read(8):
                number += 1
                count = int.from_bytes(head, "little")
                t, x, y, on = np.frombuffer(decoder.stdout.read(32 * count), np.int64).reshape(4, count)
                yield Events(t.astype(np.float64), x, y, on, f"packet {number} of {stream.shown}, event {{}}")
            said = decoder.stderr.read().decode("utf-8", "replace").strip().splitlines()
            if decoder.wait():
                why = said[-1] if said else f"the decoder ended with {decoder.returncode}"
                help = "AEDAT 4 is read; older files are converted by DV"
                raise error("AKC0707", f"packet {number + 1} of {stream.shown} is damaged: {why}", help=help)
        finally:
            decoder.kill()


def _feed(file: io.BufferedReader, pipe: Any) -> None:
    """Hand over what comes, as it comes."""
    with suppress(OSError, ValueError):
        while data := file.read1(PIECE):
            pipe.write(data)
            pipe.flush()
    with suppress(OSError):
        pipe.close()


def event_chunks(tables: Iterator[Events], frames: Frames) -> Iterator[Chunk]:
    """Chunks of one window each; the last one when the stream ends."""
    what = ""
    for events in tables:
        arrived, what = perf_counter(), events.place(0)
        for window in frames.add(events):
            yield Chunk(window, arrived, what)
    for window in frames.rest():
        yield Chunk(window, perf_counter(), what)
