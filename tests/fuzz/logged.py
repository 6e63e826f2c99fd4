# SPDX-License-Identifier: Apache-2.0
"""The command line of a generator: tries seeds, each once, keeps what it found by seed, and counts the reasons."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def found(verdict: Callable[[int], str], seed: int) -> str:
    """What a seed gives; a difference or a crash in words."""
    try:
        return verdict(seed)
    except AssertionError as difference:
        return f"DIFFERS {difference}"
    except Exception as crash:
        return f"CRASH {type(crash).__name__}: {crash}"


def main(verdict: Callable[[int], str], arguments: list[str]) -> int:
    """COUNT LOG [SECONDS]: try the seeds below COUNT that the log does not have, for so long at most."""
    from time import monotonic

    count, log = int(arguments[0]), Path(arguments[1])
    end = monotonic() + float(arguments[2]) if len(arguments) > 2 else float("inf")
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {row["seed"] for row in rows}
    warnings.simplefilter("ignore")
    with log.open("a") as stream:
        for seed in (s for s in range(count) if s not in done):
            if monotonic() > end:
                break
            rows.append({"seed": seed, "found": found(verdict, seed)})
            stream.write(json.dumps(rows[-1]) + "\n")
            stream.flush()
    reasons = Counter(row["found"].split("\n")[0][:110] for row in rows)
    print(f"{len(rows)} seeds")
    for reason, number in reasons.most_common():
        print(f"{number:6} {number / len(rows):6.1%}  {reason}")
    return int(any(row["found"].startswith(("DIFFERS", "CRASH")) for row in rows))


def run(verdict: Callable[[int], str]) -> None:
    """Be the program of a generator."""
    sys.exit(main(verdict, sys.argv[1:]))
