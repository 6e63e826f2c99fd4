# SPDX-License-Identifier: Apache-2.0
"""Weight files of snnTorch networks: .pt and .safetensors state_dicts, with a topology.

Neurons are known by the keys that snnTorch 1.0.0 stores; the file does not hold reset_delay, T, the
order of the graph, strides and pools.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen

from akc.base.checked import Faults
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.base.files import read_bytes
from akc.frontends.graph.graph import Node
from akc.frontends.spiking.bindsnet import is_bindsnet_state, read_bindsnet, read_bindsnet_state
from akc.frontends.spiking.files.weights import check_group, plain_arrays
from akc.frontends.spiking.reader import Chain, NeuronSpec, SpikingOptions, finish_chain, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.snntorch import RESET_NAMES, diagonal
from akc.frontends.spiking.topology import LayerEntry, Topology, read_topology
from akc.frontends.torch.pickles import read_objects, weights_of
from akc.ir.module import Module
from akc.ir.ops import snn, snn_gated

Group = dict[str, Any]
"""The arrays of one module of the source, by the last part of their names."""


def read_statedict(path: str, options: SpikingOptions | None = None) -> Module:
    """The network of a .pt or .safetensors file of weights.

    Files of BindsNET (Network.save, or its state_dict) are told apart and read as such.
    options.topology: a chain such as 784-256-10 or a TOML file; without one, the file's own dense layers
    in order. options.steps and options.readout are needed; reset_delay is taken as snnTorch's default.
    Raises DiagnosticError AKC0379, AKC0380, AKC0382, AKC0384, AKC0385 and the refusals of layers.
    """
    options = options or SpikingOptions()
    root = _safetensors(path) if path.endswith(".safetensors") else read_objects(path, "bindsnet")
    held = weights_of(root)
    if held is None:
        return read_bindsnet(path, options, root)
    faults = Faults(Path(path).name)
    arrays = plain_arrays(held, faults)
    faults.stop()
    if is_bindsnet_state(arrays):
        return read_bindsnet_state(arrays, Path(path).name, options)
    groups = {name: check_group(name, group, faults) for name, group in grouped(arrays).items()}
    faults.stop()
    topology = read_topology(options.topology) if options.topology else Topology()
    _refuse(groups, bool(topology.layers))
    entries = list(topology.layers) or _infer(groups, topology, Path(path).name)
    _check_names(entries, groups, Path(path).name)
    chain = Chain.start(Path(path).stem, topology.input or (_first_inputs(groups),))
    for entry in entries:
        _append(chain, entry, groups, options)
    return finish_chain(chain, options, options.need_steps(Path(path).name, readout=True), options.coding or "direct")


def _safetensors(path: str) -> dict[str, Any]:
    """Arrays by name, in the natural order of the names."""
    try:
        from safetensors.numpy import load
    except ImportError:
        raise error("AKC0313", "reading .safetensors needs safetensors", help='pip install "akc[snn]"') from None
    try:
        found = load(read_bytes(path))
    except Exception as fault:
        raise error("AKC0389", f"{Path(path).name} is no .safetensors file: {fault}") from None
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Numbers in names count as numbers, so that fc10 comes behind fc2."""
    parts = (part for part in re.split(r"([0-9]{1,18})", name) if part)
    return [(1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part) for part in parts]


def grouped(arrays: dict[str, Any]) -> dict[str, Group]:
    """The arrays by module; recurrent, lstm_cell and rnn stay with the neuron that owns them."""
    neurons = {k.rpartition(".")[0] for k in arrays if k.rpartition(".")[2] in ("reset_mechanism_val", "tau")} - {""}
    groups: dict[str, Group] = {}
    for key, array in arrays.items():
        above = (key[:at] for at, letter in enumerate(key) if letter == ".")
        owner = next((path for path in above if path in neurons), None)
        if owner is None:
            owner = (
                key.removesuffix(".rnn.weight_ih_l0").rpartition(".")[0]
                if ".rnn." not in key
                else key.split(".rnn.")[0]
            )
        groups.setdefault(owner, {})[key[len(owner) + 1 :] if owner else key] = array
    return groups


# -- what a group is -----------------------------------------------------------------------------


def is_neuron(group: Group) -> bool:
    """Whether a group of arrays is a spiking neuron."""
    return kind_of(group) != ""


