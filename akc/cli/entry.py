# SPDX-License-Identifier: Apache-2.0
"""Where `akc` starts. It imports next to nothing, so that Ctrl-C is akc's own business from the first moment on.

SIGINT, SIGTERM and SIGHUP end a run with 130, 143 and 129: what is half done is undone, no traceback is printed.
A device is brought to rest by its own `with`, so there the signal becomes an exception.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import suppress
from types import FrameType

STOPS = ("SIGINT", "SIGTERM", "SIGHUP")


def main() -> None:
    """The command line."""
    for name in STOPS:
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), stop)
    from akc.cli.streams import open_all

    open_all()
    _hush_libraries()
    from akc.cli.main import main as run

    sys.exit(run())


def _hush_libraries() -> None:
    """Warnings of Python packages are for those who write programs; akc's own come as diagnostics."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def stop(number: int, frame: FrameType | None) -> None:
    """End the run."""
    stopping = sys.modules.get("akc.base.stopping")
    if stopping is not None:
        stopping.stop(128 + number)
    with suppress(OSError):
        os.write(2, b"interrupted\n" if number == signal.SIGINT else b"terminated\n")
    os._exit(128 + number)
