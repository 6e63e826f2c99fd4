# SPDX-License-Identifier: Apache-2.0
"""`akc run --stream`: answers as they come, and the latency at the end, on stderr."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import numpy as np

from akc.base.diagnostics import DiagnosticError
from akc.base.files import FOLDER_HELP, reason, unwritable, write_stream
from akc.base.stopping import ReaderGone, unwinding
from akc.cli.session import say, tell
from akc.compiler.running import refuse_elided
from akc.compiler.source_files import check_files
from akc.compiler.sources import read_source
from akc.compiler.stream.answers import Answering, Answers, chunks, entry_of
from akc.compiler.stream.sources import Windows, open_stream
from akc.sim.run import Runner


def run(
    file: str,
    bin: float | None,
    fresh: bool,
    *,
    inputs: str | None,
    output: str | None,
    raw: bool,
    on: str,
    batch: int,
    clock: bool,
) -> None:
    """A network on a stream, on the simulator or on a device."""
    given = inputs or "-"
    if given == file == "-":
        raise click.UsageError("stdin is the network; give the stream with -i")
    if output is not None and output.endswith(".npz"):
        raise click.UsageError("a stream's answers are .npy arrays one after the other; give -o another name")
    check_files([file, given], [output])
    with unwinding(), _runner(file, on, batch, clock, remember=not fresh) as runner, _writer(output) as write:
        _answer(runner, given, bin, raw, write, fresh)


@contextmanager
def _runner(file: str, on: str, batch: int, clock: bool, remember: bool) -> Iterator[Runner]:
    if on != "simulator":
        from akc.cli import device_verbs

        with device_verbs.opened(file, on, batch, clock, remember) as runner:
            yield runner
        return
    module = read_source(file)
    refuse_elided(module)
    states = Runner(module).states
    yield Runner(module, remember=remember and bool(states))


def _answer(runner: Runner, given: str, bin: float | None, raw: bool, write: Any, fresh: bool) -> None:
    entry = entry_of(runner.raw_entries if raw else runner.module.net.inputs)
    windows = Windows(entry)
    say(_told(runner, windows.steps, fresh))
    answering = Answering(runner, entry, raw, write)
    try:
        answering.run(chunks(open_stream(given), entry, windows, bin))
    finally:
        answers = answering.latency
        say(f"stream: {answers.count} answer(s), {answers.told()}" if answers.count else "stream: no answers")
    if len(windows.waiting):
        tell(f"stream: {len(windows.waiting)} step(s) at the end are no whole window of {windows.steps}, left out")


def _told(runner: Runner, steps: int | None, fresh: bool) -> str:
    """What is answered at once, and what goes on from one answer to the next."""
    window = "an answer a sample" if steps is None else f"an answer every {steps} time steps"
    if not runner.states:
        return f"stream: {window}; nothing is remembered from one to the next"
    shown = ", ".join(f"%{name}" for name in runner.states[:5]) + (" ..." if len(runner.states) > 5 else "")
    return (
        f"stream: {window}; the state of {shown} {'starts anew in each' if fresh else 'goes on from one to the next'}"
    )


# -- what is written -------------------------------------------------------------------------------


@contextmanager
def _writer(output: str | None) -> Iterator[Callable[[Answers], None]]:
    """What writes answers: as lines of numbers, or as .npy arrays one after the other."""
    if output is None:
        yield _print
    elif output == "-":
        yield lambda answers: write_stream("-", _npy(answers))
    else:
        try:
            file = open(output, "wb", buffering=0)  # noqa: SIM115
        except OSError as fault:
            raise DiagnosticError(unwritable(output, reason(fault), FOLDER_HELP)) from None
        with file:
            yield lambda answers: _write(file, output, answers)


def _write(file: io.RawIOBase, name: str, answers: Answers) -> None:
    try:
        rest = memoryview(_npy(answers))
        while rest:
            rest = rest[file.write(rest) :]
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as fault:
        raise DiagnosticError(unwritable(name, reason(fault), "make room there, or write elsewhere")) from None


def _npy(answers: Answers) -> bytes:
    """An array for each output, in the network's order."""
    stream = io.BytesIO()
    for values in answers.values():
        np.save(stream, values)
    return stream.getvalue()


def _print(answers: Answers) -> None:
    """A line for each answer, its numbers apart by commas; where there are several outputs, their names in front."""
    for sample in zip(*answers.values(), strict=True):
        for name, values in zip(answers, sample, strict=True):
            numbers = [str(value) for value in values.ravel()]
            print(",".join(([name] if len(answers) > 1 else []) + numbers))
    sys.stdout.flush()
