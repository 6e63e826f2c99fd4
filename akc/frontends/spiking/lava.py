# SPDX-License-Identifier: Apache-2.0
"""lava-dl network files (.net, HDF5): integer weights, Loihi's CUBA neurons or sigma-delta layers.

The layout is that of lava-dl 0.6.0 (lava/lib/dl/netx/hdf5.py, lava/lib/dl/slayer/block/base.py), the neurons
those of lava-nc 0.10.0 (lava/proc/lif/models.py, lava/proc/sdn/models.py, the fixed-point models). Only h5py
is needed.

Sigma-delta layers send what changed of relu(weights * inputs / 64 + bias): once nothing changes any more, they
are an ordinary network with ReLU, and are read as one, without time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.files import read_bytes
from akc.frontends.graph.building import build_module
from akc.frontends.graph.emit.kinds import KINDS, emit_opaque
from akc.frontends.graph.graph import Node
from akc.frontends.spiking.reader import Chain, NeuronSpec, SpikingOptions, finish_chain, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow
from akc.ir.module import Module
from akc.ir.ops import snn

Layer = dict[str, Any]


def read_lava(path: str, options: SpikingOptions | None = None) -> Module:
    """The network of a .net file.

    options.steps (or the file's simulation/tSample) and options.readout are needed, unless the layers are
    sigma-delta: their values have no time axis. An input layer of its own (scalar weight and bias, and a
    neuron) takes numbers that are the same at every step; files without one take spikes. Raises
    DiagnosticError AKC0313, AKC0371, AKC0372, AKC0375, AKC0379, AKC0380, AKC0384, AKC0386, AKC0389, AKC0394.
    """
    options = options or SpikingOptions()
    layers, steps = _load(path)
    faults = [fault for index, layer in enumerate(layers) for fault in _faults(index, layer)]
    if faults:
        raise DiagnosticError(faults)
    first = _kind(layers[0]) == "input"
    chain = Chain.start(Path(path).stem, _input_shape(layers[0], first))
    for index, layer in enumerate(layers):
        _append(chain, f"layer{index}", layer, options)
    if any(_neuron_type(layer) == "SDNN" for layer in layers):
        _note_thresholds(layers, options)
        return build_module(chain.finish(), KINDS, emit_opaque)
    if not chain.last[0].endswith(":spikes"):
        chain.neuron(
            "output", NeuronSpec(kind=snn.Leaky, parameters={"beta": 1.0}, settings={"reset": "none"}), membrane=True
        )
        options.note("the last layer has no neuron: its potentials are summed over time", f"layer{len(layers) - 1}")
    coding = options.coding or ("direct" if "neuron" in layers[0] and first else "spikes")
    return finish_chain(chain, options, _steps(path, steps, options), coding)


def _steps(path: str, stored: int | None, options: SpikingOptions) -> int:
    """T from the user, or the length of a sample that the file says."""
    if options.steps is None and stored is not None:
        options.note(f"{Path(path).name} says {stored} steps (simulation/tSample); --steps says otherwise")
        return stored
    return options.need_steps(Path(path).name, readout=True)


def _note_thresholds(layers: list[Layer], options: SpikingOptions) -> None:
    """Say that changes smaller than a threshold, which lava keeps back, are not kept back here."""
    least = {
        f"layer{index}": int(numbers["vThMant"])
        for index, numbers in enumerate(map(_numbers, layers))
        if numbers.get("vThMant", 0) and not numbers.get("sigma_output", False)
    }
    if least:
        sizes = ", ".join(f"{size} ({name})" for name, size in least.items())
        options.note(f"lava sends no change smaller than {sizes}; akc takes all values as they are", *least)


def _load(path: str) -> tuple[list[Layer], int | None]:
    """The layers in order, groups as dicts, scalars as numbers; steps of a sample, where the file says it."""
    try:
        import h5py
    except ImportError:
        raise error("AKC0313", "reading .net files needs h5py", help='pip install "akc[snn]"') from None
    read_bytes(path)
    try:
        with h5py.File(path, "r") as file:
            groups = file["layer"]
            steps = int(file["simulation/tSample"][()]) if "simulation/tSample" in file else None
            return [_read(groups[key]) for key in sorted(groups, key=int)], steps
    except (OSError, KeyError, ValueError) as fault:
        raise error("AKC0389", f"{Path(path).name} is no lava network file: {str(fault).splitlines()[0]}") from None


def _read(group: Any) -> Layer:
    found: Layer = {}
    for key, item in group.items():
        found[key] = _read(item) if hasattr(item, "items") else item[()]
    return found


def _kind(layer: Layer) -> str:
    word = np.asarray(layer["type"]).reshape(-1)[0]
    return word.decode() if isinstance(word, bytes) else str(word)


def _neuron_type(layer: Layer) -> str:
    word = layer.get("neuron", {}).get("type", b"")
    word = np.asarray(word).reshape(-1)[0]
    return word.decode() if isinstance(word, bytes) else str(word)


def _faults(index: int, layer: Layer) -> list[Diagnostic]:
    """Why a layer cannot be read, by rows of the table of refusals."""
    name, kind, neuron = f"layer{index}", _kind(layer), _neuron_type(layer)
    row = ROWS.get(kind)
    if row is None or row.refusal:
        return [REFUSALS[row.refusal if row else "no-such-layer"].diagnostic(name, kind)]
    found = []
    if np.any(layer.get("delay", 0)):
        found.append(REFUSALS["axonal-delay"].diagnostic(name, kind))
    if np.any(_numbers(layer).get("gradedSpike", False)) or np.any(_numbers(layer).get("messageBits", 0)):
        found.append(REFUSALS["graded-spikes"].diagnostic(name, f"{neuron} neurons"))
    if neuron == "SDNN" and layer["neuron"].get("activation", b"relu") != b"relu":
        found.append(REFUSALS["neuron-model"].diagnostic(name, "SDNN without relu"))
    if isinstance(layer.get("weight"), dict):
        found.append(REFUSALS["complex"].diagnostic(name, kind))
    if neuron and (neuron not in ROWS or ROWS[neuron].refusal):
        reason = ROWS[neuron].refusal if neuron in ROWS else "neuron-model"
        found.append(REFUSALS[reason].diagnostic(name, f"{neuron} neurons"))
    return found


def _input_shape(layer: Layer, encoder: bool) -> tuple[int, ...]:
    """Channels, d0, d1, or one number; flat networks may write it as [1, 1, n] or [n, 1, 1]."""
    if encoder:
        shape = tuple(int(n) for n in np.asarray(layer["shape"]).reshape(-1))
        return shape if len(shape) == 3 and max(shape) < int(np.prod(shape)) else (int(np.prod(shape)),)
    if _kind(layer).startswith("dense"):
        return (int(np.asarray(layer["weight"]).reshape(_rows(layer), -1).shape[1]),)
    raise error(
        "AKC0384",
        "the file starts with a convolution and has no input layer, so the input shape is unknown",
        help="export the network with its input block",
    )


def _rows(layer: Layer) -> int:
    return int(layer.get("outFeatures", np.prod(layer["shape"])))


def _append(chain: Chain, name: str, layer: Layer, options: SpikingOptions) -> None:
    """The layer, and its neuron where it has one."""
    try:
        APPENDERS[_kind(layer)](chain, name, layer)
        if _neuron_type(layer) == "SDNN":
            _sigma_delta(chain, name, layer)
        elif "neuron" in layer:
            _neuron(chain, name, layer)
    except KeyError as lacking:
        raise error("AKC0389", f"'{name}' ({_kind(layer)}) has no {lacking}", origin=(name,)) from None


def _append_input(chain: Chain, name: str, layer: Layer) -> None:
    """Numbers times a weight; a sigma-delta input without a weight takes them as they are."""
    if "neuron" in layer and ("weight" in layer or _neuron_type(layer) != "SDNN"):
        chain.scale(name, float(np.asarray(layer.get("weight", 64)).reshape(-1)[0]))


def _append_dense(chain: Chain, name: str, layer: Layer) -> None:
    weight = np.asarray(layer["weight"], np.float32).reshape(_rows(layer), -1)
    chain.dense(name, weight / 64 if _neuron_type(layer) == "SDNN" else weight, _value_bias(layer))


def _append_conv(chain: Chain, name: str, layer: Layer) -> None:
    weight = np.asarray(layer["weight"], np.float32)
    _conv(chain, name, layer, weight.reshape(weight.shape[:4]), int(layer.get("groups", 1)))


def _append_pool(chain: Chain, name: str, layer: Layer) -> None:
    """One kernel for every channel by itself."""
    channels = chain.shape[1]
    kernel = np.asarray(layer["weight"], np.float32).reshape(1, 1, *pair(layer["kernelSize"]))
    _conv(chain, name, layer, np.repeat(kernel, channels, axis=0), channels)


def _conv(chain: Chain, name: str, layer: Layer, weight: Any, groups: int) -> None:
    stride, padding, dilation = (layer.get(key, n) for key, n in (("stride", 1), ("padding", 0), ("dilation", 1)))
    scale = 64 if _neuron_type(layer) == "SDNN" else 1
    chain.conv(name, weight / scale, _value_bias(layer), stride, padding, dilation, groups)


def _append_average(chain: Chain, name: str, layer: Layer) -> None:
    """Means over equal groups of neighbours."""
    values, groups = int(np.prod(chain.shape[1:])), int(np.prod(layer["shape"]))
    if values % groups:
        raise error("AKC0384", f"'{name}' averages {values} values into {groups} groups", origin=(name,))
    chain.dense(name, np.repeat(np.eye(groups, dtype=np.float32), values // groups, axis=1) * groups / values)


APPENDERS: dict[str, Callable[[Chain, str, Layer], None]] = {
    "input": _append_input,
    "flatten": lambda chain, name, layer: chain.flatten(name),
    "dense": _append_dense,
    "dense_rec": _append_dense,
    "conv": _append_conv,
    "pool": _append_pool,
    "average": _append_average,
}


def _numbers(layer: Layer) -> dict[str, Any]:
    """The neuron's parameters, one number each."""
    return {key: np.asarray(value).reshape(-1)[0] for key, value in layer.get("neuron", {}).items()}


def _value_bias(layer: Layer) -> Any:
    """The bias of a layer's values; that of a spiking neuron is a current, and belongs to the neuron."""
    return layer.get("bias") if _neuron_type(layer) == "SDNN" else None


def _sigma_delta(chain: Chain, name: str, layer: Layer) -> None:
    if _kind(layer) != "input" and not layer["neuron"].get("sigma_output", False):
        chain.add("relu", f"{name}.relu", chain.shape)


def _neuron(chain: Chain, name: str, layer: Layer) -> None:
    """Loihi's neuron; a bias is added to the potential 64 times at each step."""
    n = _numbers(layer)
    bias = np.asarray(layer.get("bias", 0.0), np.float32)
    bias = bias.reshape(-1)[0] if _kind(layer) == "input" else bias.reshape(-1, *(1,) * (len(chain.shape) - 2))
    settings = {"current_decay": int(n["iDecay"]), "voltage_decay": int(n["vDecay"]), "threshold": int(n["vThMant"]),
                "refractory": max(1, int(n.get("refDelay", 1)))}  # fmt: skip
    feedback = None
    if "weight_rec" in layer:
        weight = np.asarray(layer["weight_rec"], np.float32).reshape(_rows(layer), -1)
        feedback = Node(kind="dense", inputs=(), outputs=(), constants={"weight": weight})
    parameters = {"bias": bias * np.float32(64) if bias.size > 1 else float(bias.reshape(-1)[0]) * 64}
    chain.neuron(
        f"{name}.neuron", NeuronSpec(kind=snn.Cuba, settings=settings, parameters=parameters, feedback=feedback)
    )


_BY_RATE = "by rate, fitted to the neuron's simulated staircase"

ROWS: dict[str, NeuronRow] = {
    row.name: row
    for row in (
        NeuronRow(name="input", verdict="approximate", how="the encoder's neuron runs by rate"),
        NeuronRow(name="dense", verdict="exact"),
        NeuronRow(name="conv", verdict="exact"),
        NeuronRow(name="flatten", verdict="exact"),
        NeuronRow(name="CUBA", verdict="approximate", how=_BY_RATE),
        NeuronRow(name="LOIHI", verdict="approximate", how=_BY_RATE),
        NeuronRow(name="pool", verdict="exact", how="as a convolution of each channel by itself"),
        NeuronRow(name="average", verdict="exact", how="as a dense layer of means"),
        NeuronRow(
            name="SDNN",
            verdict="approximate",
            how="as an ordinary layer with ReLU, without time; exact where its threshold (vThMant) is 0",
        ),
        NeuronRow(name="dense_rec", verdict="host", how="potentials on the chip, neuron and feedback on the host"),
        NeuronRow(name="concat", verdict="refused", refusal="branches"),
        NeuronRow(name="convT", verdict="refused", refusal="upsampling"),
        NeuronRow(name="unpool", verdict="refused", refusal="upsampling"),
        NeuronRow(name="ALIF", verdict="refused", refusal="adaptive-threshold"),
        *(
            NeuronRow(name=name, verdict="refused", refusal="complex")
            for name in ("RF", "RF_IZ", "RF_PHASE", "RF_IZHIKEVICH", "ADRF_PHASE", "ADRF_IZHIKEVICH")
        ),
    )
}
