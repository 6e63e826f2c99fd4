# SPDX-License-Identifier: Apache-2.0
"""The orders of axes that layers want."""

from __future__ import annotations

from collections.abc import Sequence

from akc.frontends.graph.building import Axes, Builder
from akc.frontends.graph.graph import Node

CHANNELS_LAST: dict[int, Axes] = {3: (None, 2, 1), 4: (2, 3, 1)}
"""Where the axes of [batch, channels, ...] go, by rank; one-dimensional maps are 1 x length."""


def map_axes(b: Builder, node: Node, what: str) -> Axes | None:
    """The order that a spatial layer wants; None, and an opaque operation, where there is none."""
    x = node.inputs[0]
    rank = len(b.shape(x))
    axes = CHANNELS_LAST.get(rank)
    if axes is None or b.batch[x] not in (0, None):
        b.opaque(node, f"3-D {what}" if rank == 5 else f"{what} over the batch axis")
        return None
    return axes


def two(values: Sequence[int], fill: int) -> tuple[int, int]:
    """Numbers for d0 and d1; a one-dimensional map has only d1."""
    return (int(values[0]), int(values[1])) if len(values) == 2 else (fill, int(values[0]))


def with_last_axis(b: Builder, value: str, axis: int) -> Axes:
    """The order in which a value is held, or else one that ends with `axis`."""
    held = b.held[value].axes
    if held and held[-1] == axis:
        return held
    usual = CHANNELS_LAST.get(len(b.shape(value)))
    if usual and usual[-1] == axis and b.batch[value] == 0:
        return usual
    return (*(a for a in b.source_axes(value) if a != axis), axis)
