# SPDX-License-Identifier: Apache-2.0
"""What arrives at the emulated chip: words of events and rows of pixels, several jobs at once, as maps of levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from akc.targets.akida1.driver.events import Events, Shape, Words, owners, read_flat_levels, read_spatial_levels
from akc.targets.akida1.emulator.device_memory import Memory
from akc.targets.faults import BadEvent

Array = npt.NDArray[Any]


def read_events(blocks: Sequence[Words], flat: bool, shape: Shape, bits: int) -> Array:
    """The events of several jobs as maps [n, d0, d1, channels]. Raises BadEvent.

    One event of 1 just outside of the map stands for no event at all.
    """
    for words in blocks:
        if len(words) % 2 or not len(words):
            raise BadEvent(f"{len(words)} words are no pairs")
    joined = np.concatenate(blocks)
    events = read_flat_levels(joined) if flat else read_spatial_levels(joined)
    sample = owners(blocks)
    inside = _inside(events, sample, blocks, shape)
    places = np.ravel_multi_index((sample, events.d0, events.d1, events.channel), (len(blocks), *shape), mode="clip")
    maps = np.zeros((len(blocks), *shape), np.uint8)
    places, values = places[inside], events.value[inside]
    if values.max(initial=0) >= 1 << bits:
        raise BadEvent(f"an event of {int(values.max())} does not fit {bits} bits")
    taken = np.zeros(maps.size, bool)
    taken[places] = True
    if np.count_nonzero(taken) != len(places):
        raise BadEvent("two events have the same place")
    maps.reshape(-1)[places] = values
    return maps


def _inside(events: Events, sample: Array, blocks: Sequence[Words], shape: Shape) -> Array:
    """Which events count: all but the lone ones that say that there are none."""
    outside = events.outside(shape)
    if not outside.any():
        return ~outside
    lone = (np.array([len(words) for words in blocks]) == 2)[sample] & (events.value == 1)
    wrong = np.flatnonzero(outside & ~lone)
    if len(wrong):
        n = int(wrong[0])
        number = n - int(np.flatnonzero(sample == sample[n])[0])
        raise BadEvent(f"event {number} at ({events.d0[n]}, {events.d1[n]}, {events.channel[n]}) is outside of {shape}")
    return ~outside


def read_rows(memory: Memory, address: int, rows: int, row_bytes: int, stride: int) -> npt.NDArray[np.uint8]:
    """Rows of bytes, uint8 [rows, row bytes], that start `stride` bytes apart."""
    span = np.frombuffer(memory.read(address, (rows - 1) * stride + row_bytes), np.uint8)
    return np.lib.stride_tricks.as_strided(span, (rows, row_bytes), (stride, 1)).copy()
