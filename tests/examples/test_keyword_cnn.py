# SPDX-License-Identifier: Apache-2.0
"""The keyword network on a part of the test voices."""

from __future__ import annotations

import pytest

from examples import roads
from examples.keyword_cnn import run as keyword_cnn
from tests.examples.bounds import check

pytestmark = pytest.mark.example


def test_keyword_cnn() -> None:
    rows, program = roads.compare(keyword_cnn.case(400), [roads.CALIBRATED])
    check(rows, loss=2.5, same=95.0)
    assert len(program.sequences) == 1
