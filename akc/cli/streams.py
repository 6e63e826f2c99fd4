# SPDX-License-Identifier: Apache-2.0
"""stdin, stdout and stderr as a run finds them: closed ones, full disks, readers that went away.

A fault of stdout is the user's (AKC0903), one of stderr is nobody's: whoever closed it does not want to hear.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO

from akc.base.stopping import ReaderGone


def open_all() -> None:
    """Occupy 0, 1 and 2 where they are closed, so that no file gets their numbers, and wrap what is open.

    `sys.stdin` and `sys.stdout` of closed ones stay None, which the functions that use them look at.
    """
    closed = [fd for fd in (0, 1, 2) if not _is_open(fd)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if 0 in closed:
        sys.stdin = None  # type: ignore[assignment]
    sys.stdout = Closed() if 1 in closed or sys.stdout is None else Product(sys.stdout)
    sys.stderr = Talk(sys.stderr) if 2 not in closed and sys.stderr is not None else open(os.devnull, "w")  # noqa: SIM115


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class _Wrapped(io.TextIOWrapper):
    """A text stream over the buffer of another one; what cannot be encoded is escaped."""

    def __init__(self, stream: Any) -> None:
        lines = stream.isatty()
        self.encoded = stream.encoding
        buffer: BinaryIO = stream.detach()
        super().__init__(buffer, self.encoded, errors="backslashreplace", line_buffering=lines, write_through=lines)


class Product(_Wrapped):
    """stdout: DiagnosticError AKC0903 where it cannot be written, ReaderGone where nobody reads."""

    def write(self, text: str) -> int:
        """As for any text stream."""
        try:
            return super().write(text)
        except OSError as fault:
            raise fault_of_stdout(fault) from None

    def flush(self) -> None:
        """As for any text stream."""
        try:
            super().flush()
        except OSError as fault:
            raise fault_of_stdout(fault) from None


class Closed(io.TextIOBase):
    """stdout that was closed: DiagnosticError AKC0903 as soon as something is written."""

    def write(self, text: str) -> int:
        """Never succeeds."""
        raise fault_of_stdout(OSError("is closed"))

    @property
    def buffer(self) -> BinaryIO:
        """There is none."""
        raise fault_of_stdout(OSError("is closed"))


class Talk(_Wrapped):
    """stderr: what cannot be written is left out."""

    def write(self, text: str) -> int:
        """As for any text stream."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """As for any text stream."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As for any text stream."""
        try:
            super().flush()
        except OSError:
            silence(2)


def fault_of_stdout(fault: OSError) -> BaseException:
    """What a fault of stdout is to the user; what is left in its buffer goes nowhere."""
    from akc.base.diagnostics import DiagnosticError
    from akc.base.files import reason, unwritable

    silence(1)
    if isinstance(fault, BrokenPipeError):
        return ReaderGone()
    help = "make room there" if fault.errno == errno.ENOSPC else "leave stdout open"
    return DiagnosticError(unwritable("<stdout>", reason(fault), f"{help}, or give a file where the verb has -o"))


def silence(fd: int) -> None:
    """Let everything that is still to be written to a stream go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
