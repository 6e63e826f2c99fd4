# SPDX-License-Identifier: Apache-2.0
"""NIR graphs (nir 1.0) that are chains, recurrence of one neuron layer included; akc/frontends/spiking/nir_neurons.py
holds what their neurons mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from attrs import evolve

from akc.base.budget import promise
from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.graph.graph import Node
from akc.frontends.spiking.files.nir import NIRGraph, load
from akc.frontends.spiking.nir_neurons import SPEC, Numbers
from akc.frontends.spiking.nir_producers import Writers
from akc.frontends.spiking.reader import Chain, NeuronSpec, SpikingOptions, finish_chain, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow
from akc.ir.module import Module
from akc.ir.ops import snn

Array = np.ndarray[Any, np.dtype[Any]]


def read_nir(path: str, options: SpikingOptions | None = None) -> Module:
    """The network of a .nir file that is a chain, recurrence of one neuron layer included.

    options.steps and options.readout are needed; options.dt in seconds (default: what the producer assumes);
    options.producer, a name of nir_producers.PRODUCERS or "auto"; options.reset "subtract" or "zero" in place of the
    file's v_reset. The file's own types are not trusted: shapes are inferred from the input on. Raises
    DiagnosticError AKC0313, AKC0330, AKC0375, AKC0379 to AKC0384, AKC0386, AKC0389, AKC0394, AKC0955 to AKC0959.
    """
    options = options or SpikingOptions()
    nodes, edges = _load(path)
    order, recurrent = _chain_of(nodes, edges)
    faults = [fault for n in order[1:] for fault in _refused(n, nodes[n])]
    if faults:
        raise DiagnosticError(faults)
    writers = _writers(path, nodes, order, options)
    producer = writers.producer()
    writers.note_resets(producer)
    chain = Chain.start(Path(path).stem, _input_shape(nodes, order))
    for name in order[1:]:
        _append(chain, name, nodes[name], recurrent.get(name), partial(writers.spec, producer))
    return finish_chain(chain, options, options.need_steps(Path(path).name, readout=True), options.coding or "spikes")


def producer_of(path: str, options: SpikingOptions) -> str:
    """The tool whose habits a file is read with."""
    nodes, edges = _load(path)
    return _writers(path, nodes, _chain_of(nodes, edges)[0], options).producer()


def _writers(path: str, nodes: dict[str, Any], order: list[str], options: SpikingOptions) -> Writers:
    neurons = [(n, type(nodes[n]).__name__, _numbers(nodes[n])) for n in order if type(nodes[n]).__name__ in NEURONS]
    return Writers(file=Path(path).name, nodes=neurons, options=options)


def _load(path: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes by name and edges, nested graphs flattened as outer.inner."""
    return _flat(load(path), "")


MOST_EDGES = 200_000


