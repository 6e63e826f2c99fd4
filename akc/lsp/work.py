# SPDX-License-Identifier: Apache-2.0
"""What an editor asks for that takes the whole text: the canonical form, the report, the text after each pass."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from akc.base.diagnostics import DiagnosticError
from akc.compiler.compiler import build, default_pipeline
from akc.compiler.pipeline import Context, run_pipeline
from akc.ir.module import Module
from akc.ir.printer import print_module
from akc.lsp.document import Document
from akc.passes import PLACE
from akc.targets import load_target


def formatting(document: Document, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    """What `akc fmt` changes, as one edit of what differs. Raises DiagnosticError where the text has faults."""
    old, new = document.text.string, print_module(sound(document))
    if old == new:
        return []
    start = _common(old, new)
    end = min(_common_end(old, new), len(old) - start, len(new) - start)
    return [types.TextEdit(document.text.range(start, len(old) - end), new[start : len(new) - end])]


def sound(document: Document) -> Module:
    """The module of a text without faults; raises DiagnosticError with those it has."""
    reading = document.reading
    faults = [d for d in reading.found if d.severity == "error"]
    if faults or reading.module is None:
        raise DiagnosticError(faults)
    return reading.module


def _common(one: str, two: str) -> int:
    """How many characters are the same at the start, by halving: texts are long."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == two[low:middle] else (low, middle - 1)
    return low


def _common_end(one: str, two: str) -> int:
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        same = one[len(one) - middle : len(one) - low] == two[len(two) - middle : len(two) - low]
        low, high = (middle, high) if same else (low, middle - 1)
    return low


def report(module: Module, target: str) -> str:
    """What `akc report` prints; layers that the chip does not take go to the host."""
    program = build(module, target, host="allow", context=Context())
    return load_target(target).report(program.module, program.sequences)


def after_each_pass(module: Module, target: str) -> list[dict[str, str]]:
    """The text after each pass of `akc build` that changed it, long weights elided; the first is the text itself."""
    texts = [{"name": "as it stands", "text": print_module(module, elide=True)}]

    def keep(before: Module, one: Any, after: Module) -> None:
        texts.append({"name": one.name, "text": print_module(after, elide=True)})

    context = Context(target_name=target, host="allow", check=keep)
    run_pipeline(run_pipeline(module, default_pipeline(module, context), context), PLACE, context)
    return texts
