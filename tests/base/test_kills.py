# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every step of writing, and two writers at a time: a product is the old one or the new one, and whole."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from akc.base.products import write_products

OLD, NEW = b"old" * 1000, b"new!" * 50_000


def killed_at(step: int, folder: Path) -> int:
    """Write two products in a fork that kills itself at a step; gives how it ended."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: Any) -> None:
            nonlocal seen
            if event in ("open", "os.rename", "os.remove", "os.link", "os.chmod", "os.chown", "os.truncate"):
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        write_products({folder / "a": NEW, folder / "b": NEW})
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_kill_at_any_step_leaves_whole_files(tmp_path: Path) -> None:
    for step in range(1, 100):
        folder = tmp_path / str(step)
        folder.mkdir()
        (folder / "a").write_bytes(OLD)
        (folder / "b").write_bytes(OLD)
        code = killed_at(step, folder)
        assert {(folder / name).read_bytes() for name in "ab"} <= {OLD, NEW}, step
        if code == 0:
            assert step > 3 and (folder / "a").read_bytes() == (folder / "b").read_bytes() == NEW
            return
        assert code == -signal.SIGKILL
    pytest.fail("writing never came to its end")


def test_two_writers_at_a_time_leave_the_file_of_one(tmp_path: Path) -> None:
    contents = [bytes([letter]) * 100_000 for letter in b"xy"]
    for _ in range(20):
        children = []
        for content in contents:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    for _ in range(5):
                        write_products({tmp_path / "a": content})
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        assert (tmp_path / "a").read_bytes() in contents
    assert os.listdir(tmp_path) == ["a"]
