# SPDX-License-Identifier: Apache-2.0
"""lava-dl network files (.net, HDF5): integer weights, Loihi's CUBA neurons or sigma-delta layers.

The layout is that of lava-dl 0.6.0 (lava/lib/dl/netx/hdf5.py, lava/lib/dl/slayer/block/base.py), the neurons
those of lava-nc 0.10.0 (lava/proc/lif/models.py, lava/proc/sdn/models.py, the fixed-point models). Only h5py
is needed.

Sigma-delta layers send what changed of relu(weights * inputs / 64 + bias): once nothing changes any more, they
are an ordinary network with ReLU, and are read as one, without time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from akc.base.budget import promise
from akc.base.checked import Array, Faults
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.graph.building import build_module
from akc.frontends.graph.emit.kinds import KINDS, emit_opaque
from akc.frontends.graph.graph import Node
from akc.frontends.spiking.files.lava import Layer, Neuron, check, load
from akc.frontends.spiking.reader import Chain, NeuronSpec, SpikingOptions, finish_chain, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow
from akc.ir.module import Module
from akc.ir.ops import snn


def read_lava(path: str, options: SpikingOptions | None = None) -> Module:
    """The network of a .net file.

    options.steps (or the file's simulation/tSample) and options.readout are needed, unless the layers are
    sigma-delta: their values have no time axis. An input layer of its own (scalar weight and bias, and a
    neuron) takes numbers that are the same at every step; files without one take spikes. Raises
    DiagnosticError AKC0313, AKC0371, AKC0372, AKC0375, AKC0379, AKC0380, AKC0384, AKC0386, AKC0389, AKC0394,
    AKC0955 to AKC0957, AKC0959.
    """
    options = options or SpikingOptions()
    file = load(path)
    layers = file.layers
    refusals = [fault for index, layer in enumerate(layers) for fault in _refused(index, layer)]
    if refusals:
        raise DiagnosticError(refusals)
    faults = Faults(Path(path).name)
    for index, layer in enumerate(layers):
        check(index, layer, faults)
    faults.stop()
    first = layers[0].type == "input"
    chain = Chain.start(Path(path).stem, _input_shape(layers[0], first))
    for index, layer in enumerate(layers):
        _append(chain, f"layer{index}", layer)
    if any(layer.model == "SDNN" for layer in layers):
        _note_thresholds(layers, options)
        return build_module(chain.finish(), KINDS, emit_opaque)
    if not chain.last[0].endswith(":spikes"):
        chain.neuron(
            "output", NeuronSpec(kind=snn.Leaky, parameters={"beta": 1.0}, settings={"reset": "none"}), membrane=True
        )
        options.note("the last layer has no neuron: its potentials are summed over time", f"layer{len(layers) - 1}")
    coding = options.coding or ("direct" if layers[0].neuron is not None and first else "spikes")
    return finish_chain(chain, options, _steps(path, file.steps, options), coding)


def _steps(path: str, stored: int | None, options: SpikingOptions) -> int:
    """T from the user, or the length of a sample that the file says."""
    if options.steps is None and stored is not None:
        options.note(f"{Path(path).name} says {stored} steps (simulation/tSample); --steps says otherwise")
        return stored
    return options.need_steps(Path(path).name, readout=True)


def _note_thresholds(layers: Sequence[Layer], options: SpikingOptions) -> None:
    """Say that changes smaller than a threshold, which lava keeps back, are not kept back here."""
    least = {
        f"layer{index}": layer.neuron.vThMant
        for index, layer in enumerate(layers)
        if layer.neuron is not None and layer.neuron.vThMant and not layer.neuron.sigma_output
    }
    if least:
        sizes = ", ".join(f"{size} ({name})" for name, size in least.items())
        options.note(f"lava sends no change smaller than {sizes}; akc takes all values as they are", *least)


def _refused(index: int, layer: Layer) -> list[Diagnostic]:
    """Why a layer cannot be read, by rows of the table of refusals."""
    name, kind, neuron = f"layer{index}", layer.type, layer.neuron
    row = ROWS.get(kind)
    if row is None or row.refusal or kind not in APPENDERS:
        return [REFUSALS[row.refusal if row and row.refusal else "no-such-layer"].diagnostic(name, kind)]
    found = []
    if layer.delay is not None and np.any(layer.delay):
        found.append(REFUSALS["axonal-delay"].diagnostic(name, kind))
    if layer.complex:
        found.append(REFUSALS["complex"].diagnostic(name, kind))
    if neuron is None:
        return found
    if neuron.gradedSpike or neuron.messageBits:
        found.append(REFUSALS["graded-spikes"].diagnostic(name, f"{neuron.type} neurons"))
    if neuron.type == "SDNN" and neuron.activation != "relu":
        found.append(REFUSALS["neuron-model"].diagnostic(name, "SDNN without relu"))
    if neuron.type not in NEURONS:
        model = ROWS.get(neuron.type)
        reason = model.refusal if model is not None and model.refusal else "neuron-model"
        found.append(REFUSALS[reason].diagnostic(name, f"{neuron.type or 'unnamed'} neurons"))
    return found


def _input_shape(layer: Layer, encoder: bool) -> tuple[int, ...]:
    """Channels, d0, d1, or one number; flat networks may write it as [1, 1, n] or [n, 1, 1]."""
    if encoder:
        shape = layer.shape
        return shape if len(shape) == 3 and max(shape) < int(np.prod(shape)) else (int(np.prod(shape)),)
    if layer.weight is not None and layer.type.startswith("dense"):
        return (int(layer.weight.size // layer.rows),)
    raise error(
        "AKC0384",
        "the file starts with a convolution and has no input layer, so the input shape is unknown",
        help="export the network with its input block",
    )


def _append(chain: Chain, name: str, layer: Layer) -> None:
    """The layer, and its neuron where it has one."""
    APPENDERS[layer.type](chain, name, layer)
    if layer.model == "SDNN":
        _sigma_delta(chain, name, layer)
    elif layer.neuron is not None:
        _neuron(chain, name, layer, layer.neuron)


def _append_input(chain: Chain, name: str, layer: Layer) -> None:
    """Numbers times a weight; a sigma-delta input without a weight takes them as they are."""
    if layer.neuron is not None and (layer.weight is not None or layer.model != "SDNN"):
        chain.scale(name, 64.0 if layer.weight is None else float(layer.weight.reshape(-1)[0]))


def _append_dense(chain: Chain, name: str, layer: Layer) -> None:
    weight = _weight(layer).reshape(layer.rows, -1)
    chain.dense(name, weight / 64 if layer.model == "SDNN" else weight, _value_bias(layer, layer.rows))


def _append_conv(chain: Chain, name: str, layer: Layer) -> None:
    weight = _weight(layer)
    _conv(chain, name, layer, weight.reshape(weight.shape[:4]), layer.groups)


def _append_pool(chain: Chain, name: str, layer: Layer) -> None:
    """One kernel for every channel by itself."""
    channels = chain.shape[1]
    kernel = _weight(layer).reshape(1, 1, *pair(layer.kernelSize))
    promise(4 * channels * kernel.size, f"the kernels of {name}")
    _conv(chain, name, layer, np.repeat(kernel, channels, axis=0), channels)


def _conv(chain: Chain, name: str, layer: Layer, weight: Any, groups: int) -> None:
    scale = 64 if layer.model == "SDNN" else 1
    bias = _value_bias(layer, weight.shape[0])
    chain.conv(name, weight / scale, bias, layer.stride, layer.padding, layer.dilation, groups)


def _append_average(chain: Chain, name: str, layer: Layer) -> None:
    """Means over equal groups of neighbours."""
    values, groups = int(np.prod(chain.shape[1:])), int(np.prod(layer.shape))
    if values % groups:
        raise error("AKC0384", f"'{name}' averages {values} values into {groups} groups", origin=(name,))
    promise(12 * groups * values, f"the means of {name}")
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

NEURONS = ("CUBA", "LOIHI", "SDNN")


def _weight(layer: Layer) -> Array:
    """The weights of a kind of layer that has them."""
    assert layer.weight is not None
    return layer.weight


def _value_bias(layer: Layer, units: int) -> Array | None:
    """The bias of a layer's values; that of a spiking neuron is a current, and belongs to the neuron."""
    if layer.model != "SDNN" or layer.bias is None:
        return None
    return np.broadcast_to(layer.bias.reshape(-1), (units,))


def _sigma_delta(chain: Chain, name: str, layer: Layer) -> None:
    if layer.type != "input" and layer.neuron is not None and not layer.neuron.sigma_output:
        chain.add("relu", f"{name}.relu", chain.shape)


def _neuron(chain: Chain, name: str, layer: Layer, neuron: Neuron) -> None:
    """Loihi's neuron; a bias is added to the potential 64 times at each step."""
    bias = np.zeros(1, np.float32) if layer.bias is None else layer.bias
    bias = bias.reshape(-1)[:1] if layer.type == "input" else bias.reshape(-1, *(1,) * (len(chain.shape) - 2))
    settings = {"current_decay": neuron.iDecay, "voltage_decay": neuron.vDecay, "threshold": neuron.vThMant,
                "refractory": max(1, neuron.refDelay)}  # fmt: skip
    feedback = None
    if layer.weight_rec is not None and layer.type == "dense_rec":
        constants = {"weight": layer.weight_rec.reshape(layer.rows, -1)}
        feedback = Node(kind="dense", inputs=(), outputs=(), constants=constants)
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
