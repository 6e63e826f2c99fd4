# SPDX-License-Identifier: Apache-2.0
"""A text that is open in an editor, and what is known of it.

What a keystroke asks for is read from the skeleton. Weights are Weight objects that live on from version to version
as long as their payload is the same, and with them the numbers that were decoded from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import define, field, frozen
from lsprotocol.types import Position, Range

from akc.base.diagnostics import Diagnostic, DiagnosticError, Source, Span
from akc.ir.module import Module, Net, Op
from akc.ir.parser import read
from akc.ir.weights import Weight
from akc.lsp.skeleton import Payload, Skeleton
from akc.lsp.text import Text
from akc.lsp.words import Word, Words

Facts = Mapping[str, Any]


@frozen(eq=False)
class Reading:
    """One version of the text: skeleton, words, the module (None where the syntax is broken), faults and warnings."""

    skeleton: Skeleton
    words: Words
    module: Module | None
    found: tuple[Diagnostic, ...]


@frozen(eq=False)
class Judgement:
    """What takes longer than a keystroke: faults in numbers, the chip's limits, and what each layer takes there.

    layers: by the name of the result, rows of `akc report --json`; target: the chip.
    """

    target: str = ""
    found: tuple[Diagnostic, ...] = ()
    layers: Mapping[str, Facts] = field(factory=dict)


@define(eq=False)
class Document:
    """An open text. name: what diagnostics call it; module: the last one that could be read."""

    uri: str
    name: str
    text: Text
    version: int = 0
    module: Module | None = None
    judgement: Judgement = field(factory=Judgement)
    _weights: dict[tuple[int, str], Weight] = field(factory=dict)
    _reading: Reading | None = None

    def changed(self, version: int) -> None:
        """The text was edited."""
        self.version = version
        self._reading = None

    @property
    def reading(self) -> Reading:
        """What the text says now."""
        if self._reading is None:
            self._reading = self._read()
        return self._reading

    @property
    def known(self) -> Reading | None:
        """The same as far as it was read already."""
        return self._reading

    def _read(self) -> Reading:
        skeleton = Skeleton.of(self.text.string, self.name)
        words = Words(skeleton.source.text)
        try:
            module, found = read(skeleton.source)
        except DiagnosticError as fault:
            return Reading(skeleton, words, None, fault.diagnostics)
        self.module = self._filled(module, skeleton)
        return Reading(skeleton, words, self.module, tuple(found))

    def _filled(self, module: Module, skeleton: Skeleton) -> Module:
        """The module with the payloads back in its weights; those that did not change are the same objects."""
        before, self._weights = self._weights, {}
        source = None if module.source is None else self._with_payloads(module.source, 1, skeleton, before)
        return attrs.evolve(self._with_payloads(module, 0, skeleton, before), source=source)

    def _with_payloads(
        self, module: Module, scope: int, skeleton: Skeleton, before: Mapping[tuple[int, str], Weight]
    ) -> Module:
        weights = {}
        for name, weight in module.weights.items():
            payload = weight.span and skeleton.by_place.get(weight.span.start)
            new = _filled(weight, name, payload, skeleton, before.get((scope, name))) if payload else weight
            self._weights[scope, name] = weights[name] = new
        return attrs.evolve(module, weights=weights)

    # -- places ------------------------------------------------------------------------------------

    def offset(self, position: Position) -> int:
        """The character of the skeleton at a place of the text."""
        return self.reading.skeleton.from_text(self.text.offset(position))

    def range(self, start: int, end: int) -> Range:
        """The range of characters of the skeleton."""
        skeleton = self.reading.skeleton
        return self.text.range(skeleton.to_text(start), skeleton.to_text(end))

    def word_range(self, word: Word) -> Range:
        """The range of a word."""
        return self.range(word.start, word.end)

    def span_range(self, span: Span | None) -> Range:
        """The range of a diagnostic's place: in the skeleton, or in a weight's payload."""
        if span is None:
            return Range(Position(0, 0), Position(0, 0))
        base = self._payload_start(span.source)
        if base is None:
            start, end = (min(n, len(span.source.text)) for n in (span.start, span.end))
            return self.range(start, end)
        return self.text.range(base + span.start, base + span.end)

    def _payload_start(self, source: Source) -> int | None:
        for payload, weight in self.placed_weights():
            if weight.span is not None and weight.span.source is source:
                return payload.start
        return None

    def placed_weights(self) -> list[tuple[Payload, Weight]]:
        """Each weight with the place of its payload, in text order, as the words of the text say."""
        reading = self.reading
        found = []
        ats = dict(_payload_names(reading))
        for key, weight in self._weights.items():
            if key in ats:
                found.append((ats[key], weight))
        return found

    # -- what a name is ----------------------------------------------------------------------------

    def net(self, scope: int) -> Net | None:
        """The net of a scope, as it was when it could be read last."""
        module = self.module_of(scope)
        return None if module is None else module.net

    def module_of(self, scope: int) -> Module | None:
        """The module of a scope: the text's own, or its source."""
        return self.module if scope == 0 or self.module is None else self.module.source

    def op(self, name: str, scope: int) -> Op | None:
        """The operation that gives `%name`."""
        net = self.net(scope)
        return None if net is None else net.producer(name.removeprefix("%"))

    def weight(self, name: str, scope: int) -> Weight | None:
        """The weight `#name`."""
        module = self.module_of(scope)
        return None if module is None else module.weights.get(name.removeprefix("#"))


def _filled(weight: Weight, name: str, payload: Payload, skeleton: Skeleton, old: Weight | None) -> Weight:
    numbers = skeleton.text[payload.start : payload.end]
    same = old is not None and (old.type, old.codec, old.comments) == (weight.type, weight.codec, weight.comments)
    if same and old is not None and old.payload == numbers:
        return old
    span = Span(Source(f"#{name}", numbers), 0, len(numbers))
    return attrs.evolve(weight, payload=numbers, span=span)


def _payload_names(reading: Reading) -> list[tuple[tuple[int, str], Payload]]:
    """(scope, name) of the weight that each payload belongs to: the last one that is defined in front of it."""
    names = [word for word in reading.words.words if word.kind == "weight" and word.defines]
    found, index = [], -1
    for payload in reading.skeleton.payloads:
        while index + 1 < len(names) and names[index + 1].start < payload.at:
            index += 1
        if index >= 0:
            found.append(((names[index].scope, names[index].text[1:]), payload))
    return found
