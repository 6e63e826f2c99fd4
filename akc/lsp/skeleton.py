# SPDX-License-Identifier: Apache-2.0
"""A text without the payloads of its weights: small, so that it can be read anew on every keystroke.

`#w : i4[3, 4] = hex "7f01 ..."` becomes `#w : i4[3, 4] = hex ""`. What was cut is remembered with its place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from attrs import define, field, frozen

from akc.base.diagnostics import Source

_CODEC = re.compile(r"\b(?:hex|dec|b64|splat)\s*$")
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"?')
_STOPS = "#:{}%"
"""What no payload holds (see PAYLOAD in the grammar): it ends in front of it though its quote is missing."""


@frozen
class Payload:
    """Characters `start` to `end` of the text, cut out at character `at` of the skeleton."""

    start: int
    end: int
    at: int


def _payloads(text: str) -> Iterator[tuple[int, int]]:
    """Where payloads stand, quotes not counted. Comments and other strings are stepped over."""
    at = 0
    while (quote := text.find('"', at)) >= 0:
        comment = text.find("//", at, quote)
        if comment >= 0:
            at = _line_end(text, comment)
        elif _CODEC.search(text, max(0, quote - 24), quote):
            end = _payload_end(text, quote + 1)
            yield quote + 1, end
            at = end + 1
        else:
            found = _STRING.match(text, quote)
            at = found.end() if found else quote + 1


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _payload_end(text: str, start: int) -> int:
    end = text.find('"', start)
    end = len(text) if end < 0 else end
    for stop in _STOPS:
        found = text.find(stop, start, end)
        end = end if found < 0 else found
    return end


@define
class Skeleton:
    """The text of `source` is the skeleton; `text` what it was made from."""

    text: str = field(repr=False)
    source: Source
    payloads: tuple[Payload, ...]
    ats: list[int] = field(init=False)
    starts: list[int] = field(init=False)
    by_place: dict[int, Payload] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ats = [p.at for p in self.payloads]
        self.starts = [p.start for p in self.payloads]
        self.by_place = {p.at: p for p in self.payloads}

    @classmethod
    def of(cls, text: str, name: str) -> Skeleton:
        """Cut the payloads out of a text; `name` is what diagnostics call it."""
        parts, payloads, end, at = [], [], 0, 0
        for start, stop in _payloads(text):
            parts.append(text[end:start])
            at += start - end
            payloads.append(Payload(start, stop, at))
            end = stop
        parts.append(text[end:])
        return cls(text, Source(name, "".join(parts)), tuple(payloads))

    def to_text(self, offset: int) -> int:
        """The character of the text that stands at a character of the skeleton; behind a payload where one was."""
        index = bisect_right(self.ats, offset) - 1
        if index < 0:
            return offset
        return self.payloads[index].end + offset - self.ats[index]

    def from_text(self, offset: int) -> int:
        """The other way round; inside of a payload, the place where it was."""
        index = bisect_right(self.starts, offset) - 1
        if index < 0:
            return offset
        payload = self.payloads[index]
        return payload.at + max(0, offset - payload.end)

    def payload_at(self, offset: int) -> Payload | None:
        """The payload around a character of the text."""
        index = bisect_right(self.starts, offset) - 1
        return self.payloads[index] if index >= 0 and offset < self.payloads[index].end else None
