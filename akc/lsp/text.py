# SPDX-License-Identifier: Apache-2.0
"""The text in an editor: edits, and places in it as the protocol counts them.

A text may have 10 MB, nearly all of it payloads of weights. So an edit costs a few copies of memory and nothing for
each line, and places are found in a table of line starts that each edit mends.
"""

from __future__ import annotations

import re

import numpy as np
from attrs import define, field
from lsprotocol.types import Position, PositionEncodingKind, Range

Starts = np.ndarray[tuple[int], np.dtype[np.int64]]

UNITS = {
    PositionEncodingKind.Utf8: lambda line: len(line.encode()),
    PositionEncodingKind.Utf16: lambda line: len(line.encode("utf-16-le")) // 2,
    PositionEncodingKind.Utf32: len,
}
"""How long a piece of a line is, in the units in which a client counts columns."""


def _line_starts(text: str) -> Starts:
    """Where lines begin, the first one left out."""
    if text.isascii():
        return np.flatnonzero(np.frombuffer(text.encode("ascii"), np.uint8) == 10).astype(np.int64) + 1
    return np.array([m.end() for m in re.finditer("\n", text)], np.int64)


@define
class Text:
    """A text that changes. encoding: in what the client counts columns."""

    string: str
    encoding: PositionEncodingKind = PositionEncodingKind.Utf16
    starts: Starts = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.replace(self.string)

    def replace(self, string: str) -> None:
        """Take another text."""
        self.string = string
        self.starts = np.concatenate([np.zeros(1, np.int64), _line_starts(string)])

    def edit(self, where: Range, new: str) -> None:
        """Put `new` in the place of a range."""
        start, end = self.offset(where.start), self.offset(where.end)
        self.string = "".join((self.string[:start], new, self.string[end:]))
        first, last = np.searchsorted(self.starts, (start, end), "right")
        behind = self.starts[last:] + (len(new) - (end - start))
        self.starts = np.concatenate([self.starts[:first], _line_starts(new) + start, behind])

    def line(self, number: int) -> str:
        """A line (from 0) without its line break."""
        start = int(self.starts[number])
        end = int(self.starts[number + 1]) if number + 1 < len(self.starts) else len(self.string)
        return self.string[start:end].rstrip("\r\n")

    def offset(self, place: Position) -> int:
        """The character at a place; a place behind the end of a line or of the text is that end."""
        if place.line >= len(self.starts):
            return len(self.string)
        line = self.line(place.line)
        return int(self.starts[place.line]) + self._column(line, place.character)

    def _column(self, line: str, units: int) -> int:
        if line.isascii() or self.encoding == PositionEncodingKind.Utf32:
            return min(units, len(line))
        measure, column = UNITS[self.encoding], 0
        while column < len(line) and units > 0:
            units -= measure(line[column])
            column += 1
        return column

    def position(self, offset: int) -> Position:
        """The place of a character."""
        number = int(np.searchsorted(self.starts, offset, "right")) - 1
        start = int(self.starts[number])
        return Position(number, UNITS[self.encoding](self.string[start:offset]))

    def range(self, start: int, end: int) -> Range:
        """The range of characters `start` to `end`."""
        return Range(self.position(start), self.position(end))
