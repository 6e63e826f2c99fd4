# SPDX-License-Identifier: Apache-2.0
"""step: neurons without memory become 1-bit activations, one pass of the chip a time step. Exact."""

from __future__ import annotations

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op, Statement, Value, fresh_name
from akc.ir.ops import nn, snn
from akc.ir.weights import Weight
from akc.passes.shared.contract import PassContext
from akc.passes.shared.neurons.memoryless import memoryless


@frozen
class Step:
    """Run a spiking network step by step, spikes being levels of one bit.

    Exact for neurons that keep nothing from step to step (beta 0, McCullochPitts), apart from
    weights that are rounded later. The others are refused by name; rate or hybrid take them.
    Lower with lower-int4{activations=1 input=1} behind it.
    """

    name = "step"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without spiking neurons; raises DiagnosticError AKC0392 with every neuron that remembers."""
        neurons = [op for op in module.net.ops if isinstance(op, snn.Neuron)]
        if not neurons:
            return module
        faults = [_remembers(op) for op in neurons if memoryless(op, module) is None]
        if faults:
            raise DiagnosticError(faults)
        weights = dict(module.weights)
        statements: list[Statement] = []
        for statement in module.net.statements:
            if isinstance(statement, snn.Neuron):
                statements += _levels(statement, module, weights)
            else:
                statements.append(statement)
        return module.with_statements(statements, weights)


def _remembers(op: snn.Neuron) -> Diagnostic:
    return Diagnostic(
        code="AKC0392",
        message=f"%{op.name} ({op.mnemonic}) keeps its membrane from step to step; a pass of the chip keeps nothing",
        origin=op.origin,
        span=op.span(),
        help=(
            "run the network by rates: --spikes=rate",
            "or keep the neurons on the host: --spikes=hybrid --host=allow",
        ),
    )


def _levels(op: snn.Neuron, module: Module, weights: dict[str, Weight]) -> list[Op]:
    """x - threshold + 1/2, then one level."""
    condition = memoryless(op, module)
    assert condition is not None
    threshold = np.atleast_1d(condition[0])
    shift: float | WeightName = float(0.5 - threshold[0])
    if (threshold != threshold[0]).any():
        name = fresh_name(f"{op.name}.shift", weights)
        weights[name] = Weight.of(0.5 - threshold, "f32")
        shift = WeightName(name)
    name = fresh_name(f"{op.name}.current", module.net.values)
    moved = nn.Affine(result=Value(name, op.type), x=op.x, shift=shift, origin=op.origin, comments=op.comments)
    return [moved, snn.Levels(result=evolve(op.result), x=name, high=1.0, origin=op.origin)]
