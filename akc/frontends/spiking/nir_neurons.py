# SPDX-License-Identifier: Apache-2.0
"""Neurons of NIR files: one meaning for each tool that writes them.

NIR holds differential equations, no step length and no kind of reset, and what the exporters write differs from the
equations: snntorch 1.0.0 writes tau = 1e-4 / (1 - beta) and r = tau / 1e-4; norse 1.1.0 tau = dt / tau_mem_inv, upside
down; sinabs 3.1.3 time constants in steps, r = 1, and leaves out min_v_mem and norm_input; spikingjelly 2.0.0
tau = steps * 1e-4 with r = 1 where the input decays too, else r = steps; spec is the definition, by forward Euler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from akc.frontends.spiking.reader import NeuronSpec
from akc.ir.ops import snn, snn_inclusive

Array = np.ndarray[Any, np.dtype[Any]]
Numbers = Mapping[str, Array]
"""A node's arrays by the names of NIR: tau, r, v_threshold ..."""


@frozen(kw_only=True)
class Request:
    """What a neuron is read with: its numbers, seconds a step, and the reset asked for ("" for the file's own)."""

    p: Numbers
    dt: float
    reset: str

    def value_or_subtract(self, usual: str = "value") -> str:
        """The reset as most operations name it."""
        return {"": usual, "zero": "value"}.get(self.reset, self.reset)


Maker = Callable[[Request], NeuronSpec]

# -- the definition, and norse, whose time constants stand upside down ------------------------------


def _box(inverse: Callable[[Array, float], Array]) -> Maker:
    def lif(ask: Request) -> NeuronSpec:
        p = ask.p
        return NeuronSpec(
            kind=snn.LifBox,
            gain=p["r"],
            settings={"dt": ask.dt, "reset": ask.value_or_subtract()},
            parameters={
                "tau_mem_inv": inverse(p["tau"], ask.dt),
                "v_leak": p["v_leak"],
                "v_th": p["v_threshold"],
                "v_reset": p["v_reset"],
            },
        )

    return lif


def _integrate_and_fire(ask: Request, gain: Array) -> NeuronSpec:
    numbers = {"v_th": ask.p["v_threshold"], "v_reset": ask.p["v_reset"]}
    return NeuronSpec(kind=snn.Iaf, gain=gain, settings={"reset": ask.value_or_subtract()}, parameters=numbers)


def _leaky_integrator(inverse: Callable[[Array, float], Array]) -> Maker:
    def li(ask: Request) -> NeuronSpec:
        numbers = {"tau_mem_inv": inverse(ask.p["tau"], ask.dt), "v_leak": ask.p["v_leak"]}
        return NeuronSpec(kind=snn.LiBox, gain=ask.p["r"], settings={"dt": ask.dt}, parameters=numbers)

    return li


def _with_current(inverse: Callable[[Array, float], Array], share: bool) -> Maker:
    """CubaLI: r times the current of forward Euler is snn.li's current over the input times r dt / tau_syn (share)."""

    def cubali(ask: Request) -> NeuronSpec:
        p = ask.p
        syn, mem = inverse(p["tau_syn"], ask.dt), inverse(p["tau_mem"], ask.dt)
        return NeuronSpec(
            kind=snn.Li,
            gain=p["r"] * p["w_in"] * (syn * ask.dt if share else 1.0),
            settings={"dt": ask.dt},
            parameters={"tau_syn_inv": syn, "tau_mem_inv": mem, "v_leak": p["v_leak"]},
        )

    return cubali


def _cubalif(ask: Request) -> NeuronSpec:
    keys = ("tau_syn", "tau_mem", "r", "w_in", "v_leak", "v_threshold", "v_reset")
    settings = {"dt": ask.dt, "reset": ask.value_or_subtract()}
    return NeuronSpec(kind=snn.CubaLif, settings=settings, parameters={k: ask.p[k] for k in keys})


def _norse_lif(ask: Request) -> NeuronSpec:
    p = ask.p
    return NeuronSpec(
        kind=snn.Lif,
        settings={"dt": ask.dt},
        gain=p["w_in"],
        parameters={
            "tau_syn_inv": ask.dt / p["tau_syn"],
            "tau_mem_inv": ask.dt / p["tau_mem"],
            "v_leak": p["v_leak"],
            "v_th": p["v_threshold"],
            "v_reset": p["v_reset"],
        },
    )


def _integrator(gain: Callable[[Request], Array]) -> Maker:
    return lambda ask: NeuronSpec(
        kind=snn.Leaky, gain=gain(ask), settings={"reset": "none"}, parameters={"beta": 1.0, "threshold": 1.0}
    )


def _threshold(ask: Request) -> NeuronSpec:
    return NeuronSpec(
        kind=snn.Leaky, settings={"reset": "none"}, parameters={"beta": 0.0, "threshold": ask.p["threshold"]}
    )


def _by_step(ask: Request) -> Array:
    return ask.p["r"]


def _by_dt(ask: Request) -> Array:
    return ask.p["r"] * ask.dt


def _reciprocal(tau: Array, dt: float) -> Array:
    return 1 / tau


def _upside_down(tau: Array, dt: float) -> Array:
    return dt / tau


