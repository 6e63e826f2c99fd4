# SPDX-License-Identifier: Apache-2.0
"""One run of the command line: where messages go, and what faults and bugs turn into."""

from __future__ import annotations

import atexit
import errno
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from akc.base.progress import PATIENCE, Show, silent
from akc.base.stopping import ReaderGone, Stopped, undo_when_stopped

if TYPE_CHECKING:
    from akc.base.diagnostics import Diagnostic, DiagnosticError

FAULT, BUG, INTERRUPTED = 1, 3, 130


class Quiet:
    """Whether only warnings and faults are told (`--quiet`)."""

    on = False


def say(text: str) -> None:
    """A line for the user that may be left out, on stderr."""
    if not Quiet.on:
        tell(text)


def tell(text: str) -> None:
    """A line that the user must see, on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_warnings(warnings: Iterable[Diagnostic]) -> None:
    """Warnings, each with its way out."""
    from akc.base.diagnostics import render

    for warning in warnings:
        tell(render(warning) + "\n")


def print_json(value: Any) -> None:
    """A product as JSON."""
    print(json.dumps(value, indent=1))


def closest(name: str, known: Iterable[str]) -> str | None:
    """What was meant, as a help line."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else None


def shown(file: str) -> str:
    """A file's name in messages."""
    return "<stdin>" if file == "-" else file


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """On a terminal, a line with the time that a piece of work has taken, once that is longer than PATIENCE."""
    if Quiet.on or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(what, done, time.monotonic()), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _watch(what: str, done: threading.Event, start: float) -> None:
    if done.wait(PATIENCE):
        return
    written = False
    while not done.wait(0.5):
        if not Bar.drawn and not Quiet.on:
            sys.stderr.write(f"\r{what}: {time.monotonic() - start:.0f} s ")
            sys.stderr.flush()
            written = True
    if written:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()


class Bar:
    """Whether a bar is on the terminal."""

    drawn = False


def progress_bar() -> Show:
    """A bar on a terminal, once the work takes longer than PATIENCE, and nothing elsewhere."""
    if Quiet.on or not sys.stderr.isatty():
        return silent
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("")
    atexit.register(bar.stop)  # the cursor must come back
    undo_when_stopped(bar.stop)

    start = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        if time.monotonic() - start < PATIENCE:
            return
        Bar.drawn = done < total
        bar.update(task, description=what, completed=done, total=total)
        bar.start()
        if done >= total:
            bar.stop()

    return show


def guarded(run: Callable[[], object]) -> int:
    """Run and give the exit code: faults of the input are printed, bugs leave a crash file."""
    code = _code_of(run)
    flushed = _code_of(lambda: sys.stdout.flush() if sys.stdout is not None else None)
    return code or flushed


def _code_of(run: Callable[[], object]) -> int:
    try:
        run()
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED
    except Stopped as stopped:
        tell("interrupted" if stopped.code == INTERRUPTED else "terminated")
        return stopped.code
    except ReaderGone:
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except Exception as fault:
        return _report(fault)
    return 0


def _report(fault: Exception) -> int:
    from akc.base.diagnostics import DiagnosticError, render_all

    if isinstance(fault, DiagnosticError):
        tell(render_all(fault.diagnostics))
        return FAULT
    machine = _fault_of_the_machine(fault)
    if machine is not None:
        tell(render_all(machine.diagnostics))
        return FAULT
    tell(f"error: this is a bug of akc, not of your input: {type(fault).__name__}: {fault}")
    tell(f"  = help: please report it with {_crash_file(fault)}")
    return BUG


def _fault_of_the_machine(fault: BaseException | None) -> DiagnosticError | None:
    """What ran out, where that is the reason of a fault: memory, disk, open files."""
    from akc.base.diagnostics import error
    from akc.base.files import reason

    while fault is not None:
        if isinstance(fault, MemoryError):
            return error("AKC0918", "there is not enough memory", help="close other programs, or give fewer samples")
        if isinstance(fault, OSError) and fault.errno in _RUN_OUT:
            where = f"{fault.filename}: " if fault.filename else ""
            return error("AKC0918", f"{where}{reason(fault)}", help="make room, and run it again")
        fault = fault.__cause__
    return None


_RUN_OUT = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS, errno.EIO)


def _crash_file(fault: Exception) -> str:
    """A file that re-runs the failing pass where that is known, with the traceback as comments; its name in words."""
    reproducer = getattr(fault, "reproducer", "")
    trace = "".join(traceback.format_exception(fault))
    head, _, body = reproducer.partition("\n")
    comments = "".join(f"// {line}\n" for line in [f"akc {' '.join(sys.argv[1:])}", *trace.splitlines()])
    try:
        handle, name = tempfile.mkstemp(prefix="akc-crash-", suffix=".akir", dir=_writable_folder())
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            text = f"{head.replace('crash.akir', Path(name).name)}\n{comments}{body}" if reproducer else comments
            stream.write(text)
    except OSError:
        return f"this, as no crash file can be written:\n{comments}"
    return f"the file {name}"


def _writable_folder() -> str:
    return "." if os.access(".", os.W_OK) else tempfile.gettempdir()
