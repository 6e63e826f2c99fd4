# SPDX-License-Identifier: Apache-2.0
"""Formats of inputs and outputs: pairs of words, one pair an event (docs/akd1000/runtime.md).

Both directions of each format are here, since the emulator reads what the driver writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

Array = npt.NDArray[np.generic]
Words = npt.NDArray[np.uint32]
Shape = tuple[int, int, int]

DENSE, FNP, CNP, HRC = 0, 1, 2, 3
"""input_type and output_type of a program: an image, flat events, spatial events, events of the image front end."""
NAMES = {DENSE: "dense", FNP: "fnp_sparse", CNP: "cnp_sparse", HRC: "hrc_sparse"}

FLAT_BITS, COORDINATE_BITS, CHANNEL_BITS = 18, 12, 11
FLAT_POTENTIAL_BITS, SPATIAL_POTENTIAL_BITS = 26, 20
POLARITY = 1 << 31
"""Set on flat input events."""


def signed(words: Words, bits: int) -> npt.NDArray[np.int32]:
    """Two's complement of the low bits, as int32."""
    shift = np.uint32(32 - bits)
    return (words << shift).view(np.int32) >> np.int32(shift)


def _field(words: Words, low: int, bits: int) -> npt.NDArray[np.int64]:
    return (words >> np.uint32(low) & np.uint32((1 << bits) - 1)).astype(np.int64)


@frozen
class Events:
    """Coordinates (d0, d1, channel) and values of events, int64 each."""

    d0: npt.NDArray[np.int64]
    d1: npt.NDArray[np.int64]
    channel: npt.NDArray[np.int64]
    value: npt.NDArray[np.int64]

    @classmethod
    def of(cls, map: Array) -> Events:
        """The non-zero places of a map [d0, d1, channels], in its own order."""
        return cls.of_maps(map[None])[0]

    @classmethod
    def of_maps(cls, maps: Array) -> tuple[Events, npt.NDArray[np.int64]]:
        """The non-zero places of maps [n, d0, d1, channels], one map after the other, and how many each has."""
        values = np.ascontiguousarray(maps).reshape(-1)
        places = np.flatnonzero(values)
        sample, d0, d1, channel = np.unravel_index(places, maps.shape)
        return cls(d0, d1, channel, values[places].astype(np.int64)), np.bincount(sample, minlength=len(maps))

    def outside(self, shape: Shape) -> npt.NDArray[np.bool_]:
        """Which events lie outside a map of this shape."""
        return (self.d0 >= shape[0]) | (self.d1 >= shape[1]) | (self.channel >= shape[2])


