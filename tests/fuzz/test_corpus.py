# SPDX-License-Identifier: Apache-2.0
"""Inputs that once ended in a crash, a hang or a full memory end in an answer; and a few new ones of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("argv", [["corpus"], ["all", "2", "-"]])
def test_nothing_ends_badly(argv: list[str], tmp_path: Path) -> None:
    """In a process of its own, as it forks."""
    command, there = [sys.executable, "-m", "tests.fuzz", *argv], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of " in done.stdout
