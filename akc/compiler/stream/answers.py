# SPDX-License-Identifier: Apache-2.0
"""Answer a stream: one run for each window where the network remembers, one for each chunk where it does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter

import numpy as np
from attrs import define, evolve, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.compiler.stream.events import Frames, aedat_events, csv_events, event_chunks
from akc.compiler.stream.sources import Chunk, Stream, Windows, array_chunks
from akc.ir.module import Array, Value
from akc.sim.run import Runner

Answers = dict[str, Array]

COUNTED = 100_000
"""Answers, the latest ones, of which the latency is told."""


@define
class Latency:
    """Seconds from the last byte that an answer needs until it was written."""

    seconds: deque[float] = field(factory=lambda: deque(maxlen=COUNTED))
    count: int = 0

    def add(self, seconds: float, answers: int) -> None:
        """So long for each of so many answers."""
        self.seconds.extend([seconds] * answers)
        self.count += answers

    def told(self) -> str:
        """`latency median 1.20 ms, 95th percentile 2.31 ms`, once there are answers."""
        median, late = (1000 * float(v) for v in np.percentile(list(self.seconds), (50, 95)))
        return f"latency median {median:.2f} ms, 95th percentile {late:.2f} ms"


def entry_of(entries: tuple[Value, ...]) -> Value:
    """The only input; raises DiagnosticError AKC0710 where there are several."""
    if len(entries) != 1:
        names = ", ".join(f"%{v.name}" for v in entries)
        help = "run it without --stream, from an .npz file"
        raise error("AKC0710", f"a stream feeds one input, the network has {names}", help=help)
    return entries[0]


def chunks(stream: Stream, entry: Value, windows: Windows, step_us: float | None) -> Iterator[Chunk]:
    """The chunks of a stream of any kind. Raises DiagnosticError AKC0313, AKC0707 to AKC0710."""
    kind = stream.kind
    if kind == "npy":
        yield from array_chunks(stream, entry, windows)
        return
    if step_us is None:
        help = "--bin 1000 makes steps of a millisecond; take the length of the steps that it was trained with"
        raise error("AKC0709", f"{stream.shown} holds events, and nothing says how long a time step is", help=help)
    tables = csv_events(stream) if kind == "csv" else aedat_events(stream)
    yield from event_chunks(tables, Frames(entry, step_us))


@frozen
class Answering:
    """A network that answers a stream.

    runner: one that remembers goes through windows one after the other; write: takes the answers of a chunk,
    arrays [n, *shape] by output name.
    """

    runner: Runner
    entry: Value
    raw: bool
    write: Callable[[Answers], None]
    latency: Latency = field(factory=Latency)

    def run(self, source: Iterator[Chunk]) -> None:
        """Answer every chunk before the next one is read. Raises DiagnosticError AKC0708 for what does not fit."""
        for chunk in source:
            for windows in self._parts(chunk.windows):
                self.write(self._answers(windows, chunk.what))
                self.latency.add(perf_counter() - chunk.arrived, len(windows))

    def _parts(self, windows: Array) -> Iterator[Array]:
        """At once where nothing is remembered, else one by one."""
        size = 1 if self.runner.remember else max(len(windows), 1)
        return (windows[n : n + size] for n in range(0, len(windows), size))

    def _answers(self, windows: Array, what: str) -> Answers:
        try:
            return self.runner.run({self.entry.name: windows}, self.raw)
        except DiagnosticError as fault:
            raise DiagnosticError([_in_chunk(d, what) for d in fault.diagnostics]) from None


def _in_chunk(found: Diagnostic, what: str) -> Diagnostic:
    """A fault of samples as one of a stream's chunk."""
    if found.code != "AKC0703":
        return found
    help = found.help or "every chunk holds numbers as the network's input takes them"
    return evolve(found, code="AKC0708", message=f"{what}: {found.message}", help=help)
