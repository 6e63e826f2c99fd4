# SPDX-License-Identifier: Apache-2.0
"""The image layer in front of a dense layer, where the input is signed: its filters share the range from its lowest."""

from __future__ import annotations

import numpy as np
import pytest

import akc
from akc.ir.module import Module
from akc.ir.ops import nn
from akc.passes.fitting.insert_image_layer import InsertImageLayer
from tests.passes.building import Building, context


def _inserted(filters: int, reach: tuple[float, float]) -> tuple[Module, Module]:
    module = Building(1, 5, 6).flatten().dense(4).relu().dense(3).module()
    return module, InsertImageLayer(filters=filters).run(module, context(input_range=reach))


@pytest.mark.parametrize("filters", [1, 2, 3, 17])
@pytest.mark.parametrize("reach", [(-1.5, 2.0), (-3.0, -1.0), (0.0, 2.0), (0.5, 2.0)])
def test_values_stay(filters: int, reach: tuple[float, float]) -> None:
    before, after = _inserted(filters, reach)
    assert any(isinstance(op, nn.Conv) for op in after.net.ops)
    x = np.random.default_rng(0).uniform(*reach, (50, 1, 5, 6)).astype(np.float32)
    x[0], x[1] = reach
    np.testing.assert_allclose(akc.run(after, x), akc.run(before, x), atol=1e-4)


@pytest.mark.parametrize("filters", [1, 3])
def test_each_filter_starts_where_the_one_before_ends(filters: int) -> None:
    """Filter k shows what of the input, counted from its lowest value, lies in the k-th share of its range."""
    _, after = _inserted(filters, (-1.5, 2.0))
    (conv,) = [op for op in after.net.ops if isinstance(op, nn.Conv)]
    assert conv.bias is not None
    np.testing.assert_allclose(after.array(conv.bias), 1.5 - 3.5 / filters * np.arange(filters), atol=1e-6)
