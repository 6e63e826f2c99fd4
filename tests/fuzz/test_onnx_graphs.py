# SPDX-License-Identifier: Apache-2.0
"""The first seeds of the generator of ONNX graphs, and that it knows every operator that akc reads."""

from __future__ import annotations

from collections import Counter

import pytest

from akc.frontends.onnx.qoperators import ROWS
from akc.frontends.onnx.table import HANDLERS
from tests.fuzz.onnx_graphs import verdict
from tests.fuzz.onnx_nodes import MAKERS

CHUNK = 30


@pytest.mark.parametrize("first", range(0, 240, CHUNK))
def test_each_imports_equal_or_is_refused(first: int) -> None:
    found = Counter(verdict(seed).split()[0] for seed in range(first, first + CHUNK))
    assert found["equal"] > CHUNK // 2
    assert set(found) <= {"equal", "opaque:", "AKC0311", "AKC0314", "AKC0395"}


def test_every_operator_that_akc_reads_has_a_maker() -> None:
    read = {name for name, handler in HANDLERS.items() if not handler.__qualname__.startswith("named.")}
    assert read - set(MAKERS) == set()
    assert {name for name in MAKERS if name.startswith("QLinear")} <= set(ROWS)
