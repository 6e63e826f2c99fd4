# SPDX-License-Identifier: Apache-2.0
"""Warnings of a call from Python: collected by the caller's context, or given to Python's `warnings`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from akc.base.diagnostics import Diagnostic, DiagnosticWarning
from akc.base.progress import shown_in_notebooks
from akc.compiler.pipeline import Context


@contextmanager
def told(context: Context | None) -> Iterator[Context]:
    """The caller's context; without one, a new one whose warnings become Python's at the caller's line."""
    if context is not None:
        yield context
        return
    with shown_in_notebooks() as progress:
        own = Context(progress=progress)
        try:
            yield own
        finally:
            for warning in own.warnings:
                warn(warning)


def warn(diagnostic: Diagnostic) -> None:
    """A diagnostic as a Python warning, at the first line outside of akc."""
    warnings.warn(DiagnosticWarning(diagnostic), stacklevel=_outside())


def _outside() -> int:
    """How many frames above `warn` the caller of akc stands, as `stacklevel` counts."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("akc", "contextlib"):
        level, frame = level + 1, frame.f_back
    return level
