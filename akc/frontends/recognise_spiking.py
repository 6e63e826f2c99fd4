# SPDX-License-Identifier: Apache-2.0
"""Unrolled spiking neurons."""

from __future__ import annotations

from akc.frontends.graph import Graph


def recognise_spiking(graph: Graph) -> None:
    """Replace unrolled neurons by opaque nodes, in place."""
