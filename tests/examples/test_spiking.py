# SPDX-License-Identifier: Apache-2.0
"""The spiking networks on a part of their test sets."""

from __future__ import annotations

import pytest

from examples import roads
from examples.mnist_snn import run as mnist_snn
from examples.nmnist_conv_snn import run as nmnist_conv_snn
from tests.examples.bounds import check

pytestmark = pytest.mark.example


def test_mnist_snn() -> None:
    rows, program = roads.compare(mnist_snn.case(2_000), roads.SPIKING_ROADS)
    check(rows, loss=0.3, same=99.0)
    assert (len(program.sequences), roads.processors(program)) == (1, 2)


def test_nmnist_conv_snn() -> None:
    rows, program = roads.compare(nmnist_conv_snn.case(200), [roads.CALIBRATED])
    check(rows, loss=2.5, same=94.0)
    assert len(program.sequences) == 1