def kind_of(group: Group) -> str:
    """The class of a neuron, told by its keys; snn.Alpha has those of snn.Synaptic. "" for other groups."""
    recurrent = any(k.startswith("recurrent") or k == "V" for k in group)
    for kind, found in (
        ("SLSTM", "lstm_cell.weight_ih" in group),
        ("SConv2dLSTM", "conv.weight" in group and "reset_mechanism_val" in group),
        ("LeakyParallel", "rnn.weight_ih_l0" in group),
        ("LinearLeaky", "tau" in group and "linear.weight" in group),
        ("StateLeaky", "tau" in group),
        ("Lapicque", {"R", "C", "time_step"} <= set(group)),
        ("RSynaptic", recurrent and "alpha" in group),
        ("RLeaky", recurrent and "beta" in group),
        ("Synaptic", "alpha" in group and "beta" in group),
        ("Leaky", "reset_mechanism_val" in group),
    ):
        if found:
            return kind
    return ""


def _refuse(groups: dict[str, Group], described: bool) -> None:
    """Recurrent layers of torch, and layers with gates whose place no topology says; all of them at once."""
    faults: list[Diagnostic] = []
    for name, group in groups.items():
        kind = kind_of(group)
        if kind in ("SLSTM", "SConv2dLSTM") and not described:
            faults.append(REFUSALS["lstm"].diagnostic(name, kind))
        elif not kind and any("weight_hh" in k or "weight_ih" in k for k in group):
            faults.append(REFUSALS["lstm"].diagnostic(name, "LSTM, GRU or RNN"))
    if faults:
        raise DiagnosticError(faults)


WITH_LAYERS = ("LeakyParallel", "LinearLeaky")
"""Neurons that hold the dense layer in front of them."""


def _infer(groups: dict[str, Group], topology: Topology, file: str) -> list[LayerEntry]:
    """A chain of dense layers, each with the neuron of the same rank behind it."""
    layers = [n for n, g in groups.items() if not is_neuron(g) and getattr(g.get("weight"), "ndim", 0) >= 2]
    neurons = [n for n, g in groups.items() if is_neuron(g) and kind_of(g) not in WITH_LAYERS]
    spatial = [n for n in layers if groups[n]["weight"].ndim > 2]
    if spatial:
        raise error(
            "AKC0385",
            f"{file} has convolutions ({', '.join(spatial)}); strides, padding and pools are not in it",
            help="describe them in a TOML file: --topology net.toml",
        )
    whole = [n for n, g in groups.items() if kind_of(g) in WITH_LAYERS]
    if len(layers) != len(neurons) or (layers and whole):
        raise error(
            "AKC0385",
            f"{file} has {len(layers)} layers and {len(neurons)} neurons; which follows which is not clear",
            help="describe them in a TOML file: --topology net.toml",
        )
    sizes = tuple(groups[n]["weight"].shape[1] for n in layers) + tuple(
        groups[n]["weight"].shape[0] for n in layers[-1:]
    )
    if topology.sizes and topology.sizes != sizes:
        raise error(
            "AKC0384", f"{file} holds {'-'.join(map(str, sizes))}, the topology is {'-'.join(map(str, topology.sizes))}"
        )
    if not layers:
        return [LayerEntry(type="neuron", name=n) for n in groups if is_neuron(groups[n])]
    return [LayerEntry(type=t, name=n) for pair in zip(layers, neurons) for t, n in zip(("dense", "neuron"), pair)]


def _first_inputs(groups: dict[str, Group]) -> int:
    for group in groups.values():
        weight = group.get("weight", group.get("rnn.weight_ih_l0", group.get("linear.weight")))
        if weight is not None and weight.ndim == 2:
            return int(weight.shape[1])
    raise error(
        "AKC0385", "the file holds no dense layer", help="describe the network in a TOML file: --topology net.toml"
    )


def _check_names(entries: list[LayerEntry], groups: dict[str, Group], file: str) -> None:
    """Raise with every layer of the topology that the file does not hold; neurons may be described in full."""
    faults = []
    for entry in entries:
        neuron, held = entry.type == "neuron", entry.name in groups
        described = neuron and {"beta", "R"} & set(entry.options)
        if held or described or entry.type not in ("dense", "conv", "neuron"):
            continue
        names = [n for n, g in groups.items() if n and is_neuron(g) == neuron]
        what = "neuron" if neuron else "layer"
        faults.append(
            Diagnostic(
                code="AKC0384",
                message=f"the topology names the {what} '{entry.name}', which {file} does not hold",
                origin=(entry.name,),
                help=(
                    f"its {what}s are {', '.join(names) or 'none'}",
                    *(("a neuron that is not in the file is described in full: beta = 0.9",) if neuron else ()),
                ),
            )
        )
    if faults:
        raise DiagnosticError(faults)


# -- building ------------------------------------------------------------------------------------


