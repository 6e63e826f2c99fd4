# SPDX-License-Identifier: Apache-2.0
"""The outer form of a .fbz file: one raw Snappy block, then filler of any length and content.

Where the block ends is not written anywhere; it is where as many bytes have come out as its head
announces. `block_end` finds that place without unpacking.
"""

from __future__ import annotations

import cramjam

from akc.base.budget import promise

LARGEST = 2**31
"""FlatBuffers address 2 GiB."""


class SnappyFault(ValueError):
    """The bytes are no Snappy block; the text says what was found where."""


def unpack(data: bytes) -> bytes:
    """The bytes of the block that `data` begins with; raises SnappyFault."""
    end = block_end(data)
    try:
        return bytes(cramjam.snappy.decompress_raw(data[:end]))
    except cramjam.DecompressionError as fault:
        raise SnappyFault(f"the Snappy block cannot be unpacked: {fault}") from None


def block_end(data: bytes) -> int:
    """The length of the Snappy block that `data` begins with; raises SnappyFault."""
    size, position = _varint(data)
    if size >= LARGEST:
        raise SnappyFault(f"its head announces {size} bytes, more than such a file can hold")
    promise(size, "the file, unpacked as its head announces,")
    made = 0
    while made < size:
        length, position = _element(data, position)
        made += length
        if position > len(data):
            raise SnappyFault(f"it ends after {made - length} of the {size} bytes that its head announces")
    if made > size:
        raise SnappyFault(f"its head announces {size} bytes, its elements hold more")
    return position


def _varint(data: bytes) -> tuple[int, int]:
    """(number, bytes read) of the little-endian base-128 number at the beginning."""
    value = 0
    for index, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, index + 1
    raise SnappyFault("it does not begin with the length of a Snappy block")


def _element(data: bytes, position: int) -> tuple[int, int]:
    """(bytes that come out, position behind) of the literal or copy at a position."""
    if position >= len(data):
        return 0, len(data) + 1
    tag = data[position]
    kind, number = tag & 3, tag >> 2
    if kind == 1:
        return (number & 7) + 4, position + 2
    if kind:
        return number + 1, position + (3 if kind == 2 else 5)
    if number < 60:
        return number + 1, position + 2 + number
    extra = number - 59
    length = int.from_bytes(data[position + 1 : position + 1 + extra], "little") + 1
    return length, position + 1 + extra + length
