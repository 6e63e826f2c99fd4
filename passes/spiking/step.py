# SPDX-License-Identifier: Apache-2.0
"""step: neurons without memory become 1-bit activations, one pass of the chip a time step. Exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.ir.fields import WeightName
from akc.ir.module import Module, Op, Statement, Value, fresh_name
from akc.ir.ops import nn, snn
from akc.ir.weights import Weight


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

    def run(self, module: Module, context: Any) -> Module:
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
            "run the network by rates: -p rate,... or --spikes rate",
            "or keep the neurons on the host: -p hybrid,... with --host=allow",
        ),
    )


Condition = tuple[Any, Any]
"""A neuron that fires where x > threshold: (threshold, gain) with x = gain * current."""


def memoryless(op: snn.Neuron, module: Module) -> Condition | None:
    """When the neuron fires, if that depends on the current of the step alone; else None."""
    rule = RULES.get(type(op))
    if rule is None or op.output == "membrane":
        return None
    numbers = {
        key: module.array(v).astype(np.float64) if isinstance(v, WeightName) else np.asarray(v)
        for key, v in op.parameters.items()
    }
    return rule(op, numbers)


def _leaky(op: snn.Leaky, p: dict[str, Any]) -> Condition | None:
    forgets = np.all(p["beta"] <= 0) and (op.reset != "subtract" or not op.reset_delay)
    return (p["threshold"], 1.0) if forgets else None


def _lif_box(op: snn.LifBox, p: dict[str, Any]) -> Condition | None:
    forgets = np.all(np.float32(op.dt) * p["tau_mem_inv"].astype(np.float32) == 1)
    return (p["v_th"] - p["v_leak"], 1.0) if forgets else None


AT_LEAST = 1e-3
"""A neuron that fires from a threshold on fires above one this much lower, as a share of it."""


def _mcculloch_pitts(op: snn.McCullochPitts, p: dict[str, Any]) -> Condition | None:
    return p["thresh"] - AT_LEAST * np.maximum(np.abs(p["thresh"]), 1), 1.0


RULES: dict[type[snn.Neuron], Callable[[Any, dict[str, Any]], Condition | None]] = {
    snn.Leaky: _leaky,
    snn.LifBox: _lif_box,
    snn.McCullochPitts: _mcculloch_pitts,
}


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