SPEC: dict[str, Maker] = {
    "LIF": _box(_reciprocal),
    "IF": lambda ask: _integrate_and_fire(ask, _by_dt(ask)),
    "CubaLIF": _cubalif,
    "LI": _leaky_integrator(_reciprocal),
    "CubaLI": _with_current(_reciprocal, share=True),
    "I": _integrator(_by_dt),
    "Threshold": _threshold,
}

NORSE: dict[str, Maker] = {
    "LIF": _box(_upside_down),
    "IF": lambda ask: _integrate_and_fire(ask, _by_step(ask)),
    "CubaLIF": _norse_lif,
    "LI": _leaky_integrator(_upside_down),
    "CubaLI": _with_current(_upside_down, share=False),
    "I": _integrator(_by_step),
    "Threshold": _threshold,
}

# -- snnTorch --------------------------------------------------------------------------------------


def _near_one(gain: Array) -> Any:
    """1 where rounding in the file has moved it a little."""
    return 1.0 if np.allclose(gain, 1, rtol=1e-4) else gain


def _snntorch_leaky(ask: Request) -> NeuronSpec:
    p = ask.p
    gain = np.where(np.isfinite(p["r"]), p["r"] * (ask.dt / p["tau"]), 1.0)
    return NeuronSpec(
        kind=snn.Leaky,
        gain=_near_one(gain),
        settings={"reset": ask.reset or "zero"},
        parameters={"beta": 1 - ask.dt / p["tau"], "threshold": p["v_threshold"]},
    )


def _snntorch_synaptic(ask: Request) -> NeuronSpec:
    p, dt = ask.p, ask.dt
    gain = np.where(np.isfinite(p["r"]), p["w_in"] * (dt / p["tau_syn"]) * p["r"] * (dt / p["tau_mem"]), 1.0)
    return NeuronSpec(
        kind=snn.Synaptic,
        gain=_near_one(gain),
        settings={"reset": ask.reset or "zero"},
        parameters={"alpha": 1 - dt / p["tau_syn"], "beta": 1 - dt / p["tau_mem"], "threshold": p["v_threshold"]},
    )


SNNTORCH = {
    **SPEC,
    "LIF": _snntorch_leaky,
    "CubaLIF": _snntorch_synaptic,
    "IF": lambda ask: _integrate_and_fire(ask, _by_step(ask)),
    "I": _integrator(_by_step),
}

# -- SpikingJelly ----------------------------------------------------------------------------------


def _jelly_reset(ask: Request) -> dict[str, Any]:
    return {"reset": ask.value_or_subtract()}


def _jelly_lif(ask: Request) -> NeuronSpec:
    p = ask.p
    tau = p["tau"] / ask.dt
    whole = np.allclose(p["r"], tau, rtol=1e-4)
    return NeuronSpec(
        kind=snn_inclusive.SjLif,
        gain=1.0 if whole else p["r"],
        settings={**_jelly_reset(ask), "decay_input": not whole},
        parameters={"tau": tau, "v_threshold": p["v_threshold"], "v_reset": p["v_reset"]},
    )


def _jelly_if(ask: Request) -> NeuronSpec:
    numbers = {"v_threshold": ask.p["v_threshold"], "v_reset": ask.p["v_reset"]}
    return NeuronSpec(
        kind=snn_inclusive.SjIf, gain=_near_one(_by_dt(ask)), settings=_jelly_reset(ask), parameters=numbers
    )


SPIKINGJELLY = {**SPEC, "LIF": _jelly_lif, "IF": _jelly_if}

# -- sinabs ----------------------------------------------------------------------------------------


def sinabs(bounded: bool, normalised: bool) -> dict[str, Maker]:
    """bounded: IF potentials stay above -threshold; normalised: LIF inputs are scaled by 1 - alpha."""

    def spiking(ask: Request, alpha: Any, gain: Any, floor: bool) -> NeuronSpec:
        numbers = {"alpha": alpha, "threshold": ask.p["v_threshold"], "taken": ask.p["v_threshold"]}
        if floor:
            numbers["v_min"] = -ask.p["v_threshold"]
        settings = {"reset": ask.value_or_subtract("subtract")}
        if settings["reset"] == "value":
            numbers["v_reset"] = ask.p["v_reset"]
        return NeuronSpec(kind=snn_inclusive.SinabsLif, gain=gain, settings=settings, parameters=numbers)

    def lif(ask: Request) -> NeuronSpec:
        alpha = np.exp(-ask.dt / ask.p["tau"])
        return spiking(ask, alpha, ask.p["r"] * (1 - alpha if normalised else 1.0), floor=False)

    def leaky_integrator(ask: Request) -> NeuronSpec:
        numbers = {"beta": np.exp(-ask.dt / ask.p["tau"]), "threshold": 1.0}
        return NeuronSpec(kind=snn.Leaky, gain=ask.p["r"], settings={"reset": "none"}, parameters=numbers)

    return {
        **NORSE,
        "LIF": lif,
        "IF": lambda ask: spiking(ask, 1.0, ask.p["r"], floor=bounded),
        "LI": leaky_integrator,
        "CubaLI": _with_current(lambda tau, dt: -np.expm1(-dt / tau) / dt, share=True),
        "CubaLIF": _cubalif,
    }