def owners(blocks: Sequence[Words]) -> npt.NDArray[np.int64]:
    """For each event of blocks of words that are joined, the number of its block."""
    return np.repeat(np.arange(len(blocks)), [len(words) // 2 for words in blocks])


def _words(first: Array, second: Array) -> Words:
    return np.stack([first, second], axis=-1).astype(np.uint32).reshape(-1)


# -- input events ----------------------------------------------------------------------------------


def write_spatial_levels(events: Events) -> Words:
    """d1 and d0 in word 0, value and channel in word 1."""
    return _words(events.d1 << 16 | events.d0, events.value << 16 | events.channel)


def write_flat_levels(events: Events, polarity: int = POLARITY) -> Words:
    """Channel in word 0, value in word 1; the map is [1, 1, n]."""
    return _words(events.channel, events.value | polarity)


def encode_input(map: Array, input_type: int) -> bytes:
    """A map of levels [d0, d1, channels] as the chip takes it; see `encode_inputs`."""
    return encode_inputs(map[None], input_type)[0]


def encode_inputs(maps: Array, input_type: int) -> list[bytes]:
    """Maps of levels [n, d0, d1, channels] as the chip takes them.

    An image goes as its bytes. A map without any level goes as one event just outside of it, since the
    chip needs at least one.
    """
    if input_type == DENSE:
        return [map.tobytes() for map in np.ascontiguousarray(maps, np.uint8)]
    n, d0, d1, channels = maps.shape
    flat = input_type == FNP
    write = write_flat_levels if flat else write_spatial_levels
    events, counts = Events.of_maps(maps.reshape(n, 1, 1, -1) if flat else maps)
    beyond = (0, 0, d0 + d1 * d0 + channels * d0 * d1) if flat else (d0, d1, channels)
    nothing = write(Events(*(np.array([number]) for number in (*beyond, 1)))).astype("<u4").tobytes()
    return [block.astype("<u4").tobytes() or nothing for block in split_words(write(events), counts)]


def split_words(words: Words, counts: npt.NDArray[np.int64]) -> list[Words]:
    """The words of each map, where the maps have `counts` events."""
    return np.split(words, np.cumsum(2 * counts)[:-1])


def read_spatial_levels(words: Words) -> Events:
    """Spatial events from their words."""
    first, second = words[0::2], words[1::2]
    return Events(
        _field(first, 0, COORDINATE_BITS),
        _field(first, 16, COORDINATE_BITS),
        _field(second, 0, CHANNEL_BITS),
        _field(second, 16, 8),
    )


def read_flat_levels(words: Words) -> Events:
    """Flat events from their words; the coordinates are (0, 0, index)."""
    index = _field(words[0::2], 0, FLAT_BITS)
    zero = np.zeros_like(index)
    return Events(zero, zero, index, _field(words[1::2], 0, 8))


# -- output events ---------------------------------------------------------------------------------


def _read_flat_potentials(words: Words) -> Events:
    events = read_flat_levels(words)
    return Events(events.d0, events.d1, events.channel, signed(words[1::2], FLAT_POTENTIAL_BITS).astype(np.int64))


def _read_spatial_potentials(words: Words) -> Events:
    events = read_spatial_levels(words)
    value = words[1::2].view(np.int32) >> np.int32(32 - SPATIAL_POTENTIAL_BITS)
    return Events(events.d0, events.d1, events.channel, value.astype(np.int64))


def _read_image_levels(words: Words) -> Events:
    events = read_spatial_levels(words)
    return Events(events.d1, events.d0, events.channel, events.value)


def _read_image_potentials(words: Words) -> Events:
    """24 bits: the sign and three bits in word 0, twenty in word 1; the axes are not exchanged here."""
    events = read_spatial_levels(words)
    high = words[0::2].view(np.int32) >> np.int32(28)
    value = high.astype(np.int64) << 20 | _field(words[1::2], 12, 20)
    return Events(events.d0, events.d1, events.channel, value)


def _write_flat_output(events: Events) -> Words:
    return write_flat_levels(events, 0)


def _write_flat_potentials(events: Events) -> Words:
    return _words(events.channel, events.value & (1 << FLAT_POTENTIAL_BITS) - 1)


def _write_spatial_potentials(events: Events) -> Words:
    potential = (events.value & (1 << SPATIAL_POTENTIAL_BITS) - 1) << 32 - SPATIAL_POTENTIAL_BITS
    return _words(events.d1 << 16 | events.d0, potential | events.channel)


def _write_image_levels(events: Events) -> Words:
    return write_spatial_levels(Events(events.d1, events.d0, events.channel, events.value))


@frozen
class OutputFormat:
    """How outputs of one kind are written (by the chip) and read (by the driver)."""

    read: Callable[[Words], Events]
    write: Callable[[Events], Words] | None


OUTPUT_FORMATS: dict[tuple[int, bool], OutputFormat] = {
    (FNP, True): OutputFormat(read_flat_levels, _write_flat_output),
    (FNP, False): OutputFormat(_read_flat_potentials, _write_flat_potentials),
    (CNP, True): OutputFormat(read_spatial_levels, write_spatial_levels),
    (CNP, False): OutputFormat(_read_spatial_potentials, _write_spatial_potentials),
    (HRC, True): OutputFormat(_read_image_levels, _write_image_levels),
    (HRC, False): OutputFormat(_read_image_potentials, None),
}
"""By (output_type, activation). The image layer without activation was never seen: no program asks for it."""

_DENSE_TYPES: tuple[tuple[int, str], ...] = ((7, "u1"), (8, "i1"), (32, "<i4"))
"""Largest output_bits and element type of dense outputs (later chips only)."""


def dense_output_type(bits: int) -> np.dtype[np.generic]:
    """The element type of a dense output of so many bits."""
    return np.dtype(next(name for most, name in _DENSE_TYPES if bits <= most))


def decode_output(words: Words, shape: Shape, output_type: int, activation: bool) -> npt.NDArray[np.int32] | None:
    """Output words as a map [d0, d1, channels], int32; None if they cannot be one."""
    maps = decode_outputs([words], shape, output_type, activation)
    return None if maps is None else maps[0]


def decode_outputs(
    blocks: Sequence[Words], shape: Shape, output_type: int, activation: bool
) -> npt.NDArray[np.int32] | None:
    """Output words of several jobs as maps [n, d0, d1, channels], int32; None if some cannot be one."""
    if any(len(words) % 2 for words in blocks):
        return None
    events = OUTPUT_FORMATS[output_type, activation].read(np.concatenate(blocks))
    if events.outside(shape).any():
        return None
    maps = np.zeros((len(blocks), *shape), np.int32)
    maps[owners(blocks), events.d0, events.d1, events.channel] = events.value
    return maps
