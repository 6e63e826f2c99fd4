# SPDX-License-Identifier: Apache-2.0
"""The table of tools that write NIR files, in docs/frontends/nir.md."""

from __future__ import annotations

from akc.frontends.spiking.nir_producers import PRODUCERS
from akc.pages.markdown import table


def tables() -> dict[str, str]:
    """One table: producers."""
    rows = [(f"`{name}`", row.says, f"{row.dt:g}") for name, row in PRODUCERS.items()]
    return {"producers": table(("producer", "what its files mean", "dt if not given"), rows)}
