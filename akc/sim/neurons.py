# SPDX-License-Identifier: Apache-2.0
"""Spiking neurons in float32, step by step, in the order of operations of their frameworks.

The equations are those of snnTorch 1.0.0, Norse 1.1.0, BindsNET 0.3.4, lava 0.10.0 and NIR 1.0.8 (those of
SpikingJelly and sinabs are in akc/sim/inclusive.py); given the same currents, the spikes are theirs bit for
bit. `NEURONS` maps each operation to its equations, `Prepared` runs one step by step, `scan` over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from akc.ir.fields import WeightName
from akc.ir.module import Module
from akc.ir.ops import snn, snn_inclusive, snn_models
from akc.sim import inclusive

Floats = np.ndarray[Any, np.dtype[np.float32]]
State = dict[str, Any]
Parameters = Mapping[str, Any]

ONE = np.float32(1)
ZERO = np.float32(0)


@frozen
class Equations:
    """How one class of neuron moves on.

    start: the state before the first step, from an array of the current's shape; step: changes the
    state in place and returns (spikes, membrane). The membrane is what the framework returns.
    """

    start: Callable[[Parameters, Floats], State]
    step: Callable[[Parameters, State, Floats], tuple[Floats, Floats]]


def parameters_of(op: snn.Neuron, module: Module) -> Parameters:
    """Every field of the neuron; numbers as float32, weights as float32 arrays."""
    numbers = {
        key: module.array(value) if isinstance(value, WeightName) else np.float32(value)
        for key, value in op.parameters.items()
    }
    others = {
        key: getattr(op, key)
        for key in (
            "reset",
            "reset_delay",
            "decay_input",
            "most",
            "dt",
            "refrac",
            "lower_bound",
            "refractory",
            "current_decay",
            "voltage_decay",
            "threshold",
        )
        if hasattr(op, key)
    }
    return {**others, **numbers}


class Prepared:
    """A neuron ready to run: its equations and its numbers."""

    def __init__(self, op: snn.Neuron, module: Module) -> None:
        self.op, self.equations, self.parameters = op, NEURONS[type(op)], parameters_of(op, module)
        self.touched = bool(op.touched)

    def start(self, batch: int) -> State:
        """The state of `batch` samples before the first step."""
        zeros = np.zeros((batch, *self.op.type.shape), np.float32)
        state = self.equations.start(self.parameters, zeros)
        if "start" in self.parameters:
            state[_membrane(state)] = zeros + self.parameters["start"]
        return state

    def step(self, state: State, current: Floats, feedback: Floats | None = None) -> tuple[Floats, State]:
        """Spikes (or membranes) [batch, ...] of one step, and the state, which is changed in place."""
        parameters = self.parameters if feedback is None else {**self.parameters, "feedback": feedback}
        spikes, membrane = self.equations.step(parameters, state, current)
        if self.touched:
            _carry(parameters, state, spikes)
        return (membrane if self.op.output == "membrane" else spikes), state


def _membrane(state: State) -> str:
    return "v" if "v" in state else "u"


def _carry(p: Parameters, state: State, spikes: Floats) -> None:
    """What code around the neuron makes of its membrane before the next step."""
    u = state[_membrane(state)]
    moved = p["keep"] * u - spikes * (p["drop"] * u + p["take"]) + p["add"]
    state[_membrane(state)] = np.minimum(np.maximum(moved, p["low"]), p["high"])


def scan(op: snn.Neuron, currents: Floats, module: Module, feedback: Floats | None = None) -> Floats:
    """Spikes (or membranes) [T, batch, ...] for currents [T, batch, ...], from rest."""
    neuron = Prepared(op, module)
    state = neuron.start(currents.shape[1])
    outputs = np.empty_like(currents, dtype=np.float32)
    for t, current in enumerate(currents):
        outputs[t], state = neuron.step(state, current, None if feedback is None else feedback[t])
    return outputs


def _above(membrane: Floats, threshold: Any) -> Floats:
    fired: Floats = (membrane - threshold > 0).astype(np.float32)
    return fired


# -- snnTorch ------------------------------------------------------------------------------------


def _membrane_at_zero(p: Parameters, current: Floats) -> State:
    return {"u": np.zeros_like(current, dtype=np.float32)}


def _late_reset(p: Parameters, state: State, fired: Floats, spikes: Floats) -> None:
    """What reset_delay=False adds: the reset acts at once, and not twice."""
    if not p["reset_delay"]:
        amount = {"subtract": p["threshold"], "zero": state["u"], "none": ZERO}[p["reset"]]
        state["u"] = state["u"] - (spikes - fired) * amount


def _leaky(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    fired, beta = _above(state["u"], p["threshold"]), np.clip(p["beta"], ZERO, ONE)
    u = (ONE - fired) * state["u"] if p["reset"] == "zero" else state["u"]
    u = beta * u + current
    state["u"] = u - fired * p["threshold"] if p["reset"] == "subtract" else u
    spikes = _above(state["u"], p["threshold"])
    _late_reset(p, state, fired, spikes)
    return spikes, state["u"]


def _reset_all(p: Parameters, u: Floats, fired: Floats) -> Floats:
    """Subtract the threshold, or the whole new potential, where the neuron had fired."""
    amount = {"subtract": p["threshold"], "zero": u, "none": ZERO}[p["reset"]]
    return u if p["reset"] == "none" else u - fired * amount


def _rleaky(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    fired, beta = _above(state["u"], p["threshold"]), np.clip(p["beta"], ZERO, ONE)
    state["u"] = _reset_all(p, beta * state["u"] + current + p["feedback"], fired)
    spikes = _above(state["u"], p["threshold"])
    _late_reset(p, state, fired, spikes)
    return spikes, state["u"]


def _lapicque(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    fired = _above(state["u"], p["threshold"])
    time_constant = p["resistance"] * p["capacitance"]
    gained = current * p["resistance"] * (ONE / time_constant) * p["time_step"]
    kept = (ONE - p["time_step"] / time_constant) * state["u"]
    state["u"] = _reset_all(p, gained + kept, fired)
    return _above(state["u"], p["threshold"]), state["u"]


def _synaptic_start(p: Parameters, current: Floats) -> State:
    return {"u": np.zeros_like(current, dtype=np.float32), "a": np.zeros_like(current, dtype=np.float32)}


def _synaptic(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    fired = _above(state["u"], p["threshold"])
    state["a"] = np.clip(p["alpha"], ZERO, ONE) * state["a"] + current
    state["u"] = _reset_all(p, np.clip(p["beta"], ZERO, ONE) * state["u"] + state["a"], fired)
    spikes = _above(state["u"], p["threshold"])
    _late_reset(p, state, fired, spikes)
    return spikes, state["u"]


def _leaky_parallel(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    state["u"] = np.maximum(current + (p["beta"] * state["u"] + p["bias"]), ZERO)
    return _above(state["u"], p["threshold"]), state["u"]


def _state_leaky(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    state["u"] = np.exp(-ONE / p["tau"], dtype=np.float32) * state["u"] + current
    return _above(state["u"], p["threshold"]), state["u"]


def _alpha_start(p: Parameters, current: Floats) -> State:
    return {key: np.zeros_like(current, dtype=np.float32) for key in ("u", "exc", "inh")}


def _alpha(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    fired = _above(state["u"], p["threshold"])
    alpha, beta = np.clip(p["alpha"], ZERO, ONE), np.clip(p["beta"], ZERO, ONE)
    tau = np.log(alpha) / (np.log(beta) - np.log(alpha)) + ONE
    exc, inh = alpha * state["exc"] + current, beta * state["inh"] - current
    u = tau * (exc + inh)
    lost = {"subtract": (p["threshold"], inh, -state["inh"]), "zero": (exc, inh, u), "none": (ZERO, ZERO, ZERO)}
    state["exc"], state["inh"], state["u"] = (
        new - amount * fired for new, amount in zip((exc, inh, u), lost[p["reset"]])
    )
    return _above(state["u"], p["threshold"]), state["u"]


# -- Norse and NIR -------------------------------------------------------------------------------


def _at_leak(p: Parameters, current: Floats) -> State:
    v = np.zeros_like(current, dtype=np.float32) + p["v_leak"]
    return {"v": v, "i": np.zeros_like(current, dtype=np.float32)}


def _norse_current(p: Parameters, state: State, current: Floats) -> Floats:
    """Both equations of norse's lif and li: returns the new potential, keeps the decayed current."""
    dt, jumped = p["dt"], state["i"] + current
    if "feedback" in p:
        jumped = jumped + p["feedback"]
    v: Floats = state["v"] + dt * p["tau_mem_inv"] * ((p["v_leak"] - state["v"]) + jumped)
    state["i"] = jumped + -dt * p["tau_syn_inv"] * jumped
    return v


