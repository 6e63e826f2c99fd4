# SPDX-License-Identifier: Apache-2.0
"""The sample of Fashion-MNIST in the examples is the beginning of the data set in Debian's package."""

from __future__ import annotations

import numpy as np
import pytest

from examples import data

pytestmark = pytest.mark.conformance


def test_the_sample_is_the_first_pictures() -> None:
    whole, sample = data.fashion_mnist(), data.fashion_sample()
    assert whole.train.shape == (60_000, 28, 28) and np.bincount(whole.test_labels).tolist() == [1_000] * 10
    for part, pictures in zip(sample, whole, strict=True):
        assert np.array_equal(part, pictures[: data.SAMPLE])
