# SPDX-License-Identifier: Apache-2.0
"""A row of the table of limits: what it holds for, what it finds, and how it says so."""

from __future__ import annotations

from attrs import field, frozen

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Op
from akc.targets.akida1.limits.tests import Test

STAGES = {
    "layer": "seen on the layer alone",
    "memory": "seen on the layer alone, once its geometry is legal",
    "sequence": "seen on the layer and its neighbours in the sequence",
    "placement": "seen while neural processors are given out",
}
"""When a limit is tested."""


def _lines(help: str | tuple[str, ...]) -> tuple[str, ...]:
    return (help,) if isinstance(help, str) else help


@frozen(kw_only=True)
class Limit:
    """One limit.

    what: the quantity, as the message and the page name it; ops: kinds of layer it holds for;
    limit: what the chip takes, in words; test: what was found where it is too much, else None (a row
    of stage "placement" has no test, the placer finds the fault); key: the attribute at fault; help: ways out.
    """

    code: str
    what: str
    ops: tuple[str, ...]
    limit: str
    test: Test | None = field(repr=False)
    key: str = "op"
    help: tuple[str, ...] = field(default=(), converter=_lines)
    stage: str = "layer"
    severity: str = "error"

    def fault(self, op: Op, found: object) -> Diagnostic:
        """The diagnostic for a layer that breaks the limit."""
        return Diagnostic(
            code=self.code,
            severity=self.severity,
            span=op.span(self.key),
            label=str(found),
            help=self.help,
            origin=op.origin,
            message=f"{op.mnemonic} %{op.name}: {self.what} is {found}; the chip takes {self.limit}",
        )
