# SPDX-License-Identifier: Apache-2.0
"""Files: `-` is stdin or stdout, and an output file appears whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from akc.base.diagnostics import Diagnostic, DiagnosticError, error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file or of stdin; raises DiagnosticError AKC0901."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as fault:
        raise error("AKC0901", f"{path}: {_reason(fault)}", help="check the path; - reads from stdin") from None


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file or of stdin; raises DiagnosticError AKC0901 or AKC0902 (no UTF-8 text)."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        message = f"{path} is no text: byte {fault.start} is {data[fault.start]:#04x}"
        raise error("AKC0902", message, help=".akir files are UTF-8; programs go to `akc disasm`") from None


def check_outputs(paths: Iterable[str | os.PathLike[str] | None]) -> None:
    """Find out before the work starts whether files can be written; raises DiagnosticError AKC0903 for each."""
    found = [fault for path in paths if path is not None and (fault := _obstacle(path)) is not None]
    if found:
        raise DiagnosticError(found)


def _obstacle(path: str | os.PathLike[str]) -> Diagnostic | None:
    """Why a file cannot be written, as far as that can be seen from outside."""
    target = Path(path)
    if str(path) == "-":
        return None
    if target.is_dir():
        return _unwritable(path, "is a directory", f"name a file in it: {target / 'net'}")
    if not target.parent.is_dir():
        return _unwritable(path, f"there is no folder {target.parent}", f"mkdir -p {target.parent}")
    if not os.access(target if target.exists() and not target.is_file() else target.parent, os.W_OK):
        return _unwritable(path, "permission denied", _FOLDER)
    return None


_FOLDER = "check that the folder exists and can be written to"


def _unwritable(path: str | os.PathLike[str], reason: str, help: str) -> Diagnostic:
    return Diagnostic(code="AKC0903", message=f"{path}: {reason}", help=help)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """A folder, with those above it, that may be there already; raises DiagnosticError AKC0903."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DiagnosticError(_unwritable(path, "is a file, not a folder", "give the name of a folder")) from None
    except OSError as fault:
        raise DiagnosticError(_unwritable(path, _reason(fault), _FOLDER)) from None
    return Path(path)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole text file, or stdout."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file, or stdout; raises DiagnosticError AKC0903."""
    write_with(path, lambda stream: stream.write(data))


def write_with(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file that takes its name only when it is complete; or stdout."""
    if str(path) == "-":
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    check_outputs([path])
    target = Path(path)
    if target.exists() and not target.is_file():
        # A pipe or a device such as /dev/stdout cannot be replaced, only written to.
        with target.open("wb") as stream:
            write(stream)
        return
    try:
        handle, name = tempfile.mkstemp(dir=target.parent or Path("."), prefix=f".{target.name}.")
    except OSError as fault:
        raise DiagnosticError(_unwritable(path, _reason(fault), _FOLDER)) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except OSError as fault:
        os.unlink(name)
        raise DiagnosticError(_unwritable(path, _reason(fault), "make room on the disk, or write elsewhere")) from None
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(fault: OSError) -> str:
    return (fault.strerror or str(fault)).lower()
