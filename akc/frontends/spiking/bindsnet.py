# SPDX-License-Identifier: Apache-2.0
"""BindsNET networks, as Network.save writes them or as state_dicts, read without BindsNET.

The equations are those of BindsNET 0.3.4 (bindsnet/network/nodes.py). Learning is off: learned weights
and thresholds (theta) are kept as they are. Within a step, layers follow each other; BindsNET's
run(one_step=False) lets each layer see the one in front a step later, which only delays the answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.spiking.bindsnet_connections import Connection, append, from_state, refused
from akc.frontends.spiking.reader import Chain, NeuronSpec, SpikingOptions, finish_chain
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.snntorch import numbers
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


def read_bindsnet(path: str, options: SpikingOptions | None = None) -> Module:
    """The network of a file written by BindsNET's Network.save.

    options.steps is the time of the run in steps of the network's dt; options.readout is needed (count is
    usual). options.accept may name "one-spike" (drop the one spike a step of DiehlAndCookNodes), "lateral"
    (drop inhibition inside a layer) and "rate-pooling" (pools take the largest value). Raises
    DiagnosticError AKC0371 to AKC0384, AKC0386, AKC0394.
    """
    options = options or SpikingOptions()
    root = read_objects(path, "bindsnet")
    layers, connections = getattr(root, "layers", None), getattr(root, "connections", None)
    if not isinstance(root, Bag) or not isinstance(layers, dict) or not isinstance(connections, dict):
        raise error(
            "AKC0382",
            f"{Path(path).name} holds a whole object that is no BindsNET network; akc does not run what is in it",
            help="save the weights: torch.save(model.state_dict(), path)",
        )
    found = [_connection(pair, bag) for pair, bag in connections.items()]
    dt = float(np.asarray(numbers(root.attribute("dt", 1.0))))
    return build({name: _layer(bag) for name, bag in layers.items()}, found, dt, Path(path).stem, options)


def read_bindsnet_state(arrays: dict[str, Array], name: str, options: SpikingOptions) -> Module:
    """The network of a BindsNET state_dict (keys such as X_to_Y.w and Y.thresh); classes are told by the keys."""
    owners = {k.partition(".")[0] for k in arrays}
    parts = {
        o: {k[len(o) + 1 :]: v for k, v in arrays.items() if k.startswith(f"{o}.") and k.count(".") == 1}
        for o in owners
    }
    layers = {
        o: Layer(
            kind=_kind_of(parts[o]), shape=tuple(parts[o]["s"].shape[1:]) if "s" in parts[o] else (), values=parts[o]
        )
        for o in owners
        if "_to_" not in o
    }
    shapes = {name: layer.shape for name, layer in layers.items()}
    ends = {o: o.split("_to_") for o in sorted(owners) if "_to_" in o}
    connections = [from_state(a, b, parts[o], shapes) for o, (a, b) in ends.items()]
    for o in sorted(layers):
        if layers[o].kind != "Input":
            options.note(f"'{o}' is read as {layers[o].kind}: a state_dict does not hold the class", o)
    return build(layers, connections, options.dt or 1.0, name, options)


def is_bindsnet_state(arrays: dict[str, Array]) -> bool:
    """Whether names are those of a BindsNET state_dict."""
    return any("_to_" in key and key.endswith((".w", ".value")) for key in arrays)


def _kind_of(values: dict[str, Any]) -> str:
    marks = (("theta", "AdaptiveLIFNodes"), ("tc_i_decay", "CurrentLIFNodes"), ("rest", "LIFNodes"),
             ("tc_decay", "BoostedLIFNodes"), ("refrac", "IFNodes"), ("thresh", "McCullochPitts"))  # fmt: skip
    return next((kind for key, kind in marks if key in values), "Input")


def _layer(bag: Bag) -> Layer:
    places = [bag.__dict__, *(bag.__dict__.get(k) or {} for k in ("_buffers", "_parameters"))]
    values = {k: _array(v) if hasattr(v, "detach") else v for place in places for k, v in place.items()}
    shape = values.get("shape") or (values.get("n"),)
    return Layer(kind=bag.kind, shape=tuple(int(n) for n in shape if n is not None), values=values)


def _array(tensor: Any) -> Array:
    return np.asarray(numbers(tensor.to_dense() if tensor.is_sparse else tensor))


def _connection(pair: Any, bag: Bag) -> Connection:
    values = _layer(bag).values
    return Connection(kind=bag.kind, source=str(pair[0]), target=str(pair[1]), values=values)


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
        settings = {"refrac": float(_number(values, "refrac")), "dt": float(values["dt"])}
        if bound is not None:
            settings["lower_bound"] = float(np.asarray(bound))
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
