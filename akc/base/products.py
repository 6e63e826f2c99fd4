# SPDX-License-Identifier: Apache-2.0
"""What a call writes: checked against what it reads before the work starts, and then all of it appears or nothing.

check_products(["m.onnx", "m.onnx.data"], ["net.akd", "map.json"])     # before the work
write_products({"net.akd": program, "map.json": byte_map})             # after it

Files are compared by what they are (device and inode), not by name. A link stays and the file behind it is
replaced; mode and owner of a file that was there stay.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.base.files import FOLDER_HELP, PathLike, reason, stat_of, unwritable, write_stream
from akc.base.stopping import when_stopped

Identity = tuple[int, int] | str


def check_products(sources: Iterable[PathLike], products: Iterable[PathLike | None]) -> None:
    """Raise DiagnosticError AKC0903 for each product that cannot be written, and AKC0916 for each that would be lost.

    sources: files that the call reads, `-` for stdin; products: files that it writes, `-` for stdout.
    """
    wanted = [p for p in products if p is not None]
    found = [fault for path in wanted if (fault := obstacle(path)) is not None]
    if not found:
        found = _clashes({identity: name for name in sources if (identity := _identity(name, 0)) is not None}, wanted)
    if found:
        raise DiagnosticError(found)


def _clashes(taken: dict[Identity, PathLike], products: list[PathLike]) -> list[Diagnostic]:
    """A fault for each product that is a source or another product."""
    faults, read = [], set(taken)
    for path in products:
        identity = _identity(path, 1)
        if identity is None:
            continue
        if identity in taken:
            what = "a source" if identity in read else "another product"
            name = "" if str(taken[identity]) == str(path) else f" {taken[identity]}"
            faults.append(
                Diagnostic(
                    code="AKC0916",
                    message=f"{path} is {what}{name}, which would be lost",
                    help="give the product another name",
                )
            )
        taken[identity] = path
    return faults


def _identity(path: PathLike, stream: int) -> Identity | None:
    """Device and inode of a file; the place of one that is not there yet; None for what holds nothing to lose.

    stream: what `-` stands for, 0 (stdin) or 1 (stdout).
    """
    try:
        found = os.fstat(stream) if str(path) == "-" else os.stat(path)
    except (OSError, ValueError):
        return None if str(path) == "-" else os.path.realpath(path)
    if stat.S_ISREG(found.st_mode):
        return found.st_dev, found.st_ino
    return "stdout" if str(path) == "-" and stream == 1 else None


def _no_stdout() -> bool:
    return sys.stdout is None or not sys.stdout.writable()


def obstacle(path: PathLike) -> Diagnostic | None:
    """Why a file cannot be written, as far as that can be seen from outside."""
    if str(path) == "-":
        return unwritable("<stdout>", "is closed", "give a file: -o net.akd") if _no_stdout() else None
    try:
        target = Path(os.path.realpath(path))
        there, folder = stat_of(target), stat_of(target.parent)
    except (OSError, ValueError) as fault:
        return unwritable(path, reason(fault), FOLDER_HELP)
    if there is not None and stat.S_ISDIR(there.st_mode):
        return unwritable(path, "is a directory", f"name a file in it: {Path(path) / 'net'}")
    if folder is None or not stat.S_ISDIR(folder.st_mode):
        return unwritable(path, f"there is no folder {target.parent}", f"mkdir -p {Path(path).parent}")
    if there is not None and not os.access(target, os.W_OK):
        return unwritable(path, "permission denied", f"chmod u+w {path}, or write elsewhere")
    if (there is None or stat.S_ISREG(there.st_mode)) and not os.access(target.parent, os.W_OK):
        return unwritable(path, "permission denied", FOLDER_HELP)
    return None


# -- writing ---------------------------------------------------------------------------------------


@frozen
class _Staged:
    """A product that lies complete beside its place. old: the file that was there, under another name, or None."""

    path: PathLike
    target: Path
    new: Path
    old: Path | None


def write_text(path: PathLike, text: str) -> None:
    """Write a whole text file, or stdout; raises DiagnosticError AKC0903."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: PathLike, data: bytes) -> None:
    """Write a whole file, or stdout; raises DiagnosticError AKC0903."""
    write_products({path: data})


def write_products(products: Mapping[PathLike, bytes]) -> None:
    """Write files, all or none; `-` is stdout, which comes before any file. Raises DiagnosticError AKC0903."""
    check_products([], products)
    staged: list[_Staged] = []
    with ExitStack() as cleanup:
        cleanup.callback(_remove, staged)
        cleanup.enter_context(when_stopped(lambda: _remove(staged)))
        for path, data in products.items():
            if not is_stream(path):
                _stage(path, data, staged)
        for path, data in products.items():
            if is_stream(path):
                write_stream(path, data)
        _take_their_places(staged)


def is_stream(path: PathLike) -> bool:
    """Whether a product is stdout, a pipe or a device such as /dev/stdout, which are written to, not replaced."""
    return str(path) == "-" or (os.path.exists(path) and not os.path.isfile(path))


def _stage(path: PathLike, data: bytes, staged: list[_Staged]) -> None:
    target = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".akc-")
    except OSError as fault:
        raise DiagnosticError(unwritable(path, reason(fault), FOLDER_HELP)) from None
    new = Path(name)
    staged.append(_Staged(path, target, new, new.with_name(new.name + "-old") if target.exists() else None))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            _keep_owner_and_mode(stream.fileno(), target)
    except OSError as fault:
        raise DiagnosticError(unwritable(path, reason(fault), "make room on the disk, or write elsewhere")) from None


def _keep_owner_and_mode(handle: int, target: Path) -> None:
    """Those of the file that is there; else the process's own, as for any new file."""
    there = stat_of(target)
    if there is None:
        os.fchmod(handle, 0o666 & ~_umask())
        return
    mine = os.fstat(handle)
    if (mine.st_uid, mine.st_gid) != (there.st_uid, there.st_gid):
        _give(handle, target, there)
    os.fchmod(handle, stat.S_IMODE(there.st_mode))


def _give(handle: int, target: Path, there: os.stat_result) -> None:
    try:
        os.fchown(handle, there.st_uid, there.st_gid)
    except PermissionError:
        fault = unwritable(target, "belongs to another user or group, and would not any more", "write elsewhere")
        raise DiagnosticError(fault) from None


def _take_their_places(staged: list[_Staged]) -> None:
    """Rename every file to its place; where one cannot, the files that were there come back."""
    done: list[_Staged] = []
    try:
        for one in staged:
            if one.old is not None and len(staged) > 1:
                _keep(one.target, one.old)
            done.append(one)
            os.replace(one.new, one.target)
    except OSError as fault:
        for one in done:
            _restore(one)
        raise DiagnosticError(unwritable(one.path, reason(fault), FOLDER_HELP)) from None


def _keep(target: Path, old: Path) -> None:
    """The file that is there under a second name; as a copy where the file system has no links."""
    try:
        os.link(target, old)
    except OSError:
        shutil.copy2(target, old)


def _restore(one: _Staged) -> None:
    if one.old is not None and one.old.exists():
        os.replace(one.old, one.target)
    elif not one.new.exists():
        os.unlink(one.target)


def _remove(staged: list[_Staged]) -> None:
    """What is left of the work under other names."""
    for one in staged:
        for path in (one.new, one.old):
            if path is not None:
                with suppress(OSError):
                    os.unlink(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
