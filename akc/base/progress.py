# SPDX-License-Identifier: Apache-2.0
"""Progress bars: on a terminal, in a notebook, and none elsewhere; all are called with (done, total, what).

A bar shows itself when the work has taken PATIENCE seconds, and goes when it is done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

Show = Callable[[int, int, str], None]

PATIENCE = 2.0
"""Seconds after which work that has not said anything shows that it is alive."""


def silent(done: int, total: int, what: str) -> None:
    """No bar."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


class NotebookBar:
    """A bar in the output of a cell."""

    def __init__(self, patience: float | None = None) -> None:
        self.patience = PATIENCE if patience is None else patience
        self.start = time.monotonic()
        self.handle: Any = None

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show how far the work is."""
        if time.monotonic() - self.start < self.patience or (done >= total and self.handle is None):
            return
        html = f'<progress max="{max(total, 1)}" value="{done}" aria-label="{escape(what)}"></progress> {escape(what)}'
        self._show({"text/html": html, "text/plain": f"{what}: {done} of {total}"})

    def close(self) -> None:
        """Take the bar away."""
        if self.handle is not None:
            self._show({"text/html": "", "text/plain": ""})

    def _show(self, data: dict[str, str]) -> None:
        if self.handle is None:
            self.handle = sys.modules["IPython"].display.display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


@contextmanager
def shown_in_notebooks() -> Iterator[Show]:
    """A bar where a notebook calls; what a call from a script gets is silent."""
    if not in_notebook():
        yield silent
        return
    bar = NotebookBar()
    try:
        yield bar
    finally:
        bar.close()
