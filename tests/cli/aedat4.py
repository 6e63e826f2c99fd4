# SPDX-License-Identifier: Apache-2.0
"""AEDAT 4 files.

The format: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html

A line with the version, then a header and packets, each a FlatBuffer with its size in front.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import flatbuffers
import numpy as np

HEADER = """<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">
<node name="0" path="/mainloop/Recorder/outInfo/0/">
<attr key="compression" type="string">NONE</attr>
<attr key="originalModuleName" type="string">capture</attr>
<attr key="originalOutputName" type="string">events</attr>
<attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>
<attr key="typeIdentifier" type="string">EVTS</attr>
<node name="info" path="/mainloop/Recorder/outInfo/0/info/">
<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>
<attr key="source" type="string">test</attr></node></node></node></dv>"""


def file(packets: Iterable[np.ndarray], width: int, height: int) -> bytes:
    """A recording without compression; packets: rows of t, x, y, p."""
    parts = [b"#!AER-DAT4.0\r\n", _header(HEADER.format(width=width, height=height))]
    for rows in packets:
        packet = _packet(rows)
        parts += [struct.pack("<ii", 0, len(packet)), packet]
    return b"".join(parts)


def _header(xml: str) -> bytes:
    builder = flatbuffers.Builder(1024)
    text = builder.CreateString(xml)
    builder.StartObject(3)
    builder.PrependInt64Slot(1, -1, 0)  # no table of what the file holds at its end
    builder.PrependUOffsetTRelativeSlot(2, text, 0)
    builder.FinishSizePrefixed(builder.EndObject(), b"IOHE")
    return bytes(builder.Output())


def _packet(rows: np.ndarray) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.StartVector(16, len(rows), 8)
    for t, x, y, p in rows[::-1].tolist():
        builder.Prep(8, 16)
        builder.Pad(3)
        builder.PrependBool(bool(p))
        builder.PrependInt16(y)
        builder.PrependInt16(x)
        builder.PrependInt64(t)
    elements = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, elements, 0)
    builder.FinishSizePrefixed(builder.EndObject(), b"EVTS")
    return bytes(builder.Output())
