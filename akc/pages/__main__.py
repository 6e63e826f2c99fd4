# SPDX-License-Identifier: Apache-2.0
"""Pages of docs/ that are made from the code's own tables; `python -m akc.pages` rewrites them.

A test holds that the pages in docs/ are what this gives.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path

from akc.base.codes import CODES
from akc.base.files import write_text
from akc.compiler.pass_descriptions import option_rows, summary
from akc.ir.fields import FieldInfo, fields_of
from akc.ir.levels import RULES
from akc.ir.module import Op
from akc.ir.opaque import OPAQUE_KINDS, OpaqueKind
from akc.ir.ops import DIALECTS, OPS
from akc.ir.ops.nn_host import NAMES
from akc.ir.types import ELEMENT_TYPES


def cell(text: object) -> str:
    """Text for a Markdown table cell."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell(c) for c in row)} |" for row in rows]
    return "\n".join(lines)


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
            parts += [_operation(op) for op in ops]
    return "\n\n".join(parts) + "\n"


def _operation(op: type[Op]) -> str:
    words, sample = _docstring(op)
    border = "\n\nMay stand beside the chip without `--host=allow`." if op.border else ""
    rows: list[tuple[object, ...]] = [(f.name, _kind(f), _default(f), f.doc) for f in fields_of(op)]
    return f"### {op.mnemonic}\n\n{words}{border}\n\n```\n{sample}\n```\n\n" + table(
        ("field", "takes", "default", "meaning"), rows
    )


def _docstring(op: type[Op]) -> tuple[str, str]:
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


def errors_page() -> str:
    """docs/errors.md: every diagnostic code."""
    parts = ["# Diagnostics", "What `akc explain CODE` prints. Made by `python -m akc.pages`."]
    parts += [f"## {code}\n\n**{row.title}**\n\n{row.explanation}" for code, row in sorted(CODES.items())]
    return "\n\n".join(parts) + "\n"


def passes_page() -> str:
    """docs/passes/README.md: every pass in pipeline order, with levels and options."""
    from akc.passes import LOWER, PASSES, PLACE

    parts = ["# Passes", "Made from the pass classes by `python -m akc.pages`."]
    rows: list[tuple[object, ...]] = [
        (f"[{name}]({name}.md)", summary(one), one.requires or "any", one.ensures or "the same")
        for name, one in PASSES.items()
    ]
    parts.append(table(("pass", "what it does", "needs", "gives"), rows))
    parts.append(f"`akc lower` runs\n\n    {LOWER}\n\nand `akc build` adds\n\n    {PLACE}")
    for name, one in PASSES.items():
        options: list[tuple[object, ...]] = [(o.name, o.type, f"`{o.default}`", o.doc) for o in option_rows(one)]
        if options:
            parts += [f"## Options of {name}", table(("option", "type", "default", "meaning"), options)]
    return "\n\n".join(parts) + "\n"


def refused_page() -> str:
    """docs/frontends/refused.md: what networks hold that the chip cannot do, with the ways out."""
    parts = [
        "# What the AKD1000 cannot do",
        "Made from the table of refusals by `python -m akc.pages`. Frontends recognise these, alone or as groups of"
        " operators; `legalize` refuses them under this name, with this advice. Where the last column says yes, akc has"
        " operations for them, which the host runs with `--host=allow`; the others are imported as `nn.opaque` and are"
        " refused in any case.",
    ]
    names: dict[tuple[OpaqueKind, str], list[str]] = {}
    for name, kind in OPAQUE_KINDS.items():
        names.setdefault((kind, "yes" if name in NAMES else "no"), []).append(name)
    rows: list[tuple[object, ...]] = [
        (", ".join(group), kind.why, kind.way_out, host) for (kind, host), group in names.items()
    ]
    return "\n\n".join([*parts, table(("name", "why not", "what instead", "host"), rows)]) + "\n"


def compatibility_page() -> str:
    """docs/compatibility.md: which layers of spiking frameworks go onto the chip."""
    from akc.pages.compatibility import page

    return page()


PAGES: dict[str, Callable[[], str]] = {
    "docs/ops.md": operations_page,
    "docs/errors.md": errors_page,
    "docs/passes/README.md": passes_page,
    "docs/frontends/refused.md": refused_page,
    "docs/compatibility.md": compatibility_page,
}
"""File below the repository's root, and what makes its text."""


def main(root: Path) -> None:
    """Rewrite every page below `root`."""
    for name, make in PAGES.items():
        write_text(root / name, make())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
