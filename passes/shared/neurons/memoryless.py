# SPDX-License-Identifier: Apache-2.0
"""Neurons that keep nothing from step to step, and when they fire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from akc.ir.fields import WeightName
from akc.ir.module import Module
from akc.ir.ops import snn

Condition = tuple[Any, Any]
"""A neuron that fires where x > threshold: (threshold, gain) with x = gain * current."""


def memoryless(op: snn.Neuron, module: Module) -> Condition | None:
    """When the neuron fires, if that depends on the current of the step alone; else None."""
    rule = RULES.get(type(op))
    if rule is None or op.output == "membrane" or op.touched or op.start is not None:
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
