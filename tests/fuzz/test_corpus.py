# SPDX-License-Identifier: Apache-2.0
"""Inputs that once ended in a crash, a hang or a full memory end in an answer; and a few new ones of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.bombs import BOMBS

ROOT = Path(__file__).parents[2]
NAMES = list(BOMBS)
RUNS = [["corpus"], *(["bombs", *NAMES[start : start + 5]] for start in range(0, len(NAMES), 5)), ["all", "2", "-"]]


@pytest.mark.parametrize("argv", RUNS, ids=lambda argv: "-".join(argv[:2]))
def test_nothing_ends_badly(argv: list[str], tmp_path: Path) -> None:
    """In a process of its own, as it forks."""
    command, there = [sys.executable, "-m", "tests.fuzz", *argv], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of " in done.stdout
