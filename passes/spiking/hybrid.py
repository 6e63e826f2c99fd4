# SPDX-License-Identifier: Apache-2.0
"""hybrid: the chip computes potentials, the host keeps the neurons and closes the loops."""

from __future__ import annotations

from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.module import Module, Op
from akc.ir.ops import host, snn, snn_gated
from akc.passes.shared.contract import PassContext


@frozen
class Hybrid:
    """Leave spiking neurons, feedback and echo states on the host; every layer in between is left for lower-int4.

    At each time step the chip computes W x (the input's potentials) and V s (the potentials of the spikes
    of the step before), the host adds them, moves the neurons on and keeps their state: exact apart
    from quantisation, for any neuron. Needs --host=allow; one pass a step and layer.
    """

    name = "hybrid"
    requires = None
    ensures = None
    preserves = "values"
    reads = ("host",)

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with the ranges of spikes recorded; without --host=allow raises AKC0371, AKC0393."""
        kept = [op for op in module.net.ops if isinstance(op, snn.Neuron | host.Tanh | host.Previous)]
        if context.host != "allow":
            heard = {op.x for op in kept if isinstance(op, host.Previous)}
            faults = [_fault(op, op.name in heard) for op in kept if not isinstance(op, host.Previous)]
            if faults:
                raise DiagnosticError(faults)
        spikes = _binary(module)
        return module.map_ops(lambda op: _with_range(op, spikes))


def _fault(op: Op, heard: bool) -> Diagnostic:
    name = (op.origin or (op.name,))[0]
    looped = isinstance(op, snn.Neuron) and (heard or hasattr(op, "feedback"))
    return Diagnostic(
        code="AKC0371" if looped else "AKC0370" if isinstance(op, snn_gated.Gated) else "AKC0393",
        message=f"layer '{name}' ({op.mnemonic}) {'hears its own spikes' if looped else 'would run'}"
        f"{'; that needs' if looped else ' on'} the host",
        origin=op.origin,
        span=op.span(),
        help="--host=allow: the chip computes the potentials, the host the neurons",
    )


def _binary(module: Module) -> set[str]:
    """Values that are 0 or 1: spikes, at most one a step, and spikes of the step before."""
    neurons = [op for op in module.net.ops if isinstance(op, snn.Neuron) and op.output == "spikes" and op.fires]
    spikes = {op.name for op in neurons if op.spikes_a_step == 1}
    return spikes | {op.name for op in module.net.ops if isinstance(op, host.Previous) and op.x in spikes}


def _with_range(op: Op, spikes: set[str]) -> Op:
    """The op with the range of its result, where that is 0 to 1."""
    if op.name not in spikes or op.result.range == (0.0, 1.0):
        return op
    return evolve(op, result=evolve(op.result, range=(0.0, 1.0)))
