# SPDX-License-Identifier: Apache-2.0
"""Damaged programs, .akd and .fbz files give a diagnostic, whatever the damage: about 5,000 mutations a run."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import cramjam
import numpy as np
import pytest
from attrs import evolve

from akc import build, fbz
from akc.base.diagnostics import DiagnosticError
from akc.compiler.program import from_bytes
from akc.fbz.reading import read as read_fbz
from akc.fbz.snappy import unpack
from akc.targets.akd1000 import TARGET
from akc.targets.akida1.program.container import read_parts
from akc.targets.akida1.program.writer import write
from akc.targets.akida1.reading.diff import diff
from tests.targets.akida1.programs import KINDS, placed, program

Random = np.random.Generator
WORDS = (0, 1, 2, 3, 4, 0x80, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFF0000, 0xFFFFFFFF)
HEAD = 800
"""Bytes at the start, where the tables of a small program are."""


def damaged(data: bytes, rng: Random) -> bytes:
    """Cut, overwritten with extreme words, with other bytes, or with turned bits near the start."""
    if rng.random() < 0.25:
        return data[: rng.integers(len(data))]
    changed = bytearray(data)
    kind = int(rng.integers(3))
    for _ in range(int(rng.integers(1, 5))):
        if kind == 0:
            at = 4 * int(rng.integers(len(data) // 4))
            changed[at : at + 4] = int(rng.choice(WORDS)).to_bytes(4, "little")
        elif kind == 1:
            changed[int(rng.integers(len(data)))] = int(rng.integers(256))
        else:
            changed[int(rng.integers(min(len(data), HEAD)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@cache
def sound(kind: str) -> dict[str, bytes]:
    """The files of a small network."""
    module = placed(kind, 0, 9000)
    model = fbz.write(module)
    return {
        "program": program(kind, 0, 9000).bytes,
        "akd": build(module).to_bytes(),
        "fbz": model,
        "unpacked": unpack(model),
    }


Door = tuple[str, Callable[[str, bytes], object], set[str]]
DOORS: dict[str, Door] = {
    "disasm": ("program", lambda kind, data: TARGET.disassemble(data), {"AKC0605", "AKC0610", "AKC0611"}),
    "recover": ("program", lambda kind, data: TARGET.recover(data), {"AKC0605", "AKC0610", "AKC0611", "AKC0614"}),
    "diff": ("program", lambda kind, data: diff(sound(kind)["program"], data), {"AKC0605", "AKC0610", "AKC0611"}),
    "akd": (
        "akd",
        lambda kind, data: from_bytes(data),
        {"AKC0601", "AKC0602", "AKC0603", "AKC0955", "AKC0956", "AKC0962"},
    ),
    "fbz": ("fbz", lambda kind, data: read_fbz(data), {f"AKC034{n}" for n in range(6)}),
    "unpacked": (
        "unpacked",
        lambda kind, data: read_fbz(bytes(cramjam.snappy.compress_raw(data))),
        {f"AKC034{n}" for n in range(6)},
    ),
}
"""What is damaged, who reads it, and the diagnostics that may come."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_damage_gives_a_diagnostic(door: str, kind: str) -> None:
    file, read, codes = DOORS[door]
    rng = np.random.default_rng([7, *door.encode(), *kind.encode()])
    faults = 0
    for _ in range(120):
        try:
            read(kind, damaged(sound(kind)[file], rng))
        except DiagnosticError as fault:
            faults += 1
            assert {d.code for d in fault.diagnostics} <= codes
    assert faults > 50


# -- a .akd file whose digests are right -------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _changed(value: Any, rng: Random) -> Any:
    """JSON with one value dropped or of another kind."""
    places = list(_places(value))
    *path, last = places[int(rng.integers(1, len(places)))]
    inner = value
    for key in path:
        inner = inner[key]
    if rng.random() < 0.4:
        del inner[last]
    else:
        inner[last] = [None, [], {}, "x", -1, 0.5, True][int(rng.integers(7))]
    return value


def _packed(members: dict[str, bytes], meta: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in {"meta.json": json.dumps(meta).encode(), **members}.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize("what", ["meta", "map", "member", "gone"])
def test_members_that_do_not_fit_together(what: str) -> None:
    with zipfile.ZipFile(io.BytesIO(sound("mixed")["akd"])) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    rng, seen = np.random.default_rng(len(what)), Counter[str]()
    for _ in range(150):
        members, meta = dict(whole), json.loads(whole["meta.json"])
        del members["meta.json"]
        name = "map.json" if what == "map" else sorted(members)[int(rng.integers(len(members)))]
        if what == "meta":
            _changed(meta, rng)
        elif what == "map":
            members[name] = json.dumps(_changed(json.loads(members[name]), rng)).encode()
        elif what == "gone":
            del members[name], meta["sha256"][name]
        else:
            members[name] = damaged(members[name], rng)
        if name in members and what != "meta":
            meta["sha256"][name] = hashlib.sha256(members[name]).hexdigest()
        try:
            from_bytes(_packed(members, meta))
            seen["read"] += 1
        except DiagnosticError as fault:
            seen[fault.diagnostics[0].code] += 1
    assert seen["AKC0601"] + seen["AKC0955"] > 20, dict(seen)


# -- every span of program_info ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_span_of_other_words_is_refused(kind: str) -> None:
    """Each track and each block of external weights, named one word too long, too short or too far."""
    one = program(kind, 0, 9000)
    written = write(container := read_parts(one.info, one.data))
    spans = [pair for record in written.spans for pair in record.tracks]
    found = 0
    for at in range(0, len(one.info) - 7, 4):
        pair = int.from_bytes(one.info[at : at + 4], "little"), int.from_bytes(one.info[at + 4 : at + 8], "little")
        if pair in spans:
            found += 1
            for field, change in ((0, 4), (1, 1), (1, -1)):
                place = at + 4 * field
                info = bytearray(one.info)
                info[place : place + 4] = (pair[field] + change).to_bytes(4, "little")
                with pytest.raises(DiagnosticError, match="AKC0610"):
                    read_parts(bytes(info), one.data)
    assert found >= len(container.records)


def test_a_last_track_that_ends_beyond_the_data_is_refused() -> None:
    """Its words are those of the data up to the end, so only their number can tell."""
    one = program("dense", 0, 9000)
    container = read_parts(one.info, one.data)
    last = container.passes[0][-1]
    cut = evolve(last, tracks=(*last.tracks[:-1], last.tracks[-1][:-1]))
    shorter = write(evolve(container, passes=((*container.passes[0][:-1], cut),)))
    assert shorter.data != one.data
    with pytest.raises(DiagnosticError, match="AKC0610"):
        read_parts(one.info, shorter.data)
