# SPDX-License-Identifier: Apache-2.0
"""What the checks of one compile found, and the one line that tells it."""

from __future__ import annotations

from attrs import define, field, frozen

LEVELS = ("off", "quick", "full")


@frozen(kw_only=True)
class Effort:
    """How much a level of checking takes: probes at most, and multiply-adds of one run of all of them at most."""

    probes: int
    products: int


EFFORTS = {"quick": Effort(probes=32, products=50_000_000), "full": Effort(probes=256, products=20_000_000_000)}


@define
class Checks:
    """What was checked so far, as clauses of a sentence.

    level: "off", "quick" or "full"; imported, program: what was found about the source and about the bytes, or why it
    was not looked at; rewrites: number of passes that were proved, by what they preserve; measures: how far
    approximations move the results.
    """

    level: str = "off"
    imported: str = ""
    program: str = ""
    rewrites: dict[str, int] = field(factory=dict)
    measures: list[str] = field(factory=list)

    @property
    def effort(self) -> Effort | None:
        """What the level may take; None for off."""
        return EFFORTS.get(self.level)

    def line(self) -> str:
        """The sentence, such as `checked: import = model.onnx on 8 inputs`; "" where nothing was asked for."""
        clauses = [c for c in (self.imported, *self._rewrites(), *self.measures, self.program) if c]
        return "checked: " + "; ".join(clauses) if clauses else ""

    def _rewrites(self) -> list[str]:
        words = {"values": "every value", "levels": "every level"}
        return [f"{n} rewrite{'s' * (n != 1)} keep{'s' * (n == 1)} {words[k]}" for k, n in self.rewrites.items() if n]