def _append(chain: Chain, entry: LayerEntry, groups: dict[str, Group], options: SpikingOptions) -> None:
    given = entry.options
    if entry.type in ("dense", "conv"):
        group = _group(groups, entry)
        if entry.type == "dense":
            chain.dense(entry.name, group["weight"], group.get("bias"))
        else:
            chain.conv(entry.name, group["weight"], group.get("bias"), **given)
    elif entry.type in ("max_pool", "average_pool"):
        chain.pool(entry.name, entry.type, given.get("size", 2), given.get("stride"), given.get("padding", 0))
    elif entry.type == "flatten":
        chain.flatten(entry.name)
    else:
        _append_neuron(chain, entry, groups.get(entry.name, {}), options)


def _group(groups: dict[str, Group], entry: LayerEntry) -> Group:
    group = groups[entry.name]
    if "weight" not in group or group["weight"].ndim != {"dense": 2, "conv": 4}[entry.type]:
        found = list(group["weight"].shape) if "weight" in group else "no weights"
        raise error(
            "AKC0384",
            f"the topology says that '{entry.name}' is {entry.type}, the file holds {found}",
            origin=(entry.name,),
            help="weights of dense layers have two axes, of conv layers four",
        )
    return group


def _append_neuron(chain: Chain, entry: LayerEntry, group: Group, options: SpikingOptions) -> None:
    values = {**{k: np.asarray(v) for k, v in group.items()}, **entry.options}
    kind = _named_kind(entry, kind_of(group))
    front = {"LeakyParallel": "rnn.{}_ih_l0", "LinearLeaky": "linear.{}"}.get(kind)
    if front:
        chain.dense(f"{entry.name}.linear", group[front.format("weight")], group.get(front.format("bias")))
    if kind in GATED:
        _append_gated(chain, entry, values, GATED[kind])
    else:
        chain.neuron(entry.name, neuron_of({**values, "kind": kind}, entry.name, options))


def _named_kind(entry: LayerEntry, stored: str) -> str:
    """The class of a neuron: what the topology says, where the file does not contradict it."""
    wanted = str(entry.options.get("kind", stored or "Leaky"))
    alike = {stored, "Alpha" if stored == "Synaptic" else stored}
    if wanted not in NEURONS or (stored and wanted not in alike):
        what = f"the file holds {stored}" if stored else f"the neurons are {', '.join(NEURONS)}"
        raise error("AKC0384", f"the topology says that '{entry.name}' is {wanted}", origin=(entry.name,), help=what)
    return wanted


def _append_gated(chain: Chain, entry: LayerEntry, values: dict[str, Any], row: Gate) -> None:
    """A layer with LSTM gates; what it pools stands in the topology."""
    weights, settings, shapes = row(values, chain.shape)
    spec = NeuronSpec(
        kind=snn_gated.Lstm if "w_ih" in weights else snn_gated.ConvLstm,
        parameters={"threshold": values.get("threshold", 1.0)},
        settings={"reset": _stored_reset(values), **settings},
        factor=values.get("graded_spikes_factor", 1.0),
        weights={key: np.asarray(array, np.float32) for key, array in weights.items() if array is not None},
    )
    chain.neuron(entry.name, spec, shapes=shapes)


def _lstm(values: dict[str, Any], shape: tuple[int, ...]) -> Gates:
    weights = {
        f"{letter}_{end}": values.get(f"lstm_cell.{name}_{end}")
        for letter, name in (("w", "weight"), ("b", "bias"))
        for end in ("ih", "hh")
    }
    hidden = int(values["lstm_cell.weight_hh"].shape[1])
    return weights, {"forgets": values["lstm_cell.weight_ih"].shape[1] != hidden}, ((1, hidden),) * 2


