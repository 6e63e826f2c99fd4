# SPDX-License-Identifier: Apache-2.0
"""HTML read with html.parser: whether it is well-formed, complete in itself, and can be read without seeing it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Checked(HTMLParser):
    """A page or a fragment. ids, links: what it names and what it leads to; tags: (name, attributes) in order; text:
    what can be read; faults: in words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{name}> is not closed" for name in self._open]
        self.faults += [f"id {name} stands twice" for name in set(self.ids) if self.ids.count(name) > 1]
        self.faults += [f"nothing is called {name}" for name in self.links if name not in self.ids]

    def handle_starttag(self, name: str, pairs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in pairs}
        self.tags.append((name, attributes))
        if len(attributes) < len(pairs):
            self.faults.append(f"<{name}> has an attribute twice")
        if name not in VOID:
            self._open.append(name)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self._references(name, attributes)

    def _references(self, name: str, attributes: dict[str, str]) -> None:
        self.links += attributes.get("aria-labelledby", "").split()
        for key in ("href", "src", "data", "action", "poster", "srcset"):
            target = attributes.get(key, "data:")
            if target.startswith("#"):
                self.links.append(target[1:])
            elif not target.startswith("data:"):
                self.faults.append(f"<{name} {key}={target}> leads outside")
        if name == "img" and not attributes.get("alt"):
            self.faults.append("a picture has no words")
        if name == "svg" and not (attributes.get("aria-labelledby") or attributes.get("aria-label")):
            self.faults.append("a drawing has no name")

    def handle_endtag(self, name: str) -> None:
        if not self._open or self._open.pop() != name:
            self.faults.append(f"</{name}> closes something else")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, name: str) -> list[dict[str, str]]:
        """The attributes of all elements of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


def checked(html: str) -> Checked:
    """The page, which must be faultless."""
    found = Checked(html)
    assert found.faults == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    headings = [int(name[1]) for name, _ in found.tags if re.fullmatch(r"h[1-6]", name)]
    assert all(b <= a + 1 for a, b in pairwise(headings))
    for attributes in found.all("th"):
        assert attributes["scope"] in ("col", "row")
    return found