def _flat(graph: NIRGraph, prefix: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    nodes: dict[str, Any] = {}
    edges = [(f"{prefix}{a}", f"{prefix}{b}") for a, b in graph.edges]
    for name, node in graph.nodes.items():
        if not isinstance(node, NIRGraph):
            nodes[f"{prefix}{name}"] = node
            continue
        inner_nodes, inner_edges = _flat(node, f"{prefix}{name}.")
        entry = _only(inner_nodes, "Input")
        leave = _only(inner_nodes, "Output")
        first = [b for a, b in inner_edges if a == entry]
        last = [a for a, b in inner_edges if b == leave]
        edges = [(a, f) for a, b in edges if b == f"{prefix}{name}" for f in first] + [
            e for e in edges if e[1] != f"{prefix}{name}"
        ]
        edges = [(end, b) for a, b in edges if a == f"{prefix}{name}" for end in last] + [
            e for e in edges if e[0] != f"{prefix}{name}"
        ]
        edges += [e for e in inner_edges if entry not in e and leave not in e]
        if len(edges) > MOST_EDGES:
            raise error("AKC0394", f"the graph has more than {MOST_EDGES} edges", help="akc reads chains")
        nodes.update({k: v for k, v in inner_nodes.items() if k not in (entry, leave)})
    return nodes, edges


def _only(nodes: dict[str, Any], kind: str) -> str:
    found = [name for name, node in nodes.items() if type(node).__name__ == kind]
    if len(found) != 1:
        raise error(
            "AKC0394", f"the graph has {len(found)} {kind} nodes", help="akc reads chains with one input and one output"
        )
    return found[0]


def _chain_of(nodes: dict[str, Any], edges: list[tuple[str, str]]) -> tuple[list[str], dict[str, Any]]:
    """Nodes from the input to the output, and the layer on a neuron's own spikes for recurrent neurons."""
    entry, leave = _only(nodes, "Input"), _only(nodes, "Output")
    both, following = set(edges), _following(edges)
    loops = {a: w for a, w in edges if (w, a) in both and type(nodes[w]).__name__ in LOOP_LAYERS
             and _is_neuron(nodes[a])}  # fmt: skip
    loops |= {a: a for a, b in edges if a == b}
    order, passed = [entry], {entry}
    while order[-1] != leave:
        ahead = [b for b in following.get(order[-1], ()) if b != loops.get(order[-1])]
        back = [b for b in ahead if b in passed or (len(ahead) > 1 and _reaches(following, b, order[-1]))]
        if back:
            raise DiagnosticError(REFUSALS["back-edge"].diagnostic(back[0], type(nodes[back[0]]).__name__))
        if len(ahead) != 1:
            raise error(
                "AKC0394",
                f"'{order[-1]}' leads to {len(ahead)} nodes: {', '.join(ahead) or 'none'}",
                origin=(order[-1],),
                help="akc reads chains; a branch has no place on AKD1000",
            )
        order.append(ahead[0])
        passed.add(ahead[0])
    return order[:-1], {name: nodes[layer] for name, layer in loops.items()}


NEURONS = tuple(SPEC)

LOOP_LAYERS = ("Affine", "Linear", "Conv2d")
"""What may carry a neuron's own spikes back to it."""


def _following(edges: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The nodes behind each node."""
    found: dict[str, list[str]] = {}
    for a, b in edges:
        found.setdefault(a, []).append(b)
    return found


def _reaches(following: dict[str, list[str]], start: str, goal: str) -> bool:
    """Whether a way along the edges leads from one node to another."""
    seen, waiting = {start}, [start]
    while waiting:
        ahead = [b for b in following.get(waiting.pop(), ()) if b not in seen]
        seen.update(ahead)
        waiting += ahead
    return goal in seen


def _is_neuron(node: Any) -> bool:
    return type(node).__name__ in NEURONS


def _input_shape(nodes: dict[str, Any], order: list[str]) -> tuple[int, ...]:
    """The input's shape; a batch axis that an exporter left in front of it is dropped."""
    declared: tuple[int, ...] = nodes[order[0]].shape
    first = next((nodes[n] for n in order[1:] if hasattr(nodes[n], "weight")), None)
    if first is None:
        return declared
    weight = np.asarray(first.weight)
    wanted = 1 if weight.ndim == 2 else weight.ndim - 1
    flattened = any(
        type(nodes[n]).__name__ == "Flatten" for n in order[1 : 1 + order[1:].index(_name_of(nodes, first))]
    )
    if flattened or len(declared) <= wanted:
        return declared
    if weight.ndim == 2 and int(np.prod(declared)) == weight.shape[1]:
        return (weight.shape[1],)
    return declared[-wanted:]


def _name_of(nodes: dict[str, Any], node: Any) -> str:
    return next(name for name, other in nodes.items() if other is node)


def _numbers(node: Any) -> Numbers:
    """The arrays of a neuron node; a missing v_reset is 0."""
    return {"v_reset": np.zeros(())} | {f.name: getattr(node, f.name) for f in attrs.fields(type(node))}


# -- nodes ---------------------------------------------------------------------------------------


def _append(chain: Chain, name: str, node: Any, loop: Any, spec_of: Callable[[str, Numbers], NeuronSpec]) -> None:
    kind = type(node).__name__
    if kind in ("Affine", "Linear"):
        chain.dense(name, np.asarray(node.weight), getattr(node, "bias", None))
    elif kind in ("Conv1d", "Conv2d"):
        groups = int(np.asarray(node.groups).reshape(-1)[0])
        chain.conv(name, np.asarray(node.weight), node.bias, node.stride, _padding(node), node.dilation, groups)
    elif kind == "Delay":
        return
    elif kind in ("SumPool2d", "AvgPool2d"):
        chain.pool(name, "average_pool", node.kernel_size, node.stride, node.padding)
        if kind == "SumPool2d":
            chain.scale(f"{name}.cells", float(np.prod(_pair(node.kernel_size))))
    elif kind == "Scale":
        chain.scale(name, _laid(node.scale, chain.shape[1:]))
    elif kind == "Flatten":
        chain.flatten(name)
    else:
        spec = spec_of(kind, {key: _laid(value, chain.shape[1:]) for key, value in _numbers(node).items()})
        if loop is not None:
            spec = _with_loop(spec, loop, node, name, chain.shape[1:])
        chain.neuron(name, spec, membrane=not spec.kind.fires or kind == "I")


def _padding(node: Any) -> Any:
    """Cells around the map; "same" and "valid" may stand for them."""
    if not isinstance(node.padding, str):
        return node.padding
    kernel = np.asarray(node.weight).shape[2:]
    dilation = np.broadcast_to(np.asarray(node.dilation), len(kernel))
    return [int((n - 1) * d) // 2 if node.padding == "same" else 0 for n, d in zip(kernel, dilation)]


def _refused(name: str, node: Any) -> list[Diagnostic]:
    """Why a node cannot be read, by the rows of the table."""
    kind = type(node).__name__
    row = ROWS.get(kind)
    if row is not None and (not row.refusal or (kind == "Delay" and not np.any(node.delay))):
        return []
    return [REFUSALS[row.refusal if row else "no-such-layer"].diagnostic(name, kind)]


def _pair(value: Any) -> tuple[int, int]:
    numbers = [int(n) for n in np.asarray(value).reshape(-1)]
    return (numbers[0], numbers[-1])


def _laid(value: Any, shape: tuple[int, ...]) -> Array:
    """A parameter in the shape of its neurons; a batch axis of length 1 in front is dropped."""
    array = np.asarray(value, np.float64)
    return array.reshape(shape) if array.size == int(np.prod(shape)) else array


def _with_loop(spec: NeuronSpec, loop: Any, node: Any, name: str, shape: tuple[int, ...]) -> NeuronSpec:
    """The neuron with the layer on its own spikes; the input gain acts on both."""
    own, cells = type(loop) is type(node), int(np.prod(shape))
    if own:
        promise(8 * cells * cells, f"the feedback of '{name}' with {cells} neurons")
    weight = np.eye(cells) if own else np.asarray(loop.weight)
    constants = {"weight": weight.astype(np.float32)}
    attributes = {}
    if weight.ndim == 4:
        padding = pair(_padding(loop))
        attributes = {"stride": pair(loop.stride), "before": padding, "after": padding,
                      "dilation": pair(loop.dilation), "groups": int(loop.groups)}  # fmt: skip
    if not own and getattr(loop, "bias", None) is not None:
        constants["bias"] = np.asarray(loop.bias, np.float32)
    gain = np.asarray(spec.gain, np.float64)
    gain = gain.reshape(-1)[:1] if (gain == gain.reshape(-1)[0]).all() else gain
    if gain.size not in (1, weight.shape[0]):
        message = f"the feedback of '{name}' has weights {list(weight.shape)}, its neurons are {list(shape)}"
        raise error("AKC0384", message, origin=(name,), help="its spikes must come back in the shape they have")
    if np.any(gain != 1):
        constants = {k: (v * gain.reshape(-1, *(1,) * (v.ndim - 1))).astype(np.float32) for k, v in constants.items()}
    kind = snn.RLeaky if spec.kind is snn.Leaky else spec.kind
    layer = "conv" if attributes else "dense"
    feedback = Node(kind=layer, inputs=(), outputs=(), attributes=attributes, constants=constants)
    return evolve(spec, kind=kind, feedback=feedback)


_BY_RATE = "by rate, fitted to the neuron's simulated staircase"

ROWS: dict[str, NeuronRow] = {
    row.name: row
    for row in (
        NeuronRow(name="NIRGraph", verdict="exact", how="flattened; one layer on a neuron's own spikes needs the host"),
        NeuronRow(name="Affine", verdict="exact"),
        NeuronRow(name="Linear", verdict="exact"),
        NeuronRow(name="Conv2d", verdict="exact"),
        NeuronRow(name="Scale", verdict="exact", how="folded into the next weights"),
        NeuronRow(name="Flatten", verdict="exact"),
        NeuronRow(name="SumPool2d", verdict="exact", how="folded into the next layer where it fits"),
        NeuronRow(name="AvgPool2d", verdict="exact", how="folded into the next layer where it fits"),
        NeuronRow(name="LIF", verdict="approximate", how=_BY_RATE),
        NeuronRow(name="IF", verdict="approximate", how=f"{_BY_RATE}; exact with soft reset"),
        NeuronRow(name="CubaLIF", verdict="approximate", how=f"{_BY_RATE}; the synaptic current is lost"),
        NeuronRow(name="LI", verdict="approximate", how="linear in its input: read as potentials"),
        NeuronRow(name="I", verdict="approximate", how="linear in its input: read as potentials"),
        NeuronRow(name="Threshold", verdict="exact", how="step by step: it keeps nothing"),
        NeuronRow(name="CubaLI", verdict="approximate", how="linear in its input: read as potentials"),
        NeuronRow(name="Conv1d", verdict="exact", how="as a map of one row"),
        NeuronRow(name="Delay", verdict="refused", refusal="axonal-delay"),
    )
}
