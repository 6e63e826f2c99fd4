# SPDX-License-Identifier: Apache-2.0
"""The MNIST network on a part of its test set."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import roads
from examples.mnist_mlp import run as mnist_mlp
from tests.examples.bounds import by_name, check

pytestmark = pytest.mark.example


def test_mnist_mlp(tmp_path: Path) -> None:
    rows, program = roads.compare(mnist_mlp.case(2_000), stages=tmp_path)
    check(rows, loss=0.5, same=99.0)
    assert by_name(rows)[roads.DATA_FREE.what].same >= 98.0
    assert (len(program.sequences), roads.processors(program)) == (1, 3)
    stages = sorted(path.name for path in tmp_path.iterdir())
    assert stages[0] == "00-input.akir" and stages[-1].endswith("place.akir")
    assert any("lower-int4" in name for name in stages)
