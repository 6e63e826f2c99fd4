# SPDX-License-Identifier: Apache-2.0
"""What a report holds, before anybody asks how it looks."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import field, frozen

from akc.compiler.program import Program
from akc.html.accuracy import Worst
from akc.html.placements import Placement, other_placements, placement_of
from akc.html.provenance import Rows
from akc.html.road import Road
from akc.sim.activity import Activity
from akc.sim.compare import Comparison
from akc.targets import Target, load_target


@frozen(kw_only=True, slots=False)
class Contents:
    """facts: as `akc report --json` prints them; activity: with samples, else None; comparison: with
    samples and a source, else None; worst: its worst samples with pictures; road: the passes; provenance: rows.
    """

    program: Program
    facts: dict[str, Any]
    activity: Activity | None = None
    comparison: Comparison | None = None
    worst: tuple[Worst, ...] = ()
    road: Road = field(factory=lambda: Road(note=""))
    provenance: Rows = ()

    @property
    def target(self) -> Target:
        """The chip."""
        return load_target(self.program.target)

    @cached_property
    def placement(self) -> Placement:
        """The program's own."""
        work = {x.name: x.places for x in self.activity.layers} if self.activity is not None else None
        return placement_of(self.facts, work)

    @cached_property
    def placements(self) -> list[Placement]:
        """What the other ways of placing would give."""
        return other_placements(self.program, self.activity)
