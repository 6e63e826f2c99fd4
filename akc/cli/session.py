# SPDX-License-Identifier: Apache-2.0
"""One run of the command line: where messages go, and what faults and bugs turn into."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

FAULT, BUG, INTERRUPTED = 1, 3, 130


def say(text: str) -> None:
    """A line for the user, on stderr."""
    print(text, file=sys.stderr, flush=True)


def progress_bar() -> Callable[[int, int, str], None]:
    """A callback (done, total, what) that draws a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda done, total, what: None
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("")
    atexit.register(bar.stop)  # after Ctrl-C in the middle the cursor must come back

    def show(done: int, total: int, what: str) -> None:
        bar.start()
        bar.update(task, description=what, completed=done, total=total)
        if done >= total:
            bar.stop()

    return show


def guarded(run: Callable[[], object]) -> int:
    """Run and give the exit code: faults of the input are printed, bugs leave a crash file."""
    try:
        run()
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout went away (`akc lower m.onnx | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except Exception as fault:
        return _report(fault)
    return 0


def _report(fault: Exception) -> int:
    from akc.base.diagnostics import DiagnosticError, render_all

    if isinstance(fault, DiagnosticError):
        say(render_all(fault.diagnostics))
        return FAULT
    say(f"error: this is a bug of akc, not of your input: {type(fault).__name__}: {fault}")
    say(f"  = help: please report it with the file {_crash_file(fault)}")
    return BUG


def _crash_file(fault: Exception) -> Path:
    """A file that re-runs the failing pass where that is known, with the traceback as comments."""
    reproducer = getattr(fault, "reproducer", "")
    trace = "".join(traceback.format_exception(fault))
    head, _, body = reproducer.partition("\n")
    comments = "".join(f"// {line}\n" for line in [f"akc {' '.join(sys.argv[1:])}", *trace.splitlines()])
    handle, name = tempfile.mkstemp(prefix="akc-crash-", suffix=".akir", dir=_writable_folder())
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f"{head.replace('crash.akir', Path(name).name)}\n{comments}{body}" if reproducer else comments)
    return Path(name)


def _writable_folder() -> str:
    return "." if os.access(".", os.W_OK) else tempfile.gettempdir()
