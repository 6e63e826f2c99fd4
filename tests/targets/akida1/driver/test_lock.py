# SPDX-License-Identifier: Apache-2.0
"""One process per device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from akc.targets.akida1.driver.lock import DeviceLock
from akc.targets.faults import CannotOpen, DeviceBusy

HOLD = """
import sys
from akc.targets.akida1.driver.lock import DeviceLock
lock = DeviceLock("/dev/akida0", sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_device(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DeviceBusy, match=rf"AKC0802.*/dev/akida0 is in use by process {holder.pid}"):
        DeviceLock("/dev/akida0", str(tmp_path))
    DeviceLock("/dev/akida1", str(tmp_path)).release()
    holder.kill()
    holder.wait()
    DeviceLock("/dev/akida0", str(tmp_path)).release()


def test_it_is_released_and_taken_again(tmp_path: Path) -> None:
    lock = DeviceLock("x", str(tmp_path))
    assert lock.path.read_text() == f"{os.getpid()}\n"
    lock.release()
    lock.release()
    DeviceLock("x", str(tmp_path)).release()


def test_a_folder_that_is_missing() -> None:
    with pytest.raises(CannotOpen, match="lock file"):
        DeviceLock("x", "/no/such/folder")
