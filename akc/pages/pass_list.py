# SPDX-License-Identifier: Apache-2.0
"""docs/passes/README.md: the passes and their options."""

from __future__ import annotations

from akc.compiler.pass_descriptions import option_rows, summary
from akc.pages.markdown import table


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
