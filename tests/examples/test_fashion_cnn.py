# SPDX-License-Identifier: Apache-2.0
"""The Fashion-MNIST networks on a part of the test set."""

from __future__ import annotations

import pytest

from examples import roads
from examples.fashion_cnn import run as fashion_cnn
from tests.examples.bounds import check

pytestmark = pytest.mark.example


@pytest.mark.parametrize(("name", "count", "loss"), [("lenet", 1_000, 1.5), ("vgg", 300, 2.0), ("ds_cnn", 300, 3.0)])
def test_fashion_cnn(name: str, count: int, loss: float) -> None:
    rows, program = roads.compare(fashion_cnn.case(name, count), [roads.CALIBRATED])
    check(rows, loss=loss, same=93.0)
    assert len(program.sequences) == 1
