# SPDX-License-Identifier: Apache-2.0
"""docs/ops.md: the operations of the language."""

from __future__ import annotations

import inspect
from importlib import import_module
from itertools import groupby

from akc.ir.fields import FieldInfo, fields_of
from akc.ir.levels import RULES
from akc.ir.module import Op
from akc.ir.ops import DIALECTS, OPS
from akc.ir.types import ELEMENT_TYPES
from akc.pages.markdown import table


def operations_page() -> str:
    """docs/ops.md: every operation with its fields and a sample."""
    parts = ["# Operations", "Made from the operation classes by `python -m akc.pages`.", "## Element types"]
    rows = [(e.name, e.bits, "" if e.low is None else f"{e.low} to {e.high}") for e in ELEMENT_TYPES.values()]
    parts.append(table(("type", "bits", "values"), rows))
    parts += ["## Levels", "The level of a text is computed: the highest one whose rules hold for every operation."]
    parts.append(
        table(
            ("level", "an operation that breaks it", "passes that lead there"),
            [(r.level, r.message, r.passes) for r in RULES],
        )
    )
    for name, dialect in DIALECTS.items():
        parts += [f"## {name}", (dialect.__doc__ or "").strip()]
        for file, ops in groupby(
            (op for key, op in OPS.items() if key.startswith(f"{name}.")), lambda op: op.__module__
        ):
            parts += [] if file == dialect.__name__ else [(import_module(file).__doc__ or "").strip()]
            parts += [operation_reference(op) for op in ops]
    return "\n\n".join(parts) + "\n"


def operation_reference(op: type[Op]) -> str:
    """One operation: what it does, a sample, its fields."""
    words, sample = docstring_parts(op)
    border = "\n\nMay stand beside the chip without `--host=allow`." if op.border else ""
    rows: list[tuple[object, ...]] = [(f.name, _kind(f), _default(f), f.doc) for f in fields_of(op)]
    return f"### {op.mnemonic}\n\n{words}{border}\n\n```\n{sample}\n```\n\n" + table(
        ("field", "takes", "default", "meaning"), rows
    )


def docstring_parts(op: type[Op]) -> tuple[str, str]:
    """The words of a docstring, and the sample statement in it."""
    blocks = inspect.cleandoc(op.__doc__ or "").split("\n\n")
    samples = [block for block in blocks if block.lstrip().startswith("%")]
    return "\n\n".join(b for b in blocks if b not in samples), inspect.cleandoc("\n".join(samples))


def _kind(info: FieldInfo) -> str:
    return f"{info.kind.doc} ({', '.join(info.dtypes)})" if info.dtypes else info.kind.doc


def _default(info: FieldInfo) -> str:
    if info.required:
        return "must be given"
    return "absent" if info.default in (None, ()) else f"`{info.kind.print(info.default)}`"
