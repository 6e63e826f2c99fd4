# SPDX-License-Identifier: Apache-2.0
"""The road of a network through the passes, as differences of its text from one pass to the next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import unified_diff
from pathlib import Path

from attrs import frozen

from akc.base.diagnostics import error
from akc.base.files import nearly, read_text
from akc.compiler.pipeline import Step
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.ir.printer import print_module

LONGEST_DIFF = 4000
"""Lines of one step's difference that are shown."""


@frozen(kw_only=True)
class Stop:
    """One pass: what it is called with its options, what it preserves, and the difference it makes."""

    name: str
    preserves: str = ""
    diff: tuple[str, ...]

    @property
    def added(self) -> int:
        """Lines that it put in."""
        return sum(line.startswith("+") for line in self.diff)

    @property
    def removed(self) -> int:
        """Lines that it took out."""
        return sum(line.startswith("-") for line in self.diff)


@frozen(kw_only=True)
class Road:
    """All passes that changed something. note: where the road is from, and whether it ends in the program."""

    note: str
    stops: tuple[Stop, ...] = ()


def diff_of(before: str, after: str) -> tuple[str, ...]:
    """Lines with `+`, `-`, ` ` or `@` in front."""
    lines = [line.rstrip("\n") for line in unified_diff(before.split("\n"), after.split("\n"), n=2, lineterm="")][2:]
    rest = len(lines) - LONGEST_DIFF
    return (*lines[:LONGEST_DIFF], *((f"@@ and {rest:,} lines more @@",) if rest > 0 else ()))


def stops_of(steps: Iterable[Step], end: Module) -> tuple[Stop, ...]:
    """The passes that lead to a module, of those that were run."""
    found: list[Stop] = []
    here = end
    for step in reversed(list(steps)):
        if step.after is here:
            diff = diff_of(*(print_module(module, elide=True) for module in (step.before, step.after)))
            found.append(Stop(name=step.name, preserves=step.preserves, diff=diff))
            here = step.before
    return tuple(reversed(found))


def stops_of_folder(folder: str) -> tuple[tuple[Stop, ...], str]:
    """The passes whose texts `akc lower --dump-dir` kept, and the last text; raises DiagnosticError AKC0935."""
    files = sorted(path for path in Path(folder).glob("[0-9][0-9]-*.akir"))
    if len(files) < 2:
        near = "" if Path(folder).is_dir() else nearly(folder)
        help = [way for way in (near, "akc lower model.onnx --dump-dir DIR keeps them") if way]
        raise error("AKC0935", f"{folder} holds no texts of passes", help=help)
    texts = [print_module(parse(read_text(path), str(path)), elide=True) for path in files]
    stops = [
        Stop(name=re.sub(r"^\d+-|\.akir$", "", path.name), diff=diff_of(before, after))
        for path, before, after in zip(files[1:], texts, texts[1:])
    ]
    return tuple(stops), texts[-1]


def leading_to(stops: tuple[Stop, ...], last: str, program: Module, note: str) -> Road:
    """A road that was kept or made again, held against the program that it should lead to."""
    bare, wanted = (re.sub(r",?\s*at=\[[^\]]*\]", "", text) for text in (last, print_module(program, elide=True)))
    if "".join(bare.split()) == "".join(wanted.split()):
        return Road(note=f"{note} It leads to the text of this program, places aside.", stops=stops)
    rest = Stop(name="what the program has instead", diff=diff_of(last, print_module(program, elide=True)))
    told = (
        f"{note} It does not lead to the text of this program, which was made with other samples, options or by hand."
    )
    return Road(note=told, stops=(*stops, rest))
