# SPDX-License-Identifier: Apache-2.0
"""The benchmark of running prints its table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_run.py"


def test_it_prints_every_network_and_engine() -> None:
    result = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True, check=True)
    rows = re.findall(r"^\| (.+?) \| (simulator|emulator) \|( \d+ \|){4}$", result.stdout, re.MULTILINE)
    assert [row[:2] for row in rows] == [
        (network, engine)
        for network in ("dense 784-256-10", "conv 28x28", "separable 96x96")
        for engine in ("simulator", "emulator")
    ]
