# SPDX-License-Identifier: Apache-2.0
"""A text in an editor, and a client that speaks with a server of its own about it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

from lsprotocol import types
from pytest_lsp import LanguageClient

from akc.lsp.text import Text

COMMAND = [sys.executable, "-m", "akc", "lsp"]

TINY = """akir 1.0

// Four inputs, three hidden neurons,
// two outputs.
net @tiny(%image: f32[4] in [0.0, 1.0]) -> f32[2] {
  %x = host.quantize(%image, scale=0.06666667, bits=4) : u4[1, 1, 4]
  sequence @s0 {
    %h = akida.fully_connected(%x,
      weights=#fc1.weights,
      threshold=#fc1.threshold,
      act_step=#fc1.act_step,
      act_bits=4,
    ) : u4[1, 1, 3] from "fc1", "relu1"
    %p = akida.fully_connected(%h, weights=#fc2.weights, activation=false) : i32[1, 1, 2] from "fc2"
  }
  %y = host.decode(%p) : f32[2] from "fc2"
  return %y
}

weights {
  #fc1.weights : i4[3, 4] = hex "
    7f01
    9000
    1234"
  #fc1.threshold : i32[3] = dec "5 -6 700"
  #fc1.act_step : f32[3] = splat "17.25"
  #fc2.weights : u1[2, 3] = hex "
    010
    111"
}
"""


CONV = "akida.convolutional(%{x}, weights=#{w}, act_bits=4) : u4[{size}, {size}, {n}]"


def chain(layers: int, channels: int, size: int, kernel: int = 3) -> str:
    """Convolutions whose weights are elided."""
    kind = f"u4[{size}, {size}, {channels}]"
    ops = "".join(
        f"    %v{n} = {CONV.format(x=f'v{n - 1}' if n else 'x', w=f'w{n}', size=size, n=channels)}\n"
        for n in range(layers)
    )
    weights = "".join(
        f"  #w{n} : i4[{channels}, {kernel}, {kernel}, {channels}] = elided sha256:{n:016x}\n" for n in range(layers)
    )
    return (
        f"akir 1.0\n\nnet @n(%x: {kind}) -> {kind} {{\n  sequence @s0 {{\n{ops}  }}\n  return %v{layers - 1}\n}}\n\n"
        f"weights {{\n{weights}}}\n"
    )


def place(text: str, mark: str) -> types.Position:
    """The place of `|` in a piece of the text, such as `weights=#fc1|`."""
    before, _, behind = mark.partition("|")
    at = text.index(before + behind) + len(before)
    return types.Position(text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1)


def applied(text: str, edits: Iterable[types.TextEdit]) -> str:
    """The text after edits, which do not overlap."""
    found = Text(text)
    placed = [(found.offset(e.range.start), found.offset(e.range.end), n, e) for n, e in enumerate(edits)]
    for start, end, _, edit in sorted(placed, key=lambda entry: entry[:3], reverse=True):
        text = text[:start] + edit.new_text + text[end:]
    return text


class Editor:
    """One text in a client, as an editor holds it."""

    def __init__(self, client: LanguageClient, uri: str = "file:///tiny.akir") -> None:
        self.client, self.uri, self.version, self.text = client, uri, 0, ""

    @property
    def identifier(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    async def open(self, text: str) -> list[types.Diagnostic]:
        """Open a text, or put another one in its place; gives what is wrong with it."""
        self.version += 1
        self.text = text
        if self.version == 1:
            item = types.TextDocumentItem(self.uri, "akir", self.version, text)
            self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        else:
            self._changed(types.TextDocumentContentChangeWholeDocument(text))
        return await self.told()

    def type(self, mark: str, new: str) -> None:
        """Put `new` at the place of `|`."""
        where = place(self.text, mark)
        self.version += 1
        self._changed(types.TextDocumentContentChangePartial(types.Range(where, where), new))
        self.text = applied(self.text, [types.TextEdit(types.Range(where, where), new)])

    def _changed(self, change: types.TextDocumentContentChangeEvent) -> None:
        text = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(text, [change]))

    async def told(self) -> list[types.Diagnostic]:
        """What the server says is wrong with this version."""
        while True:
            said = await asyncio.wait_for(
                self.client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS), timeout=60
            )
            if said.uri == self.uri and said.version in (None, self.version):
                return list(said.diagnostics)

    def at(self, mark: str) -> dict[str, Any]:
        """`text_document` and `position` of a request."""
        return {"text_document": self.identifier, "position": place(self.text, mark)}
