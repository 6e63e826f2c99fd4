# SPDX-License-Identifier: Apache-2.0
"""lava-dl network files (.net, HDF5): integer weights and Loihi's CUBA neurons.

The layout is that of lava-dl 0.6.0 (lava/lib/dl/netx/hdf5.py), the neuron that of lava-nc 0.10.0
(lava/proc/lif/models.py, the fixed-point model). Only h5py is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from akc.diagnostics import Diagnostic, DiagnosticError, error
from akc.files import read_bytes
from akc.frontends.refusals import REFUSALS
from akc.frontends.spiking import Chain, NeuronSpec, SpikingOptions, finish_chain, pair
from akc.frontends.timeloop import NeuronRow
from akc.ir.module import Module
from akc.ir.ops import snn


def read_lava(path: str, options: SpikingOptions | None = None) -> Module:
    """The network of a .net file.

    options.steps and options.readout are needed. An input layer of its own (scalar weight and bias, and a
    neuron) takes numbers that are the same at every step; files without one take spikes. Raises
    DiagnosticError AKC0313, AKC0371, AKC0372, AKC0375, AKC0379, AKC0380, AKC0384, AKC0386, AKC0389.
    """
    options = options or SpikingOptions()
    layers = _load(path)
    faults = [fault for index, layer in enumerate(layers) for fault in _faults(index, layer)]
    if faults:
        raise DiagnosticError(faults)
    encoder = _kind(layers[0]) == "input"
    chain = Chain.start(Path(path).stem, _input_shape(layers[0], encoder))
    for index, layer in enumerate(layers):
        _append(chain, f"layer{index}", layer, options)
    if not chain.last[0].endswith(":spikes"):
        chain.neuron(
            "output", NeuronSpec(kind=snn.Leaky, parameters={"beta": 1.0}, settings={"reset": "none"}), membrane=True
        )
        options.note("the last layer has no neuron: its potentials are summed over time", f"layer{len(layers) - 1}")
    coding = options.coding or ("direct" if encoder else "spikes")
    return finish_chain(chain, options, options.need_steps(Path(path).name), coding)


Layer = dict[str, Any]


def _load(path: str) -> list[Layer]:
    """The layers in order, groups as dicts, scalars as numbers."""
    try:
        import h5py
    except ImportError:
        raise error("AKC0313", "reading .net files needs h5py", help='pip install "akc[snn]"') from None
    read_bytes(path)
    try:
        with h5py.File(path, "r") as file:
            groups = file["layer"]
            return [_read(groups[key]) for key in sorted(groups, key=int)]
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
    if "weight_rec" in layer:
        found.append(REFUSALS["recurrent"].diagnostic(name, f"recurrent {kind}"))
    if isinstance(layer.get("weight"), dict):
        found.append(REFUSALS["complex"].diagnostic(name, kind))
    if neuron and (neuron not in ROWS or ROWS[neuron].refusal):
        reason = ROWS[neuron].refusal if neuron in ROWS else "complex" if "RF" in neuron else "neuron-model"
        found.append(REFUSALS[reason].diagnostic(name, f"{neuron} neurons"))
    return found


def _input_shape(layer: Layer, encoder: bool) -> tuple[int, ...]:
    """Channels, d0, d1, or one number; flat networks may write it as [1, 1, n] or [n, 1, 1]."""
    if encoder:
        shape = tuple(int(n) for n in np.asarray(layer["shape"]).reshape(-1))
        return shape if len(shape) == 3 and max(shape) < int(np.prod(shape)) else (int(np.prod(shape)),)
    if _kind(layer) == "dense":
        return (int(np.asarray(layer["weight"]).reshape(_rows(layer), -1).shape[1]),)
    raise error(
        "AKC0384",
        "the file starts with a convolution and has no input layer, so the input shape is unknown",
        help="export the network with its input block",
    )


def _rows(layer: Layer) -> int:
    return int(layer.get("outFeatures", np.prod(layer["shape"])))


def _append(chain: Chain, name: str, layer: Layer, options: SpikingOptions) -> None:
    kind = _kind(layer)
    bias = layer.get("bias")
    if kind == "input":
        chain.scale(name, float(np.asarray(layer.get("weight", 64)).reshape(-1)[0]))
        _neuron(chain, name, layer, 0.0 if bias is None else np.asarray(bias, np.float32).reshape(-1)[0])
    elif kind == "flatten":
        chain.flatten(name)
    elif kind == "dense":
        chain.dense(name, np.asarray(layer["weight"], np.float32).reshape(_rows(layer), -1))
        _neuron(chain, name, layer, 0.0 if bias is None else np.asarray(bias, np.float32))
    else:
        weight = np.asarray(layer["weight"], np.float32)
        chain.conv(
            name,
            weight.reshape(weight.shape[:4]),
            None,
            pair(layer.get("stride", 1)),
            pair(layer.get("padding", 0)),
            pair(layer.get("dilation", 1)),
            int(layer.get("groups", 1)),
        )
        _neuron(chain, name, layer, 0.0 if bias is None else np.asarray(bias, np.float32).reshape(-1, 1, 1))


def _neuron(chain: Chain, name: str, layer: Layer, bias: Any) -> None:
    """Loihi's neuron; a bias is added to the potential 64 times at each step."""
    if "neuron" not in layer:
        return
    n = {key: np.asarray(value).reshape(-1)[0] for key, value in layer["neuron"].items()}
    settings = {"current_decay": int(n["iDecay"]), "voltage_decay": int(n["vDecay"]), "threshold": int(n["vThMant"]),
                "refractory": max(1, int(n.get("refDelay", 1)))}  # fmt: skip
    chain.neuron(
        f"{name}.neuron", NeuronSpec(kind=snn.Cuba, settings=settings, parameters={"bias": bias * np.float32(64)})
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
        NeuronRow(name="average", verdict="refused", refusal="no-such-layer"),
        NeuronRow(name="concat", verdict="refused", refusal="no-such-layer"),
        NeuronRow(name="pool", verdict="refused", refusal="no-such-layer"),
        NeuronRow(name="SDNN", verdict="refused", refusal="no-such-layer"),
        NeuronRow(name="RF", verdict="refused", refusal="complex"),
        NeuronRow(name="RF_IZ", verdict="refused", refusal="complex"),
    )
}
