# SPDX-License-Identifier: Apache-2.0
"""How much memory a file may ask for, whatever it claims: checked before anything of that size is made.

The budget is the larger of 1 GiB and eight times what was read from files, above what akc itself takes; the variable
AKC_MEMORY (such as 8G or 512M) changes it. It counts the large things that are alive while a source is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from attrs import define

from akc.base.diagnostics import DiagnosticError, error

USUAL = 1 << 30
TIMES = 8
VARIABLE = "AKC_MEMORY"
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@define
class Account:
    """Bytes that files gave, and bytes that were promised for what they hold."""

    read: int = 0
    promised: int = 0


_ACCOUNT: ContextVar[Account | None] = ContextVar("account", default=None)


def limit() -> int:
    """The budget in bytes; raises DiagnosticError AKC0958 for an AKC_MEMORY that is no size."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        account = _ACCOUNT.get()
        return max(USUAL, TIMES * account.read if account else 0)
    found = re.fullmatch(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?", given, re.IGNORECASE)
    if found is None or not int(found[1]):
        raise error("AKC0958", f"{VARIABLE}={given!r} is no size", help=f"write it so: {VARIABLE}=8G, or 512M")
    return int(found[1]) * UNITS[found[2].upper()]


@contextmanager
def account() -> Iterator[None]:
    """One source, with an account of its own; inside of another one, its part."""
    if _ACCOUNT.get() is not None:
        yield
        return
    token = _ACCOUNT.set(Account())
    try:
        yield
    finally:
        _ACCOUNT.reset(token)


def was_read(size: int) -> None:
    """A file of this many bytes was read."""
    current = _ACCOUNT.get()
    if current is not None:
        current.read += size


def promise(size: int, what: str) -> None:
    """Room for something of `size` bytes that is about to be made; raises DiagnosticError AKC0956."""
    current = _ACCOUNT.get()
    before = current.promised if current else 0
    if before + size > limit():
        raise refused(size, what)
    if current is not None:
        current.promised = before + size


def promise_member(entry: ZipInfo, name: str) -> None:
    """Room for a member of an archive that is about to be unpacked; raises DiagnosticError AKC0956, AKC0962.

    Only what zipfile unpacks up to the size that the archive claims is read: it unpacks bzip2 and LZMA without an end.
    """
    shown = f"{name}: {entry.filename[:100]}"
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        message = f"{shown} is packed by the method {entry.compress_type} of zip"
        raise error("AKC0962", message, help="pack it anew with deflate (method 8), or store it (0)")
    promise(entry.file_size, shown)


def fits(size: int) -> bool:
    """Whether something of `size` bytes has room beside what was promised."""
    current = _ACCOUNT.get()
    return (current.promised if current else 0) + size <= limit()


def refused(size: int, what: str) -> DiagnosticError:
    """The fault of what does not fit."""
    return error(
        "AKC0956",
        f"{what} takes {in_words(size)}, the budget is {in_words(limit())}",
        help=f"if the file may be trusted and the machine has the memory: {VARIABLE}={_enough(size)}",
    )


def _enough(size: int) -> str:
    """A value of the variable with which `size` fits, with room for as much again."""
    return f"{max(2, -(-2 * size // (1 << 30)) + 1)}G"


def in_words(size: int) -> str:
    """Bytes with a unit."""
    unit = max((u for u in UNITS if u and size >= UNITS[u]), key=UNITS.__getitem__, default="")
    return f"{size / UNITS[unit]:.4g} {unit}iB" if unit else f"{size} bytes"
