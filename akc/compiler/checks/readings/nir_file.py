# SPDX-License-Identifier: Apache-2.0
"""NIR files by their equations (nir 1.0.8), with the habits of each tool that writes them.

snntorch 1.0.0, norse 1.1.0, spikingjelly 2.0.0 and sinabs 3.1.3 each have a discrete neuron of their own, which their
numbers are put back into; `spec` is forward Euler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from akc.compiler.checks.readings.plain import (
    FileSource,
    Stage,
    Step,
    convolution,
    dense,
    fired,
    flatten,
    need,
    numbers,
    of_channels,
    pool,
    zeros,
)
from akc.sim.registry import Array

SECONDS = {"snntorch": 1e-4, "spikingjelly": 1e-4, "norse": 1e-3, "sinabs": 1.0, "sinabs-reader": 1.0, "spec": 1e-4}
"""A step, as each tool assumes it."""

P = Mapping[str, Any]


def read(path: str, options: Mapping[str, Any], steps: int, over_time: bool, producer: str) -> FileSource:
    """The chain of a file; raises Unread for graphs that are no chain of known nodes."""
    import nir

    graph = nir.read(path, type_check=False)
    need(all(type(node).__name__ != "NIRGraph" for node in graph.nodes.values()), "graphs inside of graphs")
    names, loops = _chain(graph)
    dt, reset = options.get("dt") or SECONDS[producer], options.get("reset") or ""
    stages = [_stage(n, graph.nodes[n], loops.get(n), producer, dt, reset) for n in names]
    wanted = options.get("readout") or "none"
    return FileSource(Path(path).name, stages, steps, wanted, over_time)


def _chain(graph: Any) -> tuple[list[str], dict[str, Any]]:
    """Nodes behind the input in order, and the node on a neuron's own spikes."""
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    follow = {name: [b for a, b in graph.edges if a == name] for name in graph.nodes}
    loops = {a: a for a, b in graph.edges if a == b}
    loops |= {a: w for a in graph.nodes for w in follow[a] if a in follow[w] and "v_threshold" in vars(graph.nodes[a])}
    order = [next(name for name, kind in kinds.items() if kind == "Input")]
    while kinds[order[-1]] != "Output":
        ahead = [b for b in follow[order[-1]] if b != loops.get(order[-1])]
        need(len(ahead) == 1 and ahead[0] not in order, "branches")
        order.append(ahead[0])
    return order[1:-1], {name: graph.nodes[loop] for name, loop in loops.items()}


def _stage(name: str, node: Any, loop: Any, producer: str, dt: float, reset: str) -> Stage:
    kind = type(node).__name__
    if kind in LAYERS:
        return Stage(name, LAYERS[kind](node))
    need(kind in ("LIF", "IF", "CubaLIF", "LI", "CubaLI", "I", "Threshold"), kind)
    own = None
    if loop is not None:
        need(loop is node or (hasattr(loop, "weight") and np.ndim(loop.weight) == 2), "convolutions on own spikes")
        need(getattr(loop, "bias", None) is None or not np.any(loop.bias), "a bias on own spikes")
        own = np.eye(np.size(node.v_threshold)) if loop is node else np.asarray(loop.weight, np.float64)
    family = {"sinabs-reader": "sinabs"}.get(producer, producer)
    make = NEURONS.get((family, kind)) or NEURONS.get(("norse" if family == "sinabs" else "spec", kind))
    need(make is not None, f"{kind} of {producer}")
    assert make is not None
    p = {key: np.asarray(v, np.float64) for key, v in vars(node).items() if isinstance(v, np.ndarray | float | int)}
    p = {"v_reset": np.zeros(()), **p}
    step = make(p, dt, reset, producer)
    return Stage(name, step=_shaped(step, p), weight_of_spikes=own)


