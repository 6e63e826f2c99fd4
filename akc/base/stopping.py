# SPDX-License-Identifier: Apache-2.0
"""What must be put right when a run is stopped from outside, wherever it is: files half written, a hidden cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class ReaderGone(BaseException):
    """Who read stdout went away (`akc lower m.onnx | head`): nothing is wrong, and nothing is left to do."""


class Stopped(BaseException):
    """The run was stopped from outside, where something must be brought to rest first. `code`: of the exit."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


_PENDING: list[Callable[[], object]] = []


@contextmanager
def when_stopped(undo: Callable[[], object]) -> Iterator[None]:
    """While the block runs, `undo` is what a stop from outside does first."""
    _PENDING.append(undo)
    try:
        yield
    finally:
        _PENDING.remove(undo)


def undo_all() -> None:
    """Put everything right, the latest first; a fault in one does not keep the others from it."""
    for undo in reversed(_PENDING):
        with suppress(Exception):
            undo()


class _Unwinding:
    """How many blocks must be left by an exception, and whether one is on its way already."""

    blocks = 0
    stopped = False


@contextmanager
def unwinding() -> Iterator[None]:
    """While the block runs, a stop from outside is the exception `Stopped`, so that every `with` in it closes."""
    _Unwinding.blocks += 1
    try:
        yield
    finally:
        _Unwinding.blocks -= 1


def stop(code: int) -> None:
    """Raise `Stopped` where a block unwinds, the first time; else put everything right and return."""
    if _Unwinding.blocks and not _Unwinding.stopped:
        _Unwinding.stopped = True
        raise Stopped(code)
    undo_all()


def undo_when_stopped(undo: Callable[[], object]) -> None:
    """As `when_stopped`, until the end of the process."""
    _PENDING.append(undo)
