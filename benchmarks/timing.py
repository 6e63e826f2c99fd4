# SPDX-License-Identifier: Apache-2.0
"""Timing and a small table, for the benchmarks in this folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def medians(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each task."""
    return {name: sorted(found)[len(found) // 2] for name, found in times(tasks, rounds).items()}


def fastest(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least seconds of each task, which a busy machine disturbs least."""
    return {name: min(found) for name, found in times(tasks, rounds).items()}


def times(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each task in each round; the tasks take turns, so that a busy moment hits them all."""
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def table(found: Mapping[str, float], against: str) -> str:
    """Milliseconds, and how many times as long as the task `against`."""
    width = max(len(name) for name in found)
    rows = [f"{name:<{width}}  {1e3 * t:9.3f} ms  {t / found[against]:6.2f} x" for name, t in found.items()]
    return "\n".join(rows)