def _conv_lstm(values: dict[str, Any], shape: tuple[int, ...]) -> Gates:
    filters = int(values["conv.weight"].shape[0]) // 4
    pool = "max" if values.get("max_pool") else "average" if values.get("avg_pool") else "none"
    size = pair(values.get("max_pool") or values.get("avg_pool") or 1)
    weights = {"weight": values["conv.weight"].transpose(0, 2, 3, 1), "bias": values.get("conv.bias")}
    maps = (1, filters, *shape[2:])
    return weights, {"pool": pool, "size": size}, ((1, filters, *(n // w for n, w in zip(shape[2:], size))), maps)


Gates = tuple[dict[str, Any], dict[str, Any], tuple[tuple[int, ...], tuple[int, ...]]]
"""Weights, settings, shapes of spikes and membrane of a layer with gates."""

Gate = Callable[[dict[str, Any], tuple[int, ...]], Gates]

GATED: dict[str, Gate] = {"SLSTM": _lstm, "SConv2dLSTM": _conv_lstm}


def neuron_of(values: dict[str, Any], name: str, options: SpikingOptions) -> NeuronSpec:
    """The neuron of a group of stored values and its "kind"; raises AKC0384 where beta is missing."""
    kind = str(values["kind"])
    row = NEURONS[kind]
    lacking = [key for key in row.stored if key not in values]
    if lacking:
        raise error(
            "AKC0384",
            f"the file holds no {' and no '.join(lacking)} for neuron '{name}'",
            origin=(name,),
            help=f"check the name, or give it in the topology: {lacking[0]} = 0.9",
        )
    parameters = {row.names.get(key, key): values[key] for key in row.stored}
    if kind == "LeakyParallel":
        parameters = {"beta": diagonal(values["rnn.weight_hh_l0"], name), "bias": values.get("rnn.bias_hh_l0", 0.0)}
    settings: dict[str, Any] = {"reset": options.reset or _stored_reset(values)} if row.resets else {}
    if row.delays:
        settings["reset_delay"] = bool(values.get("reset_delay", True))
        if "reset_delay" not in values:
            options.note(f"'{name}': reset_delay is not in the file; snnTorch's default (true) is taken", name)
    if kind == "Synaptic":
        options.note(
            f"'{name}' has alpha and beta: it is read as snn.Synaptic; snn.Alpha has the same keys"
            ' (kind = "Alpha" in the topology)',
            name,
        )
    factor = values.get("graded_spikes_factor", 1.0)
    return NeuronSpec(
        kind=row.kind,
        parameters={**parameters, "threshold": values.get("threshold", 1.0)},
        settings=settings,
        factor=factor**2 if kind in ("StateLeaky", "LinearLeaky") else factor,
        feedback=_feedback(values) if kind.startswith("R") else None,
    )


@frozen(kw_only=True)
class Stored:
    """A class of neuron in a weights file: what it becomes, its keys, and whether it resets, with a delay."""

    kind: type[snn.Neuron]
    stored: tuple[str, ...] = ()
    names: dict[str, str] = field(factory=dict)
    resets: bool = True
    delays: bool = False


NEURONS: dict[str, Stored] = {
    "Leaky": Stored(kind=snn.Leaky, stored=("beta",), delays=True),
    "Lapicque": Stored(
        kind=snn.Lapicque,
        stored=("R", "C", "time_step"),
        names={"R": "resistance", "C": "capacitance"},
    ),
    "Synaptic": Stored(kind=snn.Synaptic, stored=("alpha", "beta"), delays=True),
    "Alpha": Stored(kind=snn.Alpha, stored=("alpha", "beta")),
    "RLeaky": Stored(kind=snn.RLeaky, stored=("beta",), delays=True),
    "RSynaptic": Stored(kind=snn.Synaptic, stored=("alpha", "beta"), delays=True),
    "LeakyParallel": Stored(kind=snn.LeakyParallel, resets=False),
    "StateLeaky": Stored(kind=snn.StateLeaky, stored=("tau",), resets=False),
    "LinearLeaky": Stored(kind=snn.StateLeaky, stored=("tau",), resets=False),
    "SLSTM": Stored(kind=snn_gated.Lstm),
    "SConv2dLSTM": Stored(kind=snn_gated.ConvLstm),
}


def _stored_reset(values: dict[str, Any]) -> str:
    if "reset" in values:
        return str(values["reset"])
    return RESET_NAMES[int(np.asarray(values.get("reset_mechanism_val", 0)))]


def _feedback(values: dict[str, Any]) -> Node | None:
    """The recurrent layer of RLeaky: a matrix, a kernel, or one factor each."""
    if "V" in values or "recurrent.V" in values:
        scale = np.asarray(values.get("V", values.get("recurrent.V")), np.float32)
        return Node(kind="affine", inputs=(), outputs=(), constants={"scale": scale, "shift": np.zeros((), np.float32)})
    weight = values.get("recurrent.weight")
    if weight is None:
        return None
    constants = {"weight": weight} | ({"bias": values["recurrent.bias"]} if "recurrent.bias" in values else {})
    if weight.ndim == 2:
        return Node(kind="dense", inputs=(), outputs=(), constants=constants)
    pad = (weight.shape[2] // 2, weight.shape[3] // 2)
    attributes = {"stride": (1, 1), "before": pad, "after": pad, "dilation": (1, 1), "groups": 1}
    return Node(kind="conv", inputs=(), outputs=(), attributes=attributes, constants=constants)
