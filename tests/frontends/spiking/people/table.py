# SPDX-License-Identifier: Apache-2.0
"""The table that the files beside it fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

T = 10
"""Time steps of every network."""

Make = Callable[[], nn.Module]
NETWORKS: dict[str, tuple[Make, tuple[int, ...], dict[str, Any]]] = {}
"""What makes a network, its example's shape, and what else lower is told, by name."""


def network(shape: tuple[int, ...], **told: Any) -> Callable[[Make], Make]:
    """A row of the table."""

    def add(make: Make) -> Make:
        NETWORKS[make.__name__] = (make, shape, told)
        return make

    return add
