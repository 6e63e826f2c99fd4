# SPDX-License-Identifier: Apache-2.0
"""Errors that come from a user's Python code become one diagnostic at their own line, without a traceback."""

from __future__ import annotations

import linecache
import logging
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_paths

from akc.base.diagnostics import DiagnosticError, Source, Span, error

KNOWN_REASONS = {
    "GuardOnDataDependentSymNode": "it decides by the value of a tensor, which is not known while tracing",
}
"""What to say instead of an error's own words, by its class."""


@contextmanager
def in_users_code(code: str, what: str, help: Sequence[str] = ()) -> Iterator[None]:
    """Turn whatever the body raises into a DiagnosticError whose place is the last line of the user's own files.

    The tracer of torch logs a traceback of its own first, which is kept quiet.
    """
    tracer = logging.getLogger("torch._subclasses.fake_tensor")
    heard, tracer.disabled = tracer.disabled, True
    try:
        yield
    except (DiagnosticError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as fault:
        span = users_line(fault)
        label = "raised here" if span else ""
        raise error(code, f"{what}: {_reason(fault)}", span=span, label=label, help=tuple(help)) from None
    finally:
        tracer.disabled = heard


def _reason(fault: BaseException) -> str:
    """Class and first line of an error, or words of our own."""
    kind = type(fault).__name__
    first = next((line.strip() for line in str(fault).splitlines() if line.strip()), "no message")
    return KNOWN_REASONS.get(kind, f"{kind}: {first}")


def users_line(fault: BaseException) -> Span | None:
    """The innermost line of a traceback that lies in no installed package; a syntax error's own line."""
    if isinstance(fault, SyntaxError) and fault.filename:
        return _line(fault.filename, fault.lineno or 1)
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(fault.__traceback__) if _is_users(f.filename)]
    return _line(frames[-1][0], frames[-1][1] or 1) if frames else None


INSTALLED = {"site-packages", "dist-packages"}
"""Folders of packages; an environment may lie on top of another one, so the running one's own is not enough."""


def line_of_trace(trace: str) -> Span | None:
    """The innermost line of the user's own files in a stack trace that was written down."""
    frames = [(name, int(number)) for name, number in _FRAME.findall(trace) if _is_users(name)]
    return _line(*frames[-1]) if frames else None


_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def _is_users(filename: str) -> bool:
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    ours = (Path(get_paths()["stdlib"]), Path(__file__).parents[2])
    return not INSTALLED & set(path.parts) and not any(path.is_relative_to(folder.resolve()) for folder in ours)


def _line(filename: str, number: int) -> Span | None:
    lines = linecache.getlines(filename)
    if not 0 < number <= len(lines):
        return None
    source = Source(filename, "".join(lines))
    start = source.line_starts[number - 1]
    text = source.line_text(number)
    return Span(source, start + len(text) - len(text.lstrip()), start + len(text.rstrip()))