def _set_where(v: Floats, spikes: Floats, level: Any) -> Floats:
    result: Floats = (ONE - spikes) * v + spikes * level
    return result


def _lif(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v = _norse_current(p, state, current)
    spikes = _above(v, p["v_th"])
    state["v"] = _set_where(v, spikes, p["v_reset"])
    return spikes, state["v"]


def _lif_ex(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    dt, jumped, v = p["dt"], state["i"] + current, state["v"]
    grown = (p["v_leak"] - v) + p["delta_t"] * np.exp((v - p["v_th"]) / p["delta_t"]) + jumped
    new = v + dt * p["tau_mem_inv"] * (grown - state["a"] if "a" in state else grown)
    state["i"] = jumped + -dt * p["tau_syn_inv"] * jumped
    spikes = _above(new, p["v_th"])
    if "a" in state:
        follow = dt * p["tau_ada_inv"] * (p["adaptation_current"] * (v - p["v_leak"]) - state["a"])
        state["a"] = state["a"] + follow + spikes * p["adaptation_spike"]
    state["v"] = _set_where(new, spikes, p["v_reset"])
    return spikes, state["v"]


def _lif_adex_start(p: Parameters, current: Floats) -> State:
    return {**_at_leak(p, current), "a": np.zeros_like(current, dtype=np.float32)}


def _izhikevich_start(p: Parameters, current: Floats) -> State:
    zeros = np.zeros_like(current, dtype=np.float32)
    return {"v": zeros + p["v_start"], "u": zeros + p["u_start"]}


def _izhikevich(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v, u, pace = state["v"], state["u"], p["tau_inv"] * p["dt"]
    new = v + pace * (p["sq"] * v**2 + p["mn"] * v + p["bias"] - u + current)
    recovered = u + pace * p["a"] * (p["b"] * v - u)
    spikes = _above(new, p["v_th"])
    state["v"] = _set_where(new, spikes, p["c"])
    state["u"] = (ONE - spikes) * recovered + spikes * (recovered + p["d"])
    return spikes, state["v"]


def _lsnn_start(p: Parameters, current: Floats) -> State:
    return {**_at_leak(p, current), "b": np.zeros_like(current, dtype=np.float32) + p["v_th"]}


def _lsnn(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    dt = p["dt"]
    v = state["v"] + dt * p["tau_mem_inv"] * ((p["v_leak"] - state["v"]) + state["i"])
    decayed = state["i"] + -dt * p["tau_syn_inv"] * state["i"]
    b = state["b"] + dt * p["tau_adapt_inv"] * (p["v_th"] - state["b"])
    spikes = _above(v, b)
    state["v"], state["b"], state["i"] = _set_where(v, spikes, p["v_reset"]), b + spikes * p["beta"], decayed + current
    return spikes, state["v"]


def _li(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    state["v"] = _norse_current(p, state, current)
    return np.zeros_like(state["v"]), state["v"]


def _lif_box(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v = state["v"] + p["dt"] * p["tau_mem_inv"] * (current + p["v_leak"] - state["v"])
    spikes = _above(v, p["v_th"])
    state["v"] = _set_where(v, spikes, p["v_reset"]) if p["reset"] == "value" else v - spikes * p["v_th"]
    return spikes, state["v"]


def _li_box(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    state["v"] = state["v"] + p["dt"] * p["tau_mem_inv"] * ((p["v_leak"] - state["v"]) + current)
    return np.zeros_like(state["v"]), state["v"]


def _iaf_start(p: Parameters, current: Floats) -> State:
    start = p["v_reset"] if p["reset"] == "value" else ZERO
    return {"v": np.zeros_like(current, dtype=np.float32) + start}


def _iaf(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v = state["v"] + current
    spikes = _above(v, p["v_th"])
    state["v"] = _set_where(v, spikes, p["v_reset"]) if p["reset"] == "value" else v - spikes * p["v_th"]
    return spikes, state["v"]


def _cubalif(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    dt = p["dt"]
    state["i"] = state["i"] + dt / p["tau_syn"] * (p["w_in"] * current - state["i"])
    v = state["v"] + dt / p["tau_mem"] * ((p["v_leak"] - state["v"]) + p["r"] * state["i"])
    spikes = _above(v, p["v_threshold"])
    state["v"] = _set_where(v, spikes, p["v_reset"]) if p["reset"] == "value" else v - spikes * p["v_threshold"]
    return spikes, state["v"]


# -- BindsNET ------------------------------------------------------------------------------------


def _nothing(p: Parameters, current: Floats) -> State:
    return {}


def _mcculloch_pitts(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    return (current >= p["thresh"]).astype(np.float32), current


def _nodes_start(p: Parameters, current: Floats) -> State:
    zeros = np.zeros_like(current, dtype=np.float32)
    return {"v": zeros + p.get("rest", p["reset"]), "wait": zeros.copy(), "i": zeros.copy()}


def _fire_nodes(p: Parameters, state: State, v: Floats) -> tuple[Floats, Floats]:
    """Spike from `thresh` on, start the refractory time, reset, clip."""
    fired = v >= p["thresh"]
    state["wait"] = np.where(fired, np.float32(p["refrac"]), state["wait"])
    v = np.where(fired, p["reset"], v)
    state["v"] = np.maximum(v, np.float32(p["lower_bound"]))
    return fired.astype(np.float32), state["v"]


def _if_nodes(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v = state["v"] + (state["wait"] <= 0).astype(np.float32) * current
    state["wait"] = state["wait"] - np.float32(p["dt"])
    return _fire_nodes(p, state, v)


def _lif_nodes(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v = (state["v"] - p["rest"]) * p["decay"] + p["rest"]
    v = v + np.where(state["wait"] > 0, ZERO, current)
    state["wait"] = state["wait"] - np.float32(p["dt"])
    return _fire_nodes(p, state, v)


def _current_lif_nodes(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    v = (state["v"] - p["rest"]) * p["decay"] + p["rest"]
    state["wait"] = state["wait"] - np.float32(p["dt"])
    state["i"] = state["i"] * p["i_decay"] + current
    return _fire_nodes(p, state, v + (state["wait"] <= 0).astype(np.float32) * state["i"])


# -- lava ----------------------------------------------------------------------------------------


def _cuba_start(p: Parameters, current: Floats) -> State:
    zeros = np.zeros(current.shape, np.int64)
    return {"u": zeros, "v": zeros.copy(), "wait": zeros.copy()}


def _decayed(value: Any, decay: int) -> Any:
    return np.sign(value) * (np.abs(value) * (4096 - decay) >> 12)


LOIHI_LIMIT = 2**23
"""Current and potential are 24-bit words."""


def _cuba(p: Parameters, state: State, current: Floats) -> tuple[Floats, Floats]:
    u = _decayed(state["u"], p["current_decay"]) + np.rint(current).astype(np.int64) * 64
    u = np.where(u > LOIHI_LIMIT, u - 2 * LOIHI_LIMIT, np.where(u <= -LOIHI_LIMIT, u + 2 * LOIHI_LIMIT, u))
    v = _decayed(state["v"], p["voltage_decay"]) + u + np.rint(p["bias"]).astype(np.int64)
    v = np.where(state["wait"] > 0, state["v"], np.clip(v, 1 - LOIHI_LIMIT, LOIHI_LIMIT - 1))
    fired = (v > 64 * p["threshold"]) & (state["wait"] <= 0)
    state["wait"] = np.where(fired, p["refractory"] - 1, state["wait"] - 1)
    state["u"], state["v"] = u, np.where(fired, 0, v)
    return fired.astype(np.float32), state["v"].astype(np.float32)


NEURONS: dict[type[snn.Neuron], Equations] = {
    snn.Leaky: Equations(_membrane_at_zero, _leaky),
    snn.Lapicque: Equations(_membrane_at_zero, _lapicque),
    snn.Synaptic: Equations(_synaptic_start, _synaptic),
    snn.RLeaky: Equations(_membrane_at_zero, _rleaky),
    snn.LeakyParallel: Equations(_membrane_at_zero, _leaky_parallel),
    snn.StateLeaky: Equations(_membrane_at_zero, _state_leaky),
    snn.Alpha: Equations(_alpha_start, _alpha),
    snn.Lif: Equations(_at_leak, _lif),
    snn.Lsnn: Equations(_lsnn_start, _lsnn),
    snn_models.LifEx: Equations(_at_leak, _lif_ex),
    snn_models.LifAdex: Equations(_lif_adex_start, _lif_ex),
    snn_models.Izhikevich: Equations(_izhikevich_start, _izhikevich),
    snn.LifRecurrent: Equations(_at_leak, _lif),
    snn.LifBox: Equations(_at_leak, _lif_box),
    snn.Iaf: Equations(_iaf_start, _iaf),
    snn.Li: Equations(_at_leak, _li),
    snn.LiBox: Equations(_at_leak, _li_box),
    snn.CubaLif: Equations(_at_leak, _cubalif),
    snn.McCullochPitts: Equations(_nothing, _mcculloch_pitts),
    snn.IfNodes: Equations(_nodes_start, _if_nodes),
    snn.LifNodes: Equations(_nodes_start, _lif_nodes),
    snn.CurrentLifNodes: Equations(_nodes_start, _current_lif_nodes),
    snn.Cuba: Equations(_cuba_start, _cuba),
    snn_inclusive.SjIf: Equations(inclusive.sj_start, inclusive.sj_if),
    snn_inclusive.SjLif: Equations(inclusive.sj_start, inclusive.sj_lif),
    snn_inclusive.SinabsLif: Equations(inclusive.sinabs_start, inclusive.sinabs_lif),
    snn_inclusive.SinabsSynaptic: Equations(inclusive.sinabs_start, inclusive.sinabs_lif),
}
