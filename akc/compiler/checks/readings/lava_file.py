# SPDX-License-Identifier: Apache-2.0
"""lava's .net files by the fixed-point equations of lava-nc 0.10.0 (lava/proc/lif and lava/proc/sdn, models.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from akc.compiler.checks.readings.plain import FileSource, Stage, Step, convolution, dense, flatten, need, zeros
from akc.sim.registry import Array


def read(path: str, options: Mapping[str, Any], steps: int, over_time: bool) -> FileSource:
    """The chain of a file; raises Unread for layers that it does not know."""
    import h5py

    with h5py.File(path, "r") as file:
        layers = [_plain(file["layer"][key]) for key in sorted(file["layer"], key=int)]
    sigma = any(_word(layer.get("neuron", {}).get("type", b"")) == "SDNN" for layer in layers)
    stages: list[Stage] = []
    for index, layer in enumerate(layers):
        stages += _stages(f"layer{index}", layer, sigma)
    if not sigma and stages[-1].step is None:
        stages.append(Stage("output", step=_adds_up))
    wanted = options.get("readout") or "none"
    return FileSource(Path(path).name, stages, max(steps, 1), wanted, over_time, timeless=sigma)


def _plain(group: Any) -> dict[str, Any]:
    return {key: _plain(item) if hasattr(item, "items") else item[()] for key, item in group.items()}


def _word(value: Any) -> str:
    one = np.asarray(value).reshape(-1)[0]
    return one.decode() if isinstance(one, bytes) else str(one)


def _stages(name: str, layer: dict[str, Any], sigma: bool) -> list[Stage]:
    kind, neuron = _word(layer["type"]), layer.get("neuron")
    own = None
    if kind == "dense_rec":
        own = np.asarray(layer["weight_rec"], np.float64).reshape(-1, np.prod(layer["shape"], dtype=int))
    found = [Stage(name, _layer(kind, layer, sigma))]
    if neuron is None:
        return found
    if sigma:
        rectified = kind != "input" and not neuron.get("sigma_output", False)
        return [*found, Stage(f"{name}.relu", lambda x: np.maximum(x, 0))] if rectified else found
    need(_word(neuron["type"]) in ("CUBA", "LOIHI"), f"{_word(neuron['type'])} neurons")
    return [*found, Stage(f"{name}.neuron", step=_cuba(layer), weight_of_spikes=own)]


def _layer(kind: str, layer: dict[str, Any], sigma: bool) -> Any:
    unit = 64.0 if sigma else 1.0
    bias = layer.get("bias") if sigma else None
    if kind == "input":
        scaled = "neuron" in layer and ("weight" in layer or not sigma)
        factor = float(np.asarray(layer.get("weight", 64)).reshape(-1)[0]) if scaled else 1.0
        return lambda x: x * factor
    if kind == "flatten":
        return flatten
    if kind in ("dense", "dense_rec"):
        rows = int(layer.get("outFeatures", np.prod(layer["shape"])))
        return dense(np.asarray(layer["weight"], np.float64).reshape(rows, -1) / unit, bias)
    need(kind == "conv", f"layers of kind {kind}")
    weight = np.asarray(layer["weight"], np.float64)
    stride, padding, dilation, groups = (layer.get(key, usual) for key, usual in WINDOWS.items())
    return convolution(weight.reshape(weight.shape[:4]) / unit, bias, stride, padding, dilation, int(groups))


WINDOWS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}


def _adds_up(state: dict[str, Any], x: Array) -> tuple[Array, Array]:
    zeros(state, x, "u")
    state["u"] = state["u"] + x
    return state["u"], state["u"]


def _cuba(layer: dict[str, Any]) -> Step:
    """Current and potential are whole numbers that decay towards zero by 12-bit factors; a spike sets the potential to
    zero and starts the refractory time."""
    n = {key: np.asarray(value).reshape(-1)[0] for key, value in layer["neuron"].items()}
    i_decay, v_decay, threshold = int(n["iDecay"]), int(n["vDecay"]), int(n["vThMant"]) * 64
    refractory = max(1, int(n.get("refDelay", 1)))
    bias = np.rint(np.asarray(layer.get("bias", 0.0), np.float64).reshape(-1) * 64).astype(np.int64)

    def decayed(value: Array, decay: int) -> Array:
        return np.asarray(np.sign(value) * ((np.abs(value) * (4096 - decay)) // 4096))

    def step(state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        whole = np.rint(x).astype(np.int64)
        zeros(state, whole, "u", "v", "wait")
        each = bias if bias.size == 1 or x.ndim == 2 else bias.reshape(-1, *(1,) * (x.ndim - 2))
        state["u"] = decayed(state["u"], i_decay) + 64 * whole
        need(bool((np.abs(state["u"]) < 2**23).all()), "currents beyond 24 bits")
        v = np.clip(decayed(state["v"], v_decay) + state["u"] + each, -(2**23) + 1, 2**23 - 1)
        v = np.where(state["wait"] > 0, state["v"], v)
        spikes = (v > threshold) & (state["wait"] <= 0)
        state["wait"] = np.where(spikes, refractory - 1, state["wait"] - 1)
        state["v"] = np.where(spikes, 0, v)
        return np.asarray(spikes * 1.0), np.asarray(state["v"], np.float64)

    return step
