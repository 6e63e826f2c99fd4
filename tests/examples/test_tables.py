# SPDX-License-Identifier: Apache-2.0
"""Accuracy tables, and the texts of the stages that the examples left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import akc
from examples import roads
from examples.accuracy import row, table

pytestmark = pytest.mark.example


def test_committed_stages_are_read() -> None:
    """Every text in the examples parses and prints to itself."""
    texts = sorted(Path(roads.__file__).parent.glob("*/akir/**/*.akir"))
    assert len(texts) >= 40
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert akc.print_module(akc.parse(text)) == text, path


def test_rows_count_answers() -> None:
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    one = row("x", scores, np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1]))
    assert (one.accuracy, one.same) == (50.0, 75.0)
    assert "|   50.00% |" in table([one], 4) and table([one], 4).startswith("4 test samples")
