# SPDX-License-Identifier: Apache-2.0
"""docs/errors.md: every diagnostic code."""

from __future__ import annotations

from akc.base.codes import CODES


def errors_page() -> str:
    """docs/errors.md: every diagnostic code."""
    parts = ["# Diagnostics", "What `akc explain CODE` prints. Made by `python -m akc.pages`."]
    parts += [f"## {code}\n\n**{row.title}**\n\n{row.explanation}" for code, row in sorted(CODES.items())]
    return "\n\n".join(parts) + "\n"
