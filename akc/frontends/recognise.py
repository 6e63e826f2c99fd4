# SPDX-License-Identifier: Apache-2.0
"""Groups of nodes that users know by one name."""

from __future__ import annotations

from akc.frontends.graph import Graph


def recognise(graph: Graph) -> None:
    """Replace each known group by one opaque node, in place."""
