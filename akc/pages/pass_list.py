# SPDX-License-Identifier: Apache-2.0
"""docs/passes/README.md: the passes and their options."""

from __future__ import annotations

from akc.compiler.pass_descriptions import option_rows, summary
from akc.pages.markdown import table


def passes_page() -> str:
    """docs/passes/README.md: every pass in pipeline order, with levels and options."""
    from akc.passes import LOWER, PASSES, PLACE
    from akc.passes.shared.contract import PRESERVES

    parts = ["# Passes", "Made from the pass classes by `python -m akc.pages`."]
    rows: list[tuple[object, ...]] = [
        (
            f"[{name}]({name}.md)",
            summary(one),
            one.requires or "any",
            one.ensures or "the same",
            one.preserves,
            ", ".join(one.reads),
        )
        for name, one in PASSES.items()
    ]
    parts.append(table(("pass", "what it does", "needs", "gives", "preserves", "reads"), rows))
    parts.append("What a pass preserves, between its input and its result:")
    parts.append(table(("", "meaning"), [(f"`{name}`", meaning) for name, meaning in PRESERVES.items()]))
    parts.append("How near an approximation comes, and what finds it out:")
    parts.append(table(("pass", "measure"), [(n, one.measure) for n, one in PASSES.items() if hasattr(one, "measure")]))
    parts.append("What a pass reads, beside text, options and target, decides what it makes, too.")
    parts.append(f"`akc lower` runs\n\n    {LOWER}\n\nand `akc build` adds\n\n    {PLACE}")
    for name, one in PASSES.items():
        options: list[tuple[object, ...]] = [(o.name, o.type, f"`{o.default}`", o.doc) for o in option_rows(one)]
        if options:
            parts += [f"## Options of {name}", table(("option", "type", "default", "meaning"), options)]
    return "\n\n".join(parts) + "\n"
