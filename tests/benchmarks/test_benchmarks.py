# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run and print their tables."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(("script", "rows"), [("weights.py", 3), ("simulator.py", 36)])
def test_benchmark_prints_its_rows(script: str, rows: int) -> None:
    result = subprocess.run([sys.executable, str(FOLDER / script), "1"], capture_output=True, text=True, check=True)
    assert len(re.findall(r"\d ms +\d+\.\d\d x$", result.stdout, re.MULTILINE)) == rows


def test_the_growth_of_lowering_is_a_table() -> None:
    command = [sys.executable, str(FOLDER / "growth.py"), "1", "2", "4"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = result.stdout.splitlines()
    assert "2 blocks: the first" in first and re.search(r"2\.00 times the blocks, \d+\.\d\d times the time", second)
