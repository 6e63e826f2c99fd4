# SPDX-License-Identifier: Apache-2.0
"""One process per device: an advisory lock on a file in the temporary directory, gone when its process is."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

from akc.targets.faults import CannotOpen, DeviceBusy


class DeviceLock:
    """Held from construction to `release`. Raises DeviceBusy with the other process's id."""

    def __init__(self, device: str, folder: str | None = None) -> None:
        name = "".join(c if c.isalnum() else "-" for c in device).strip("-")
        self.path = Path(folder or tempfile.gettempdir()) / f"akc-{name}.lock"
        self._file = self._open()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise DeviceBusy(
                f"{device} is in use by process {owner}",
                "wait for it, or stop it; the lock goes away with the process",
                label=str(self.path),
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def _open(self) -> int:
        """The file is made once for all users; it is opened without O_CREAT first, as sticky folders ask."""
        try:
            try:
                return os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                os.fchmod(file, 0o666)
                return file
        except OSError as fault:
            raise CannotOpen(f"the lock file {self.path} cannot be opened: {fault.strerror}") from None

    def release(self) -> None:
        """Let other processes in; harmless when called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
