# SPDX-License-Identifier: Apache-2.0
"""A row of the table of limits: what it holds for, what it finds, and how it says so."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from akc.base.diagnostics import Diagnostic
from akc.targets.akida1.chip import Chip
from akc.targets.akida1.layers import LayerFacts
from akc.targets.akida1.limits.tests import Test

STAGES = {
    "layer": "seen on the layer alone",
    "memory": "seen on the layer alone, once its geometry is legal",
    "sequence": "seen on the layer and its neighbours in the sequence",
    "placement": "seen while neural processors are given out",
}
"""When a limit is tested."""

MESH_LAYERS = ("conv", "separable", "dense")
CONVS = ("conv", "separable")

LARGEST_CHANNELS = 2048
LARGEST_DENSE_SIDE = 2047
LARGEST_UNITS = 2**17 - 1
LARGEST_INPUT_SIDE = 4096


Text = str | Callable[[Chip], str]
"""Words, or what makes them from the numbers of a chip."""


def _lines(help: str | tuple[str, ...]) -> tuple[str, ...]:
    return (help,) if isinstance(help, str) else help


@frozen(kw_only=True)
class Limit:
    """One limit.

    what: the quantity, as the message and the page name it; ops: kinds of layer it holds for;
    limit: what the chip takes, in words; test: what was found where it is too much, else None (a row
    of stage "placement" has no test, the placer finds the fault); key: the attribute at fault; help: ways out;
    holds: for which chips, all where None.
    """

    code: str
    what: str
    ops: tuple[str, ...]
    limit: Text = field(repr=False)
    test: Test | None = field(repr=False)
    key: str = "op"
    help: tuple[str, ...] = field(default=(), converter=_lines)
    stage: str = "layer"
    severity: str = "error"
    holds: Callable[[Chip], bool] | None = field(default=None, repr=False)

    def words(self, chip: Chip) -> str:
        """What the chip takes."""
        return self.limit if isinstance(self.limit, str) else self.limit(chip)

    def concerns(self, kind: str, chip: Chip) -> bool:
        """Whether a kind of layer has this limit on a chip."""
        return kind in self.ops and (self.holds is None or self.holds(chip))

    def fault(self, layer: LayerFacts, found: object) -> Diagnostic:
        """The diagnostic for a layer that breaks the limit."""
        op = layer.op
        return Diagnostic(
            code=self.code,
            severity=self.severity,
            span=op.span(self.key),
            label=str(found),
            help=self.help,
            origin=op.origin,
            message=f"{op.mnemonic} %{op.name}: {self.what} is {found}; the chip takes {self.words(layer.chip)}",
        )
