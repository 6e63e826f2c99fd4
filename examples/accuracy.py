# SPDX-License-Identifier: Apache-2.0
"""Accuracy figures and the tables that the examples print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Row(NamedTuple):
    """One line of an accuracy table, all in percent; `same` is how often the answer is the source's own."""

    what: str
    accuracy: float
    same: float


def percent(answers: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    """How many of the answers equal the labels, in percent."""
    return 100.0 * float(np.mean(answers == labels))


def row(what: str, scores: NDArray[np.generic], labels: NDArray[np.generic], source: NDArray[np.generic]) -> Row:
    """A line from scores [n, classes] and the source network's answers [n]."""
    answers = scores.reshape(len(labels), -1).argmax(axis=1)
    return Row(what, percent(answers, labels), percent(answers, source))


def table(rows: Sequence[Row], count: int, of: str = "test samples") -> str:
    """The rows as a Markdown table."""
    width = max(len(line.what) for line in rows)
    lines = [f"| {'network'.ljust(width)} | accuracy | same answer |", f"| {'-' * width} | -------- | ----------- |"]
    lines += [f"| {line.what.ljust(width)} | {line.accuracy:7.2f}% | {line.same:10.2f}% |" for line in rows]
    return "\n".join([f"{count} {of}", "", *lines])
