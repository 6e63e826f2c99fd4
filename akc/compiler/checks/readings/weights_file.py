# SPDX-License-Identifier: Apache-2.0
"""snnTorch's state_dicts by the equations of snnTorch 1.0.0 (snntorch/_neurons), as chains of dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from akc.compiler.checks.readings.plain import FileSource, Stage, Step, dense, fired, need, zeros
from akc.sim.registry import Array

RESETS = ("subtract", "zero", "none")


def read(path: str, options: Mapping[str, Any], steps: int, over_time: bool) -> FileSource:
    """The chain of a file of dense layers and neurons; raises Unread for what else it holds."""
    topology = str(options.get("topology") or "")
    need(not topology.endswith(".toml"), "topologies in TOML files")
    arrays = _arrays(path)
    need(not any("_to_" in key for key in arrays), "state_dicts of BindsNET")
    owners = list(dict.fromkeys(key.rpartition(".")[0] for key in arrays))
    groups = {o: {k.rpartition(".")[2]: v for k, v in arrays.items() if k.rpartition(".")[0] == o} for o in owners}
    inner = {o for o in owners if any(o.startswith(f"{n}.") for n in owners if "threshold" in groups[n])}
    layers = [o for o in owners if "weight" in groups[o] and o not in inner]
    neurons = [o for o in owners if "threshold" in groups[o]]
    need(len(layers) == len(neurons) and bool(layers), "neurons without a layer in front")
    need(all(groups[o]["weight"].ndim == 2 for o in layers), "convolutions")
    stages: list[Stage] = []
    for layer, neuron in zip(layers, neurons):
        held = {**groups[neuron], **{o.rpartition(".")[2]: groups[o] for o in inner if o.startswith(f"{neuron}.")}}
        stages += [
            Stage(layer, dense(groups[layer]["weight"], groups[layer].get("bias"))),
            _neuron(neuron, held, options),
        ]
    return FileSource(Path(path).name, stages, steps, options.get("readout") or "none", over_time)


def _arrays(path: str) -> dict[str, Array]:
    if path.endswith(".safetensors"):
        from safetensors.numpy import load_file

        found = load_file(path)
        return dict(sorted(found.items(), key=lambda item: [int(w) if w.isdigit() else w for w in _words(item[0])]))
    import torch

    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        need(False, "whole objects")
    need(isinstance(held, Mapping), "whole objects")
    inner = held.get("state_dict", held)
    tensors = {key: value.detach().to_dense() for key, value in inner.items() if hasattr(value, "detach")}
    return {key: (value.float() if value.dtype is torch.bfloat16 else value).numpy() for key, value in tensors.items()}


def _words(name: str) -> list[str]:
    """A name cut where digits begin and end, words and digits by turns."""
    words = [""]
    for letter in name:
        if letter.isdigit() != (len(words) % 2 == 0):
            words.append("")
        words[-1] += letter
    return words


def _neuron(name: str, held: Mapping[str, Any], options: Mapping[str, Any]) -> Stage:
    known = {"beta", "threshold", "graded_spikes_factor", "reset_mechanism_val", "alpha", "recurrent", "V"}
    odd = sorted(set(held) - known - {"mem", "spk", "syn"})
    need(not odd and "beta" in held, f"neurons with {', '.join(odd) or 'no beta'}")
    reset = str(options.get("reset") or RESETS[int(np.asarray(held.get("reset_mechanism_val", 0)))])
    own = held.get("recurrent", {}) if isinstance(held.get("recurrent"), Mapping) else {}
    need(not own or np.ndim(own.get("weight", 0)) == 2, "recurrent layers that are no matrix")
    need("V" not in held and "V" not in own, "factors on own spikes")
    numbers = {key: np.asarray(held[key], np.float64) for key in ("beta", "threshold", "alpha") if key in held}
    return Stage(name, step=_step(numbers, reset, own, float(np.asarray(held.get("graded_spikes_factor", 1.0)))))


def _step(p: Mapping[str, Array], reset: str, own: Mapping[str, Any], factor: float) -> Step:
    """The membrane decays and adds its input; a spike acts on it a step later."""
    feedback = dense(own["weight"], own.get("bias")) if own else None

    def step(state: dict[str, Any], x: Array) -> tuple[Array, Array]:
        zeros(state, x, "u", "a", "s")
        spiked = fired(state["u"], p["threshold"])
        flow = x if feedback is None else x + feedback(state["s"])
        if "alpha" in p:
            state["a"] = flow = np.clip(p["alpha"], 0, 1) * state["a"] + flow
        kept = np.clip(p["beta"], 0, 1) * state["u"]
        u = kept + flow
        if reset == "subtract":
            u = u - spiked * p["threshold"]
        elif reset == "zero":
            whole = "alpha" in p or feedback is not None
            u = u * (1 - spiked) if whole else kept * (1 - spiked) + flow
        state["u"], state["s"] = u, fired(u, p["threshold"]) * factor
        return state["s"], u

    return step
