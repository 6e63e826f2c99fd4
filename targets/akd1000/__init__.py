# SPDX-License-Identifier: Apache-2.0
"""The AKD1000: what it takes, where layers go, and its programs. `TARGET` is what the compiler uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from akc.base.diagnostics import Diagnostic, error
from akc.ir.module import Module
from akc.targets import SequenceProgram

if TYPE_CHECKING:
    from akc.targets.akida1.placing.placement import Placer


@frozen
class Akd1000:
    """BrainChip's AKD1000 (akc.targets.Target)."""

    name: str = "akd1000"

    @property
    def engine_version(self) -> str:
        """The version of the vendor's engine that programs name unless told otherwise."""
        from akc.targets.akida1.program.engines import ENGINE_VERSION

        return ENGINE_VERSION

    def check(self, module: Module) -> list[Diagnostic]:
        """Every fault and warning of a quantised module that can be found without placing it."""
        from akc.targets.akida1.limits import judge as limits

        return limits.check(module)

    def place(self, module: Module, mode: str = "vendor") -> Module:
        """Complete every `at`; raises DiagnosticError with all faults. mode: a key of PLACERS."""
        from akc.targets.akida1.placing.placement import place_module

        return place_module(module, _placer(mode))

    def partition(
        self,
        module: Module,
        way: str = "crossings",
        mode: str = "vendor",
        warn: Callable[[Diagnostic], None] = lambda diagnostic: None,
    ) -> Module:
        """Cut what the chip does not take in one piece into sequences and host layers, all placed.

        way: "vendor" or "vendor-minimal" for the SDK's own cut (hw_only=False), "crossings" for the fewest
        crossings between host and chip, its sequences placed by `mode`. `warn` is told why a layer goes to
        the host.
        """
        from akc.targets.akida1.placing.partition import CUTS, partition

        return partition(module, CUTS[way](_placer(mode)), warn)

    def assemble(self, module: Module, engine_version: str | None = None) -> tuple[SequenceProgram, ...]:
        """Programs of a placed module, one per sequence, in order."""
        from akc.targets.akida1.program.assemble import assemble

        return assemble(module) if engine_version is None else assemble(module, engine_version)


def _placer(mode: str) -> Placer:
    from akc.targets.akida1.placing.placers import PLACERS

    if mode not in PLACERS:
        message = f"there is no way of placing called {mode}"
        raise error("AKC0527", message, help=f"take one of {', '.join(PLACERS)}")
    return PLACERS[mode]


TARGET = Akd1000()

__all__ = ["TARGET", "Akd1000"]
