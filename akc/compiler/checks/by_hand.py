# SPDX-License-Identifier: Apache-2.0
"""`akc check --against`: a text, perhaps edited, beside the source that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from akc.compiler.checks.record import Checks
from akc.compiler.checks.sources import prove_import
from akc.compiler.sources import Options, read_source
from akc.ir.module import Module
from akc.sim.registry import Array


def against(
    module: Module, source: str, samples: Mapping[str, Array] | None, example: Any = (), readout: str | None = None
) -> str:
    """What was proved, in a line; samples: all of them are run, or probes where there are none.

    Raises DiagnosticError AKC0720 to AKC0722, and what reading the source raises.
    """
    options = Options(example=tuple(example), spiking={} if readout is None else {"readout": readout})
    read_source(source, options)
    checks = Checks("full")
    prove_import(module, options.opened[-1] if options.opened else None, checks, samples)
    return checks.line() or f"nothing to check: {source} is a text of akc"