def _shaped(step: Callable[[P, dict[str, Any], Array], tuple[Array, Array]], p: P) -> Step:
    """The step with its numbers in the shape of the neurons."""

    def run(state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        return step({key: numbers(value, x.shape[1:]) for key, value in p.items()}, state, x)

    return run


# -- layers --------------------------------------------------------------------------------------


def _conv(node: Any) -> Any:
    padding, axes = node.padding, np.asarray(node.weight).ndim - 2
    if isinstance(padding, str):
        reach = np.broadcast_to(np.asarray(node.dilation), axes) * (np.asarray(node.weight).shape[2:] - np.ones(axes))
        padding = reach // 2 if padding == "same" else np.zeros(axes)
    groups = int(np.asarray(node.groups).reshape(-1)[0])
    return convolution(node.weight, node.bias, node.stride, padding, node.dilation, groups)


def _no_delay(node: Any) -> Any:
    need(not np.any(node.delay), "delays")
    return lambda x: x


LAYERS: dict[str, Callable[[Any], Callable[[Array], Array]]] = {
    "Affine": lambda node: dense(node.weight, node.bias),
    "Linear": lambda node: dense(node.weight),
    "Conv1d": _conv,
    "Conv2d": _conv,
    "SumPool2d": lambda node: pool(np.sum, node.kernel_size, node.stride, node.padding),
    "AvgPool2d": lambda node: pool(np.mean, node.kernel_size, node.stride, node.padding),
    "Scale": lambda node: lambda x: x * (
        numbers(node.scale, x.shape[1:]) if np.size(node.scale) in (1, x[0].size) else of_channels(node.scale, x.ndim)
    ),
    "Flatten": lambda node: flatten,
    "Delay": _no_delay,
}  # fmt: skip


# -- neurons -------------------------------------------------------------------------------------


def _reset(p: P, v: Array, spikes: Array, reset: str) -> Array:
    """The potential after spikes: v_reset, or less by the threshold for each."""
    return np.asarray(v - spikes * p["v_threshold"] if reset == "subtract" else np.where(spikes > 0, p["v_reset"], v))


def _leaky(rate: Callable[[P, float], Any], fires: bool = True) -> Any:
    """v += rate ((v_leak - v) + r x)."""

    def make(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
        def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
            zeros(state, x, "v", start=p["v_leak"])
            v = state["v"] + rate(p, dt) * ((p["v_leak"] - state["v"]) + p["r"] * x)
            spikes = fired(v, p["v_threshold"]) if fires else None
            state["v"] = v if spikes is None else _reset(p, v, spikes, reset)
            return (v if spikes is None else spikes), state["v"]

        return step

    return make


def _integrate(gain: Callable[[P, float], Any]) -> Any:
    def make(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
        def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
            zeros(state, x, "v", start=p["v_reset"])
            v = state["v"] + gain(p, dt) * x
            spikes = fired(v, p["v_threshold"])
            state["v"] = _reset(p, v, spikes, reset)
            return spikes, state["v"]

        return step

    return make


def _spec_cuba(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
    def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        zeros(state, x, "v", start=p["v_leak"])
        zeros(state, x, "i")
        state["i"] = state["i"] + dt / p["tau_syn"] * (p["w_in"] * x - state["i"])
        v = state["v"] + dt / p["tau_mem"] * ((p["v_leak"] - state["v"]) + p["r"] * state["i"])
        if "v_threshold" not in p:
            state["v"] = v
            return v, v
        spikes = fired(v, p["v_threshold"])
        state["v"] = _reset(p, v, spikes, reset)
        return spikes, state["v"]

    return step


def _norse_cuba(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
    """The input jumps onto the current, which decays afterwards; both time constants stand upside down."""

    def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        need(reset != "subtract", "norse's LIF that subtracts")
        zeros(state, x, "v", start=p["v_leak"])
        zeros(state, x, "i")
        current = state["i"] + p["w_in"] * x
        v = state["v"] + dt * dt / p["tau_mem"] * ((p["v_leak"] - state["v"]) + current)
        state["i"] = current - dt * dt / p["tau_syn"] * current
        spikes = fired(v, p["v_threshold"])
        state["v"] = np.where(spikes > 0, p["v_reset"], v)
        return spikes, state["v"]

    return step


def _late(p: P, u: Array, before: Array, x: Array, reset: str, decayed: Array, zero_takes_all: bool) -> Array:
    """snnTorch's reset, one step after the spike."""
    spiked = fired(before, p["v_threshold"])
    if reset == "subtract":
        return np.asarray(u - spiked * p["v_threshold"])
    if reset == "none":
        return u
    return np.asarray(u * (1 - spiked) if zero_takes_all else u - spiked * decayed)


def _snntorch_leaky(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
    def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        zeros(state, x, "u")
        decayed = (1 - dt / p["tau"]) * state["u"]
        gain = np.where(np.isfinite(p["r"]), np.where(np.isfinite(p["r"]), p["r"], 0) * dt / p["tau"], 1.0)
        gain = np.where(np.abs(gain - 1) < 1e-4, 1.0, gain)
        u = _late(p, decayed + gain * x, state["u"], x, reset or "zero", decayed, False)
        state["u"] = u
        return fired(u, p["v_threshold"]), u

    return step


def _snntorch_synaptic(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
    def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        zeros(state, x, "u", "a")
        finite = np.isfinite(p["r"])
        whole = p["w_in"] * dt / p["tau_syn"] * np.where(finite, p["r"], 0) * dt / p["tau_mem"]
        gain = np.where(finite, whole, 1.0)
        gain = np.where(np.abs(gain - 1) < 1e-4, 1.0, gain)
        state["a"] = (1 - dt / p["tau_syn"]) * state["a"] + gain * x
        u = (1 - dt / p["tau_mem"]) * state["u"] + state["a"]
        state["u"] = _late(p, u, state["u"], x, reset or "zero", u, True)
        return fired(state["u"], p["v_threshold"]), state["u"]

    return step


def _jelly(leaks: bool) -> Any:
    """Fires from its threshold on; rests at v_reset, or at 0 where a spike subtracts."""

    def make(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
        def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
            level = 0.0 if reset == "subtract" else p["v_reset"]
            zeros(state, x, "v", start=level)
            pulled = state["v"] - level
            if not leaks:
                v = state["v"] + p["r"] * dt * x
            else:
                tau = p["tau"] / dt
                apart = np.allclose(p["r"], tau, rtol=1e-4)
                v = state["v"] - pulled / tau + x if apart else state["v"] + (p["r"] * x - pulled) / tau
            spikes = np.asarray((v >= p["v_threshold"]) * 1.0)
            state["v"] = _reset(p, v, spikes, reset)
            return spikes, state["v"]

        return step

    return make


def _sinabs(leaks: bool) -> Any:
    """As many spikes a step as thresholds fit into the potential."""

    def make(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
        def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
            zeros(state, x, "v")
            keep = np.exp(-dt / p["tau"]) if leaks else 1.0
            scale = 1 - keep if leaks and producer == "sinabs" else 1.0
            v = keep * state["v"] + scale * p["r"] * x
            spikes = np.where(v > 0, np.trunc(v / p["v_threshold"]), 0.0)
            v = v - spikes * p["v_threshold"] if reset != "zero" else np.where(spikes > 0, p["v_reset"], v)
            state["v"] = v if leaks or producer == "sinabs" else np.maximum(v, -p["v_threshold"])
            return spikes, state["v"]

        return step

    return make


def _integrator(gain: Callable[[P, float], Any]) -> Any:
    def make(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
        def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
            zeros(state, x, "v")
            state["v"] = state["v"] + gain(p, dt) * x
            return state["v"], state["v"]

        return step

    return make


def _sinabs_integrator(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
    def step(p: P, state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        zeros(state, x, "v")
        state["v"] = np.exp(-dt / p["tau"]) * state["v"] + p["r"] * x
        return state["v"], state["v"]

    return step


def _threshold(numbers_of: P, dt: float, reset: str, producer: str) -> Any:
    return lambda p, state, x: (fired(x, p["threshold"]), x)


NEURONS: dict[tuple[str, str], Any] = {
    ("spec", "LIF"): _leaky(lambda p, dt: dt / p["tau"]),
    ("spec", "IF"): _integrate(lambda p, dt: p["r"] * dt),
    ("spec", "CubaLIF"): _spec_cuba,
    ("spec", "LI"): _leaky(lambda p, dt: dt / p["tau"], fires=False),
    ("spec", "CubaLI"): _spec_cuba,
    ("spec", "I"): _integrator(lambda p, dt: p["r"] * dt),
    ("spec", "Threshold"): _threshold,
    ("norse", "LIF"): _leaky(lambda p, dt: dt * dt / p["tau"]),
    ("norse", "IF"): _integrate(lambda p, dt: p["r"]),
    ("norse", "CubaLIF"): _norse_cuba,
    ("norse", "LI"): _leaky(lambda p, dt: dt * dt / p["tau"], fires=False),
    ("norse", "I"): _integrator(lambda p, dt: p["r"]),
    ("norse", "Threshold"): _threshold,
    ("snntorch", "LIF"): _snntorch_leaky,
    ("snntorch", "CubaLIF"): _snntorch_synaptic,
    ("snntorch", "IF"): _integrate(lambda p, dt: p["r"]),
    ("snntorch", "I"): _integrator(lambda p, dt: p["r"]),
    ("spikingjelly", "LIF"): _jelly(leaks=True),
    ("spikingjelly", "IF"): _jelly(leaks=False),
    ("sinabs", "LIF"): _sinabs(leaks=True),
    ("sinabs", "IF"): _sinabs(leaks=False),
    ("sinabs", "LI"): _sinabs_integrator,
    ("sinabs", "CubaLIF"): _spec_cuba,
}
"""By tool and node; what a tool has no row for is read by the definition (by norse's equations for sinabs)."""
