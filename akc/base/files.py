# SPDX-License-Identifier: Apache-2.0
"""Reading files and streams, and writing one: `-` is stdin or stdout. What a whole call writes: akc.base.products."""

from __future__ import annotations

import os
import stat
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import IO

from akc.base.budget import was_read
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.stopping import ReaderGone

PathLike = str | os.PathLike[str]

LONGEST_STREAM = 1 << 29
"""Bytes that are read from a pipe or a device; some have no end."""


def read_bytes(path: PathLike) -> bytes:
    """The bytes of a file or of stdin; raises DiagnosticError AKC0901, AKC0917 (a stream without an end)."""
    try:
        if str(path) == "-":
            if sys.stdin is None:
                raise error("AKC0901", "<stdin> is closed", help="give the name of a file")
            return _bounded(sys.stdin.buffer, "<stdin>")
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode):
                was_read(status.st_size)
                return stream.read()
            return _bounded(stream, str(path))
    except (OSError, ValueError) as fault:
        shown = "<stdin>" if str(path) == "-" else path
        raise error(
            "AKC0901", f"{shown}: {reason(fault)}", help=nearly(path) or "check the path; - reads from stdin"
        ) from None


def nearly(path: PathLike) -> str:
    """The way out of a file that is not there: one beside it with nearly its name; empty if there is none."""
    try:
        beside = os.listdir(Path(path).parent)
    except (OSError, ValueError):
        beside = []
    close = get_close_matches(Path(path).name, [n for n in beside if n != Path(path).name], n=1, cutoff=0.7)
    return f"did you mean {Path(path).parent / close[0]}?" if close else ""


def _bounded(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(LONGEST_STREAM + 1)
    if len(data) > LONGEST_STREAM:
        message = f"{name} gives more than {LONGEST_STREAM >> 20} MiB and may have no end"
        raise error("AKC0917", message, help="write it to a file and give its name")
    return data


def read_text(path: PathLike) -> str:
    """The text of a file or of stdin; raises DiagnosticError AKC0901 or AKC0902 (no UTF-8 text)."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        message = f"{path} is no text: byte {fault.start} is {data[fault.start]:#04x}"
        raise error("AKC0902", message, help=".akir files are UTF-8; programs go to `akc disasm`") from None


def write_stream(path: PathLike, data: bytes) -> None:
    """Write to stdout, a pipe or a device; raises DiagnosticError AKC0903, ReaderGone where nobody reads."""
    try:
        if str(path) == "-":
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            with open(path, "wb") as stream:
                stream.write(data)
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as fault:
        shown = "<stdout>" if str(path) == "-" else path
        raise DiagnosticError(unwritable(shown, reason(fault), "make room there, or write elsewhere")) from None


FOLDER_HELP = "check that the folder exists and can be written to"


def unwritable(path: PathLike, reason: str, help: str) -> Diagnostic:
    """The fault of a file that cannot be written."""
    return Diagnostic(code="AKC0903", message=f"{path}: {reason}", help=help)


def make_folder(path: PathLike) -> Path:
    """A folder, with those above it, that may be there already; raises DiagnosticError AKC0903."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DiagnosticError(unwritable(path, "is a file, not a folder", "give the name of a folder")) from None
    except OSError as fault:
        raise DiagnosticError(unwritable(path, reason(fault), FOLDER_HELP)) from None
    return Path(path)


def stat_of(path: PathLike) -> os.stat_result | None:
    """What a path is, links followed; None where there is nothing. Raises OSError, such as for a name too long."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def reason(fault: OSError | ValueError) -> str:
    """A fault of the machine in a few words."""
    return (getattr(fault, "strerror", None) or str(fault)).lower()
