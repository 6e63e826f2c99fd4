# SPDX-License-Identifier: Apache-2.0
"""BindsNET's Network.save files by the equations of BindsNET 0.3.4 (bindsnet/network/nodes.py), learning off.

Only opening the pickle is shared with akc.frontends: akc.frontends.torch.pickles runs no code of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from akc.compiler.checks.readings.plain import FileSource, Stage, Step, convolution, dense, need, numbers, zeros
from akc.frontends.torch.pickles import Bag, read_objects
from akc.sim.registry import Array


def read(path: str, options: Mapping[str, Any], steps: int, over_time: bool) -> FileSource:
    """The chain of a file; raises Unread for what it does not know."""
    root = read_objects(path, "bindsnet")
    need(isinstance(root, Bag) and isinstance(getattr(root, "layers", None), dict), "state_dicts")
    layers = {name: _values(bag) for name, bag in root.layers.items()}
    kinds = {name: bag.kind for name, bag in root.layers.items()}
    follow = {str(a): str(b) for a, b in root.connections}
    need(len(follow) == len(root.connections), "layers that feed several")
    by_ends = {(str(a), str(b)): bag for (a, b), bag in root.connections.items()}
    at = next(name for name, kind in kinds.items() if kind == "Input")
    dt = float(np.asarray(root.attribute("dt", 1.0)))
    stages: list[Stage] = []
    while at in follow:
        ahead = follow.pop(at)
        stages += [_connection(f"{at}_to_{ahead}", by_ends[at, ahead])]
        stages += [Stage(ahead, step=_nodes(kinds[ahead], layers[ahead], dt))]
        at = ahead
    need(not follow, "connections inside a layer or back")
    return FileSource(Path(path).name, stages, steps, options.get("readout") or "none", over_time)


def _values(bag: Bag) -> dict[str, Any]:
    return bag.attributes()


def _connection(name: str, bag: Bag) -> Stage:
    v = _values(bag)
    if bag.kind in ("Connection", "SparseConnection"):
        weight = np.asarray(v["w"], np.float64)
        return Stage(name, lambda x: dense(weight.reshape(x[0].size, -1).T, v.get("b"))(x))
    need(bag.kind == "Conv2dConnection", f"connections of class {bag.kind}")
    stride, padding, dilation = (v.get(key, usual) for key, usual in (("stride", 1), ("padding", 0), ("dilation", 1)))
    return Stage(name, convolution(v["w"], v.get("b"), stride, padding, dilation, 1))


def _nodes(kind: str, v: Mapping[str, Any], dt: float) -> Step:
    if kind == "McCullochPitts":
        return lambda state, x: (np.asarray((x >= v["thresh"]) * 1.0), x)
    need(kind in DRIFT, f"nodes of class {kind}")
    need(not v.get("one_spike"), "one spike a step")

    def step(state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        shape = tuple(int(n) for n in v.get("shape") or (v["n"],))
        flow = x.reshape(len(x), *shape)
        boosted = kind == "BoostedLIFNodes"
        reset = 0.0 if boosted else numbers(v["reset"], shape)
        zeros(state, flow, "v", start=reset if "rest" not in v else numbers(v["rest"], shape))
        zeros(state, flow, "wait", "i")
        u = DRIFT[kind](v, state, flow, dt)
        threshold = numbers(v["thresh"], shape) + (numbers(v["theta"], shape) if "theta" in v else 0.0)
        spikes = u >= threshold
        state["wait"] = np.where(spikes, numbers(v["refrac"]), state["wait"])
        u = np.where(spikes, reset, u)
        state["v"] = u if v.get("lbound") is None else np.maximum(u, numbers(v["lbound"]))
        return np.asarray(spikes * 1.0), state["v"]

    return step


def _decay(v: Mapping[str, Any], key: str, dt: float) -> Array:
    return np.asarray(np.exp(-np.float32(dt) / np.asarray(v[key], np.float32)), np.float64)


def _if(v: Mapping[str, Any], state: dict[str, Any], x: Array, dt: float) -> Array:
    u = state["v"] + (state["wait"] <= 0) * x
    state["wait"] = state["wait"] - dt
    return np.asarray(u)


def _lif(v: Mapping[str, Any], state: dict[str, Any], x: Array, dt: float) -> Array:
    rest = numbers(v["rest"]) if "rest" in v else 0.0
    u = (state["v"] - rest) * _decay(v, "tc_decay", dt) + rest + np.where(state["wait"] > 0, 0, x)
    state["wait"] = state["wait"] - dt
    return np.asarray(u)


def _current_lif(v: Mapping[str, Any], state: dict[str, Any], x: Array, dt: float) -> Array:
    rest = numbers(v["rest"])
    u = (state["v"] - rest) * _decay(v, "tc_decay", dt) + rest
    state["wait"] = state["wait"] - dt
    state["i"] = state["i"] * _decay(v, "tc_i_decay", dt) + x
    return np.asarray(u + (state["wait"] <= 0) * state["i"])


DRIFT: dict[str, Callable[[Mapping[str, Any], dict[str, Any], Array, float], Array]] = {
    "IFNodes": _if,
    "LIFNodes": _lif,
    "BoostedLIFNodes": _lif,
    "AdaptiveLIFNodes": _lif,
    "DiehlAndCookNodes": _lif,
    "CurrentLIFNodes": _current_lif,
}
"""The potential of a step before spikes, by class."""
