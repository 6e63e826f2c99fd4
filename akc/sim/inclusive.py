# SPDX-License-Identifier: Apache-2.0
"""Equations of SpikingJelly 2.0.0 and sinabs 3.1.3, which fire from their threshold on, in their order of operations.

The table of akc/sim/neurons.py names them; state and parameters are as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]
State = dict[str, Any]
Parameters = Mapping[str, Any]

ONE = np.float32(1)
ZERO = np.float32(0)


def sj_start(p: Parameters, current: Floats) -> State:
    """At v_reset, or at 0 where a spike subtracts."""
    return {"v": np.zeros_like(current, dtype=np.float32) + _level(p)}


def sj_if(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    """IFNode."""
    return _fire_node(p, state, state["v"] + current)


def sj_lif(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    """LIFNode."""
    v, pulled = state["v"], state["v"] - _level(p)
    h = v + (current - pulled) / p["tau"] if p["decay_input"] else v - pulled / p["tau"] + current
    return _fire_node(p, state, h)


def _level(p: Parameters) -> Any:
    return p["v_reset"] if p["reset"] == "value" else ZERO


def _fire_node(p: Parameters, state: State, h: Floats) -> tuple[Floats, Floats]:
    spikes: Floats = (h - p["v_threshold"] >= 0).astype(np.float32)
    hard = p["reset"] == "value"
    state["v"] = spikes * p["v_reset"] + (ONE - spikes) * h if hard else h - spikes * p["v_threshold"]
    return spikes, state["v"]


def sinabs_start(p: Parameters, current: Floats) -> State:
    """At 0, without a synaptic current."""
    return {"v": np.zeros_like(current, dtype=np.float32), "i": np.zeros_like(current, dtype=np.float32)}


def sinabs_lif(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    """LIF and IAF, with or without a synaptic current."""
    if "alpha_syn" in p:
        current = state["i"] = p["alpha_syn"] * (state["i"] + current)
    v = p["alpha"] * state["v"] + current
    spikes = (v > 0) * np.trunc(v / p["threshold"])
    if p["most"] == 1:
        spikes = v - p["threshold"] >= 0
    elif p["most"]:
        spikes = np.minimum(spikes, p["most"])
    fired: Floats = spikes.astype(np.float32)
    v = v - fired * p["taken"] if p["reset"] == "subtract" else v * (fired == 0).astype(np.float32) + p["v_reset"]
    bounded = np.isfinite(p["v_min"]).all()
    state["v"] = np.maximum(v - p["v_min"], ZERO) + p["v_min"] if bounded else np.maximum(v, p["v_min"])
    return fired, state["v"]
