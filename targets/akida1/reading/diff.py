# SPDX-License-Identifier: Apache-2.0
"""What differs between two programs, in words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import attrs
import numpy as np

from akc.targets.akida1.program.container import Container, Header, LearningRecords, Record, Words, read
from akc.targets.akida1.program.registers import EPG, EPG_WORDS
from akc.targets.akida1.reading.register_lines import Line, record_lines

GATEWAY_OFFSETS = {4 * word for word in EPG_WORDS}
MOST_LINES = 200
"""Differences that are listed one by one; the rest is counted."""


def diff(a: bytes, b: bytes) -> str:
    """One line a difference, "the programs are identical" if there is none. Raises DiagnosticError AKC0610, AKC0611."""
    if a == b:
        return "the programs are identical"
    lines = list(_differences(read(a), read(b)))
    if not lines:
        return "the programs hold the same, but their FlatBuffers are laid out differently"
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} more differences"]
    return "\n".join(lines)


def _differences(a: Container, b: Container) -> Iterator[str]:
    yield from _header_differences(a.header, b.header)
    for number, (x, y) in enumerate(zip_longest(a.records, b.records)):
        yield from _record_differences(f"record {number}", x, y)
    yield from _learning_differences(a.learning, b.learning)


def _header_differences(a: Header, b: Header) -> Iterator[str]:
    for field in attrs.fields(Header):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.shape == y.shape:
            for index in np.flatnonzero(x != y):
                yield f"program_info {field.name}[{index}]: {x[index]} became {y[index]}"
        elif isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
            if not np.array_equal(x, y):
                yield f"program_info {field.name}: {len(x)} values became {len(y)}"
        elif field.name == "epg_tracks":
            yield from _gateway_differences(a.epg_tracks, b.epg_tracks)
        elif x != y:
            yield f"program_info {field.name}: {x} became {y}"


Pairs = tuple[tuple[int, int], ...] | None


def _gateway_differences(a: Pairs, b: Pairs) -> Iterator[str]:
    """The event gateway's registers by name; pair by pair where the two set different ones."""
    if a is None or b is None or [x for x, _ in a] != [x for x, _ in b] or {x for x, _ in a} != GATEWAY_OFFSETS:
        if a != b:
            yield f"program_info epg_tracks: {a} became {b}"
        return
    x, y = (EPG.decode([dict(pairs).get(4 * word, 0) for word in range(EPG.length)]) for pairs in (a, b))
    names = [name for name in x if x[name] != y[name]]
    yield from (f"event gateway {name}: {x[name]} became {y[name]}" for name in names)
    if a != b and not names:
        yield f"program_info epg_tracks: {a} became {b}"


def _record_differences(name: str, a: Record | None, b: Record | None) -> Iterator[str]:
    if a is None or b is None:
        yield f"{name}: only the {'second' if a is None else 'first'} program has it"
        return
    if a == b:
        return
    x, y = (_by_key(record_lines(record)) for record in (a, b))
    differences = [(key, x.get(key), y.get(key)) for key in dict.fromkeys([*x, *y]) if x.get(key) != y.get(key)]
    for key, old, new in differences:
        if old is None or new is None:
            yield f"{name}, {key}: only in the {'second' if old is None else 'first'} program"
        else:
            yield f"{name}, {key}: {old} became {new}"
    if not differences:
        yield from _word_differences(name, a, b)


def _by_key(lines: Iterator[Line]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        key = f"{line.place} {line.name}"
        count = 1
        while key in found:
            count += 1
            key = f"{line.place} {line.name} ({count})"
        found[key] = line.value
    return found


def _word_differences(name: str, a: Record, b: Record) -> Iterator[str]:
    """Differences that no decoded value shows: words that are spare, or cut differently into tracks."""
    x, y = _all_words(a), _all_words(b)
    if x.shape != y.shape or len(a.tracks) != len(b.tracks):
        yield f"{name}: {len(a.tracks)} tracks of {len(x)} words became {len(b.tracks)} of {len(y)}"
        return
    for index in np.flatnonzero(x != y):
        yield f"{name}, word {index}: {int(x[index]):08x} became {int(y[index]):08x}"


def _all_words(record: Record) -> Words:
    external = [record.external.words] if record.external is not None else []
    return np.concatenate([np.zeros(0, np.uint32), *record.tracks, *external])


def _learning_differences(a: LearningRecords | None, b: LearningRecords | None) -> Iterator[str]:
    if a is None or b is None:
        if a is not b:
            yield f"learning layer: only the {'second' if a is None else 'first'} program has one"
        return
    for name in ("learning", "inference", "weights"):
        yield from _record_differences(f"learning layer, {name} record", getattr(a, name), getattr(b, name))
    if (a.place, a.weight_words) != (b.place, b.weight_words):
        yield f"learning layer: {a.place}, {a.weight_words} words became {b.place}, {b.weight_words} words"
