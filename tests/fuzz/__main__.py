# SPDX-License-Identifier: Apache-2.0
"""Any number of damaged inputs of a kind, and the corpus of those that once ended badly.

    python -m tests.fuzz onnx 20000 onnx.jsonl     # goes on where the log ends
    python -m tests.fuzz all 200 - --seconds 170   # every kind in turn, no log, for at most so long
    python -m tests.fuzz corpus                    # what failed once
    python -m tests.fuzz bombs                     # small files that claim gigabytes

Input number n of a kind is the same on every machine. What ends badly is kept in fuzz-found/ with its command line.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random

from tests.fuzz import harness
from tests.fuzz.bombs import bombs
from tests.fuzz.mutators import MUTATORS
from tests.fuzz.seeds import KINDS, command_of, made

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path("fuzz-found")


def one(kind: str, number: int, files: dict[str, bytes], keep: Path | None = FOUND) -> harness.Outcome:
    """Damage the files of a kind, and run a command line on them."""
    rng = Random(f"{kind}-{number}")
    argv = command_of(kind, rng)
    damaged = MUTATORS[kind](files[KINDS[kind].name], rng)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, data in {**files, KINDS[kind].name: damaged}.items():
            (folder / name).write_bytes(data)
        outcome = harness.command(argv, folder)
        if outcome.wrong and keep is not None:
            _keep(keep / f"{kind}-{number}", folder, argv, outcome, files)
    return outcome


def _keep(place: Path, folder: Path, argv: tuple[str, ...], outcome: harness.Outcome, files: dict[str, bytes]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in files:
        if any(name in word for word in argv) or name == "n.pt":
            shutil.copy(folder / name, place / name)
    for crash in folder.glob("akc-crash-*"):
        shutil.copy(crash, place / "crash.txt")
    (place / "case.json").write_text(json.dumps({"argv": argv, "seen": outcome.wrong}) + "\n")


def fuzz(kinds: list[str], count: int, log: Path | None, seconds: float) -> int:
    """Inputs of some kinds in turn; gives how many ended badly."""
    done = _done(log)
    end, bad, ran = time.monotonic() + seconds, 0, dict.fromkeys(kinds, 0)
    with tempfile.TemporaryDirectory() as scratch:
        files = {kind: made(kind, Path(scratch) / kind) for kind in kinds}
        for number in range(count):
            for kind in kinds:
                if (kind, number) in done or time.monotonic() > end:
                    continue
                outcome = one(kind, number, files[kind])
                ran[kind] += 1
                bad += bool(outcome.wrong)
                if outcome.wrong:
                    print(f"BAD {kind}-{number}: {outcome.wrong}", flush=True)
                if log is not None:
                    row = {
                        "kind": kind,
                        "number": number,
                        "code": outcome.code,
                        "mib": outcome.mib,
                        "wrong": outcome.wrong,
                    }
                    with log.open("a") as stream:
                        stream.write(json.dumps(row) + "\n")
    print(f"{bad} of {sum(ran.values())} inputs end badly: {', '.join(f'{n} {kind}' for kind, n in ran.items())}")
    return bad


def _done(log: Path | None) -> set[tuple[str, int]]:
    if log is None or not log.exists():
        return set()
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return {(row["kind"], row["number"]) for row in rows}


def corpus() -> int:
    """Run everything that once ended badly; gives how many do so again."""
    bad, cases = 0, sorted(CORPUS.glob("*/case.json"))
    for case in cases:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "case"
            shutil.copytree(case.parent, folder)
            outcome = harness.command(json.loads(case.read_text())["argv"], folder)
        if outcome.wrong:
            bad += 1
            print(f"BAD {case.parent.name}: {outcome.wrong}")
    print(f"{bad} of {len(cases)} inputs of the corpus end badly")
    return bad


def main(argv: list[str]) -> int:
    """The command line."""
    warnings.simplefilter("ignore")
    harness.preload()
    if argv == ["corpus"]:
        return int(corpus() > 0)
    if argv[:1] == ["bombs"]:
        return int(bombs(argv[1:]) > 0)
    kind, count, log, *rest = argv
    seconds = float(rest[1]) if rest else float("inf")
    kinds = list(KINDS) if kind == "all" else kind.split(",")
    return int(fuzz(kinds, int(count), None if log == "-" else Path(log), seconds) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
