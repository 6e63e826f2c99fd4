# SPDX-License-Identifier: Apache-2.0
"""place: every layer gets its neural processors."""

from __future__ import annotations

from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Op
from akc.ir.ops import host, nn
from akc.ir.ops.akida import Layer
from akc.passes.shared.contract import PassContext
from akc.targets import check_ways


@frozen
class Place:
    """Complete the `at` of every layer. Pins that are there are kept.

    Raises DiagnosticError with all limits that the network breaks.
    """

    name = "place"
    requires = "quantised"
    ensures = "placed"
    preserves = "levels"
    reads = ("host",)

    mode: str = "vendor"
    """vendor: as the vendor's tools do by default; vendor-minimal: their other mode; compact: fewest NPs."""

    cut: str = "crossings"
    """With --host=allow, how a network that the chip takes only in part is cut: crossings: fewest crossings
    between host and chip; vendor, vendor-minimal: as the vendor's tools do with hw_only=False."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The placed module."""
        target = context.target
        check_ways(target, self.mode, self.cut)
        if context.host != "allow":
            _refuse_host_layers(module)
        if context.host == "allow" and not target.legal(module, self.mode):
            module = target.partition(module, self.cut, self.mode, context.warn)
        placed: Module = target.place(module, self.mode)
        return placed


def _refuse_host_layers(module: Module) -> None:
    """Raise for every layer that only the host computes: the user must allow it to."""
    faults = host_faults(module)
    if faults:
        raise DiagnosticError(faults)


def host_faults(module: Module) -> list[Diagnostic]:
    """One fault for every layer that only the host computes."""
    return [fault for op in module.net.ops if (fault := _host_fault(op, module)) is not None]


def _ends_net(op: Op, module: Module) -> bool:
    """Whether an op scales and shifts results behind which no layer of the chip stands."""
    behind = [op.name] if isinstance(op, nn.Affine) else []
    while behind:
        readers = module.net.uses(behind.pop())
        if any(isinstance(one, Layer | host.Quantize) for one in readers):
            return False
        behind += [one.name for one in readers]
    return isinstance(op, nn.Affine)


def _host_fault(op: Op, module: Module) -> Diagnostic | None:
    """A pin to the host, or a float layer that stands beside sequences; layout, softmax and a last scaling may."""
    pinned = isinstance(op, Layer) and any(place.kind == "host" for place in op.at)
    if not pinned and (op.border or not op.mnemonic.startswith("nn.") or _ends_net(op, module)):
        return None
    return Diagnostic(
        code="AKC0529",
        message=f"%{op.name} is pinned to the host" if pinned else f"%{op.name} ({op.mnemonic}) is for the host",
        span=op.span("at" if pinned else "op"),
        origin=op.origin,
        help="build with --host=allow, or remove the pin" if pinned else "build with --host=allow",
    )
