# SPDX-License-Identifier: Apache-2.0
"""place: every layer gets its neural processors."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen, validators

from akc.ir.module import Module

MODES = ("vendor", "vendor-minimal", "compact")


@frozen
class Place:
    """Complete the `at` of every layer. Pins that are there are kept.

    Raises DiagnosticError with all limits that the network breaks.
    """

    name = "place"
    requires = "quantised"
    ensures = "placed"

    mode: str = field(default="vendor", validator=validators.in_(MODES))
    """vendor: as the vendor's tools do by default; vendor-minimal: their other mode; compact: fewest NPs."""

    def run(self, module: Module, context: Any) -> Module:
        """The placed module."""
        placed: Module = context.target.place(module, self.mode)
        return placed
