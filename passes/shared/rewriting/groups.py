# SPDX-License-Identifier: Apache-2.0
"""Grouped convolutions as full ones."""

from __future__ import annotations

import numpy as np

from akc.passes.shared.rewriting.rewrite import Floats


def ungrouped(weight: Floats, groups: int) -> Floats:
    """The weights of a grouped convolution as those of a full one, 0 between groups."""
    filters, k0, k1, inputs = weight.shape
    full = np.zeros((filters, k0, k1, inputs * groups))
    per_group = filters // groups
    for group in range(groups):
        rows = slice(group * per_group, (group + 1) * per_group)
        full[rows, :, :, group * inputs : (group + 1) * inputs] = weight[rows]
    return full
