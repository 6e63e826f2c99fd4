# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.mutation record`, then `run`, then `report`: see CONTRIBUTING.md."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.mutation.loading import FOLDER, ROOT
from tests.mutation.running import Results, run

ROOMS = ("ir", "sim", "passes", "targets", "compiler", "fbz", "frontends", "devices", "cli")
"""Tests that see mutants, unless others are named."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    record = verbs.add_parser("record", help="run tests once and write down which functions each runs")
    record.add_argument("tests", nargs="*", default=[f"tests/{room}" for room in ROOMS])
    go = verbs.add_parser("run", help="run the tests of each mutant of a seeded sample; goes on where it stopped")
    go.add_argument("--count", type=int, default=400)
    go.add_argument("--seed", type=int, default=1)
    go.add_argument("--budget", type=float, default=60.0, help="seconds of tests for one mutant")
    go.add_argument("--again", action="store_true", help="try those again that survived")
    for verb in (go, verbs.add_parser("report", help="how many were caught, and which survived")):
        verb.add_argument("--out", type=Path, default=FOLDER / "mutants.jsonl")
    return parser.parse_args()


def main() -> int:
    """The exit code of the verb."""
    given = _arguments()
    if given.verb == "record":
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutation.recording", "-n", "2", *given.tests]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    if given.verb == "run":
        run(given.out, given.count, given.seed, given.budget, given.again)
    print(Results(given.out).in_words())
    return 0


if __name__ == "__main__":
    sys.exit(main())
