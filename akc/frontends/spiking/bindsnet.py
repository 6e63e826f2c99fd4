# SPDX-License-Identifier: Apache-2.0
"""BindsNET networks, as Network.save writes them or as state_dicts, read without BindsNET.

The equations are those of BindsNET 0.3.4 (bindsnet/network/nodes.py). Learning is off: learned weights
and thresholds (theta) are kept as they are. Within a step, layers follow each other; BindsNET's
run(one_step=False) lets each layer see the one in front a step later, which only delays the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from akc.base.checked import Faults, Real, shown, taken
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.spiking.bindsnet_connections import Connection, append, from_state, is_read, refused
from akc.frontends.spiking.files.bindsnet import Nodes, Synapses, ends_of, features, plain, read
from akc.frontends.spiking.reader import Chain, NeuronSpec, SpikingOptions, finish_chain
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow
from akc.frontends.torch.pickles import Bag, read_objects
from akc.ir.module import Module
from akc.ir.ops import snn

Array = np.ndarray[Any, np.dtype[Any]]


@frozen(kw_only=True)
class Layer:
    """A population: its class, its shape, its parameters and buffers as arrays, its settings."""

    kind: str
    shape: tuple[int, ...]
    values: dict[str, Any]


def read_bindsnet(path: str, options: SpikingOptions | None = None, root: Any = None) -> Module:
    """The network of a file written by BindsNET's Network.save; root: what is in it, if it was opened already.

    options.steps is the time of the run in steps of the network's dt; options.readout is needed (count is
    usual). options.accept may name "one-spike" (drop the one spike a step of DiehlAndCookNodes), "lateral"
    (drop inhibition inside a layer) and "rate-pooling" (pools take the largest value). Raises
    DiagnosticError AKC0371 to AKC0384, AKC0386, AKC0394, AKC0955, AKC0956.
    """
    options = options or SpikingOptions()
    root = read_objects(path, "bindsnet") if root is None else root
    layers, connections = getattr(root, "layers", None), getattr(root, "connections", None)
    if not isinstance(root, Bag) or not isinstance(layers, dict) or not isinstance(connections, dict):
        raise error(
            "AKC0382",
            f"{Path(path).name} holds a whole object that is no BindsNET network; akc does not run what is in it",
            help="save the weights: torch.save(model.state_dict(), path)",
        )
    faults = Faults(Path(path).name)
    populations = {str(name): _layer(str(name), bag, faults) for name, bag in layers.items()}
    found = [_connection(pair, bag, index, faults) for index, (pair, bag) in enumerate(connections.items())]
    dt = taken(Real(0, 1e6, above=True), plain(root).get("dt", 1.0), "dt", faults)
    return _built(populations, found, dt, Path(path).stem, options, faults)


def read_bindsnet_state(arrays: dict[str, Array], file: str, options: SpikingOptions) -> Module:
    """The network of a BindsNET state_dict (keys such as X_to_Y.w and Y.thresh); classes are told by the keys."""
    faults = Faults(file)
    parts: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        owner, _, name = key.partition(".")
        if name and "." not in name:
            parts.setdefault(owner, {})[name] = array
    layers = {}
    for owner, held in parts.items():
        if "_to_" not in owner:
            kind = _kind_of(held)
            values = read(Nodes, kind, held, owner, faults)
            layers[owner] = Layer(kind=kind, shape=values["s"].shape[1:] if "s" in values else (), values=values)
    shapes = {name: layer.shape for name, layer in layers.items()}
    connections: list[Connection | None] = []
    for owner in sorted(parts):
        if "_to_" in owner:
            source, _, target = owner.partition("_to_")
            values = read(Synapses, "", parts[owner], owner, faults)
            if "w" not in values and "value" not in values:
                faults.add(f"{owner}/w", "missing", "the weights of a connection")
            else:
                connections.append(from_state(source, target, values, shapes))
    for o in sorted(layers):
        if layers[o].kind != "Input":
            options.note(f"'{o}' is read as {layers[o].kind}: a state_dict does not hold the class", o)
    return _built(layers, connections, options.dt or 1.0, Path(file).stem, options, faults)


def _built(
    layers: dict[str, Layer],
    connections: Sequence[Connection | None],
    dt: float,
    name: str,
    options: SpikingOptions,
    faults: Faults,
) -> Module:
    """The module, once nothing in the file is wrong by itself."""
    for c in connections:
        for end in () if c is None else (c.source, c.target):
            if end not in layers:
                faults.add(f"connection {c.name if c else ''}", repr(end), "a name of a population of the file")
    faults.stop()
    return build(layers, [c for c in connections if c is not None], dt, name, options)


def is_bindsnet_state(arrays: dict[str, Array]) -> bool:
    """Whether names are those of a BindsNET state_dict."""
    return any("_to_" in key and key.endswith((".w", ".value")) for key in arrays)


def _kind_of(values: dict[str, Any]) -> str:
    marks = (("theta", "AdaptiveLIFNodes"), ("tc_i_decay", "CurrentLIFNodes"), ("rest", "LIFNodes"),
             ("tc_decay", "BoostedLIFNodes"), ("refrac", "IFNodes"), ("thresh", "McCullochPitts"))  # fmt: skip
    return next((kind for key, kind in marks if key in values), "Input")


def _layer(name: str, bag: Any, faults: Faults) -> Layer:
    path = f"layers/{name}"
    if not isinstance(bag, Bag):
        faults.add(path, shown(bag), "a population of BindsNET")
        return Layer(kind="", shape=(), values={})
    row = ROWS.get(bag.kind)
    if row is not None and row.refusal:
        return Layer(kind=bag.kind, shape=(), values={})
    values = read(Nodes, bag.kind, bag, path, faults)
    shape = values.get("shape") or ((values["n"],) if "n" in values else ())
    return Layer(kind=bag.kind, shape=shape, values=values)


def _connection(pair: Any, bag: Any, index: int, faults: Faults) -> Connection | None:
    path = f"connections/{index}"
    ends = ends_of(pair, path, faults)
    if ends is None or not isinstance(bag, Bag):
        faults.add(path, "no connection of BindsNET", "two names and an object")
        return None
    path = f"connections/{'_to_'.join(ends)}"
    if not is_read(bag.kind):  # refused by name later
        return Connection(kind=bag.kind, source=ends[0], target=ends[1], values={})
    values = read(Synapses, bag.kind, bag, path, faults)
    pipeline = features(plain(bag).get("pipeline"), f"{path}/pipeline", faults)
    return Connection(kind=bag.kind, source=ends[0], target=ends[1], values={**values, "pipeline": pipeline})


# -- checking and building -----------------------------------------------------------------------


def build(
    layers: dict[str, Layer], connections: list[Connection], dt: float, name: str, options: SpikingOptions
) -> Module:
    """The module of populations and connections that form a chain."""
    order, chained = _chain_of(layers, connections, options)
    _refuse(layers, order, chained, options)
    chain = Chain.start(name, _input_shape(layers[order[0]], chained[0]), order[0])
    for connection in chained:
        append(chain, connection)
        layer = layers[connection.target]
        _take_shape(chain, layer, connection)
        chain.neuron(connection.target, _neuron(layer, connection.target, dt))
    return finish_chain(chain, options, options.need_steps(name, readout=True), options.coding or "spikes")


def _chain_of(
    layers: dict[str, Layer], connections: list[Connection], options: SpikingOptions
) -> tuple[list[str], list[Connection]]:
    """Populations and connections from the input on; lateral and backward connections are refused or dropped."""
    sources = [n for n, layer in layers.items() if layer.kind == "Input"]
    if len(sources) != 1:
        raise error(
            "AKC0394", f"the network has {len(sources)} Input layers ({', '.join(sources)})", help="akc reads one input"
        )
    order, chained, left = [sources[0]], [], list(connections)
    while True:
        ahead = [c for c in left if c.source == order[-1] and c.target not in order]
        if not ahead:
            break
        if len(ahead) > 1:
            names = ", ".join(c.name for c in ahead)
            raise error("AKC0394", f"'{order[-1]}' feeds several layers ({names})", help="akc reads chains of layers")
        chained.append(ahead[0])
        order.append(ahead[0].target)
        left.remove(ahead[0])
    if "lateral" not in options.accept:
        faults = [REFUSALS["lateral"].diagnostic(c.name, c.kind) for c in left]
        if faults:
            raise DiagnosticError(faults)
    for c in left:
        options.note(f"connection '{c.name}' is dropped: it runs inside a layer or back", c.name)
    if "lateral" in options.accept and left:
        targets = {c.target for c in left} & set(order)
        order = order[: max(order.index(t) for t in targets) + 1] if targets else order
        order, chained = _without_inhibitors(order, chained, left)
    if not chained:
        raise error("AKC0394", "nothing is connected to the input")
    return order, chained


def _without_inhibitors(
    order: list[str], chained: list[Connection], dropped: list[Connection]
) -> tuple[list[str], list[Connection]]:
    """Populations that only feed dropped connections (the inhibitory one of DiehlAndCook2015) go too."""
    while len(chained) > 1 and any(c.source == order[-1] for c in dropped):
        order, chained = order[:-1], chained[:-1]
    return order, chained[: len(order) - 1]


def _refuse(layers: dict[str, Layer], order: list[str], chained: list[Connection], options: SpikingOptions) -> None:
    faults: list[Diagnostic] = []
    for name in order[1:]:
        row = ROWS.get(layers[name].kind)
        if row is None or row.refusal:
            faults.append(REFUSALS[row.refusal if row else "no-such-layer"].diagnostic(name, layers[name].kind))
        elif layers[name].values.get("one_spike") and "one-spike" not in options.accept:
            faults.append(REFUSALS["one-spike"].diagnostic(name, layers[name].kind))
    faults += [fault for c in chained for fault in refused(c, options.accept)]
    if faults:
        raise DiagnosticError(faults)
    for c in chained:
        if c.kind == "MaxPool2dConnection":
            options.note(
                f"connection '{c.name}' takes the largest of each window, not the one with the largest rate", c.name
            )


def _input_shape(layer: Layer, first: Connection) -> tuple[int, ...]:
    if layer.shape:
        return layer.shape
    if "w" not in first.values:
        raise error("AKC0384", f"the shape of the input of '{first.name}' is not in the file", origin=(first.name,))
    return (int(first.values["w"].shape[0]),)


def _take_shape(chain: Chain, layer: Layer, c: Connection) -> None:
    """The values of a connection in the shape of its target."""
    if layer.shape and int(np.prod(layer.shape)) != int(np.prod(chain.shape)):
        raise error(
            "AKC0384", f"'{c.target}' has the shape {list(layer.shape)}, '{c.name}' gives {list(chain.shape[1:])}"
        )
    if layer.shape and layer.shape != chain.shape[1:]:
        chain.add("reshape", f"{c.target}.shape", (1, *layer.shape))


def _neuron(layer: Layer, name: str, dt: float) -> NeuronSpec:
    row = ROWS[layer.kind]
    assert row.read is not None
    return row.read({**layer.values, "dt": dt}, SpikingOptions(), name)


def _number(values: dict[str, Any], key: str, default: Any = 0.0) -> Any:
    value = values.get(key)
    return default if value is None else np.asarray(value, np.float32)


def _decay(values: dict[str, Any], key: str) -> Any:
    """exp(-dt / time constant) in float32, as compute_decays gives it."""
    return np.exp(-np.float32(values["dt"]) / np.asarray(values[key], np.float32), dtype=np.float32)


def _nodes(kind: type[snn.Neuron], *decays: str, boosted: bool = False, adaptive: bool = False) -> Any:
    """A reader of the buffers of refractory nodes."""

    def read(values: dict[str, Any], options: SpikingOptions, name: str) -> NeuronSpec:
        thresh = _number(values, "thresh") + (_number(values, "theta") if adaptive else np.float32(0))
        parameters = {"thresh": thresh, "reset": 0.0 if boosted else _number(values, "reset")}
        if "tc_decay" in decays:
            parameters |= {"rest": 0.0 if boosted else _number(values, "rest"), "decay": _decay(values, "tc_decay")}
        if "tc_i_decay" in decays:
            parameters["i_decay"] = _decay(values, "tc_i_decay")
        bound = values.get("lbound")
        settings = {"refrac": float(values.get("refrac", 0.0)), "dt": float(values["dt"])}
        if bound is not None:
            settings["lower_bound"] = float(bound)
        return NeuronSpec(kind=kind, parameters=parameters, settings=settings)

    return read


def _mcculloch_pitts(values: dict[str, Any], options: SpikingOptions, name: str) -> NeuronSpec:
    return NeuronSpec(kind=snn.McCullochPitts, parameters={"thresh": _number(values, "thresh", 1.0)})


_BY_RATE = "by rate, fitted to the neuron's simulated staircase"

ROWS: dict[str, NeuronRow] = {
    row.name: row
    for row in (
        NeuronRow(name="McCullochPitts", verdict="exact", how="step by step: it keeps nothing", read=_mcculloch_pitts),
        NeuronRow(name="IFNodes", verdict="approximate", how=_BY_RATE, read=_nodes(snn.IfNodes)),
        NeuronRow(name="LIFNodes", verdict="approximate", how=_BY_RATE, read=_nodes(snn.LifNodes, "tc_decay")),
        NeuronRow(name="BoostedLIFNodes", verdict="approximate", how=_BY_RATE,
                  read=_nodes(snn.LifNodes, "tc_decay", boosted=True)),
        NeuronRow(name="CurrentLIFNodes", verdict="approximate", how=f"{_BY_RATE}; the synaptic current is lost",
                  read=_nodes(snn.CurrentLifNodes, "tc_decay", "tc_i_decay")),
        NeuronRow(name="AdaptiveLIFNodes", verdict="approximate", how=f"{_BY_RATE}; the learned theta is kept",
                  read=_nodes(snn.LifNodes, "tc_decay", adaptive=True)),
        NeuronRow(name="DiehlAndCookNodes", verdict="approximate",
                  how=f"{_BY_RATE}; the learned theta is kept, one_spike dropped",
                  read=_nodes(snn.LifNodes, "tc_decay", adaptive=True)),
        NeuronRow(name="IzhikevichNodes", verdict="refused", refusal="neuron-model"),
        NeuronRow(name="CSRMNodes", verdict="refused", refusal="kernel-memory"),
        NeuronRow(name="SRM0Nodes", verdict="refused", refusal="stochastic"),
    )
}  # fmt: skip
