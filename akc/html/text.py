# SPDX-License-Identifier: Apache-2.0
"""The text of a network in sections that fold: its head, each sequence, each run of host operations, its weights."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from akc.ir.module import Module
from akc.ir.printer import print_module

LONGEST = 200_000
"""Characters of a text that is shown with all its numbers; beyond, large weights stand as their digests."""


@frozen
class Section:
    """title: in words; text: its lines; opened: whether it is unfolded at first."""

    title: str
    text: str
    opened: bool = False

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.text.count("\n") + 1


def shown_text(module: Module) -> tuple[str, bool]:
    """The text, and whether its large weights are left out."""
    digits = sum(weight.type.size for weight in module.weights.values())
    elide = digits > LONGEST // 2
    return print_module(module, elide=elide), elide


def sections(text: str) -> list[Section]:
    """The sections of a text, in order; joined by line breaks they are the text."""
    parts: list[tuple[str, list[str]]] = [("head", [])]
    for line in text.rstrip("\n").split("\n"):
        start = _start(line, parts[-1][0])
        if start:
            parts.append((start, []))
        parts[-1][1].append(line)
    return [Section(_title(name, lines), "\n".join(lines), name != "weights") for name, lines in parts if lines]


def _start(line: str, now: str) -> str:
    """The section that begins with a line; "" where the present one goes on."""
    if found := re.match(r"  sequence (@\S+) \{", line):
        return f"sequence {found[1]}"
    if found := re.match(r"(net|weights|source)\b", line):
        return found[1]
    if now.startswith("sequence") and re.match(r"  [^ }]", line):
        return "host"
    return ""


def _title(name: str, lines: list[str]) -> str:
    ops = sum(bool(re.match(r"\s+%\S+ = ", line)) for line in lines)
    count = sum(bool(re.match(r"\s+#\S+ : ", line)) for line in lines)
    words = {"host": "between and behind sequences", "net": "the network and what is in front of the chip"}
    size = f"{count} weights" if count else f"{ops} operation{'s' * (ops != 1)}" if ops else ""
    return ", ".join(filter(None, [words.get(name, name), size]))


def marked(text: str) -> Iterator[tuple[str, str]]:
    """Pieces of a text with the class of each: value, weight, string, comment, op or none."""
    end = 0
    for found in _TOKENS.finditer(text):
        if found.start() > end:
            yield "", text[end : found.start()]
        yield str(found.lastgroup), found[0]
        end = found.end()
    yield "", text[end:]


_TOKENS = re.compile(
    r'(?P<comment>//[^\n]*)|(?P<string>"[^"]{0,120}")|(?P<value>%[\w.$-]+)|(?P<weight>#[\w.$-]+)'
    r"|(?P<op>\b(?:nn|snn|akida|host)\.\w+)"
)
