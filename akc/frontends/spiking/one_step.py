# SPDX-License-Identifier: Apache-2.0
"""From a folded time loop to the common form of one step: neurons, read-outs and all ordinary operators between."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from akc.base.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.graph.graph import Graph, Input, Node, Tensor
from akc.frontends.spiking.fold import Folder
from akc.frontends.spiking.sites import Site
from akc.frontends.spiking.states import accounted
from akc.frontends.spiking.values import READ, WINDOWS, shape_of, short_name
from akc.frontends.torch.graph import handle
from akc.frontends.torch.reader import TorchReader


def graph_of(f: Folder, wanted: Sequence[Any]) -> tuple[Graph, list[str]]:
    """The common form of the folded nodes that these need, and their names in it.

    Raises DiagnosticError with every fault: states that come from elsewhere (AKC0316), states that are read though
    the language does not give them (AKC0317).
    """
    reader = TorchReader(f.program, Graph(f.name), 0)
    needed, faults = _needed(wanted), list[Diagnostic]()
    for node in [n for n in f.graph.nodes if n in needed]:
        try:
            _read(f, reader, node, needed)
        except DiagnosticError as fault:
            faults += fault.diagnostics
    faults += reader.faults
    if faults:
        raise DiagnosticError(list(dict.fromkeys(faults)))
    return reader.graph, [reader.name(node) for node in wanted]


def _needed(wanted: Sequence[Any]) -> set[Any]:
    """The nodes that these are made of."""
    found: set[Any] = set()
    todo = list(wanted)
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += node.all_input_nodes
    return found


def _read(f: Folder, r: TorchReader, node: Any, needed: set[Any]) -> None:
    if node.op == "get_attr":
        r.store(node.name, f.consts[node])
        if node in f.owners:
            r.owners[node.name] = f.owners[node]
    elif node.op == "placeholder":
        if node is f.source:
            name = str(node.target)
            if name != node.name:
                r.aliases[node.name] = name
            r.graph.inputs.append(Input(name, 0))
            r.graph.types[name] = Tensor("float32", shape_of(node))
    elif node.op == "call_function":
        _call(f, r, node, needed)


def _call(f: Folder, r: TorchReader, node: Any, needed: set[Any]) -> None:
    if node in f.sites:
        _neuron(f, r, node, f.sites[node])
    elif node.target is operator.getitem and node.args[0] in f.sites:
        _part(f, r, node, f.sites[node.args[0]], needed)
    elif node.target is READ:
        _readout(f, r, node)
    elif node.target is WINDOWS:
        _windows(r, node)
    else:
        unknown = [a for a in node.all_input_nodes if a in f.handed]
        if unknown:
            what = f"forward reads '{f.handed[unknown[0]]}', which the caller gives, outside of a neuron"
            raise DiagnosticError(f.fault(node, what, "give states to the neurons they belong to", code="AKC0316"))
        r.note_types(node)
        if short_name(node) == "sum":
            _sum(r, node)
        else:
            handle(r, node)


def _sum(r: TorchReader, node: Any) -> None:
    """A sum over axes, as populations have it: their mean times their number."""
    value = r.made(f"{node.name}:mean", node, shape_of(node))
    axes = node.args[1] if len(node.args) > 1 and node.args[1] else list(range(len(r.shape(node.args[0]))))
    rank = len(r.shape(node.args[0]))
    listed = tuple(a % rank for a in (axes if isinstance(axes, list | tuple) else [axes]))
    keep = bool(node.args[2]) if len(node.args) > 2 else bool(node.kwargs.get("keepdim", False))
    r.emit(node, "mean", [r.name(node.args[0])], outputs=(value,), axes=listed, keep=keep)
    count = float(np.prod([r.shape(node.args[0])[a] for a in listed]))
    r.emit(node, "affine", [value], {"scale": np.asarray(count, np.float32), "shift": np.zeros((), np.float32)})


def _neuron(f: Folder, r: TorchReader, node: Any, site: Site) -> None:
    live = f.neurons[site.index]
    path, spec = live.path or f.name, accounted(f, site)
    types = [Tensor("float32", tuple(v.shape)) for v in node.meta["val"][:2]]
    outputs = (f"{node.name}:spikes", f"{node.name}:membrane")
    x = r.name(node.args[0])
    r.graph.add(Node(kind="neuron", inputs=(x,), outputs=outputs, attributes={"spec": spec}, name=path, source=(path,)),
                *types)  # fmt: skip


def _part(f: Folder, r: TorchReader, node: Any, site: Site, needed: set[Any]) -> None:
    """Spikes or membrane of a neuron; other states come out nowhere."""
    row, index, base = f.neurons[site.index].row, node.args[1], node.args[0].name
    if index == 0:
        r.aliases[node.name] = f"{base}:spikes"
    elif row.own_states[index - 1] == row.membrane:
        r.aliases[node.name] = f"{base}:membrane"
    else:
        name, path = row.own_states[index - 1], f.neurons[site.index].path
        what = f"forward reads {name} of '{path}', which no operation of the language gives"
        reader = next((user for user in node.users if user in needed), node)
        raise DiagnosticError(f.fault(reader, what, "read its spikes or its membrane", path, "AKC0317"))


def _readout(f: Folder, r: TorchReader, node: Any) -> None:
    """A value over time becomes one without: sum, mean, max, last, or each step as its factor says."""
    x, how, steps = node.args
    factors = np.array([dict(steps).get(t, 0.0) for t in range(f.steps)], np.float64)
    late = [t for t, _ in steps if t >= f.steps]
    if late or (how == "max" and not factors.all()):
        what = f"a read-out takes {'step ' + str(late[0]) if late else 'the largest of some steps'} out of {f.steps}"
        raise DiagnosticError(f.fault(node, what, "read all steps of the loop"))
    how, scale = (how, 1.0) if how in ("max", "last") else _usual(factors)
    name, value = r.name(x), Tensor("float32", shape_of(node))
    weights = {} if how != "weighted" else {"weights": factors.astype(np.float32)}
    made = node.name if scale == 1 else f"{node.name}:sum"
    source = r.source(node)
    how = "sum" if how == "weighted" else how
    r.graph.add(Node(kind="readout", inputs=(name,), outputs=(made,), attributes={"how": how}, constants=weights,
                     name=node.name, source=source), value)  # fmt: skip
    if scale != 1:
        constants = {"scale": np.asarray(scale, np.float32), "shift": np.zeros((), np.float32)}
        r.graph.add(Node(kind="affine", inputs=(made,), outputs=(node.name,), constants=constants,
                         name=f"{node.name}_scaled", source=source), value)  # fmt: skip


def _usual(factors: np.ndarray[Any, Any]) -> tuple[str, float]:
    """How factors of all steps are called, and what is left as a scale: sum, mean, last or weighted."""
    if (factors == factors[0]).all():
        mean = np.isclose(factors[0] * len(factors), 1.0, rtol=1e-12)
        return ("mean", 1.0) if mean and len(factors) > 1 else ("sum", float(factors[0]))
    if not factors[:-1].any():
        return "last", float(factors[-1])
    return "weighted", 1.0


def _windows(r: TorchReader, node: Any) -> None:
    x, count = node.args
    r.graph.add(Node(kind="windows", inputs=(r.name(x),), outputs=(node.name,), attributes={"count": count},
                     name=node.name, source=r.source(node)), Tensor("float32", shape_of(node)))  # fmt: skip


def how_read(f: Folder, node: Any) -> set[str]:
    """How the values behind a folded node are read over time: count, mean, membrane, max, last ..."""
    found: set[str] = set()
    seen: set[Any] = set()
    todo = [node]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one.target is READ:
            found.add(_named(f, one))
        elif one.target is WINDOWS:
            found.add("windows")
        else:
            todo += one.all_input_nodes
    return found


def _named(f: Folder, node: Any) -> str:
    """The word of --readout for a read-out, or one that no word stands for."""
    x, how, steps = node.args
    if how in ("max", "last"):
        return str(how)
    factors = np.array([dict(steps).get(t, 0.0) for t in range(max([f.steps, *(t + 1 for t, _ in steps)]))])
    how, scale = _usual(factors)
    spikes = is_spikes(f, x)
    words = {("sum", True): "count", ("mean", False): "membrane", ("mean", True): "the mean of spikes",
             ("sum", False): "the sum of membranes"}  # fmt: skip
    if how == "sum" and scale != 1 and spikes:
        return "a scaled count"
    return words.get((how, spikes), "a weighted sum" if how == "weighted" else how)


def is_spikes(f: Folder, node: Any) -> bool:
    """Whether a folded node is the spikes of a neuron that fires."""
    part = node.target is operator.getitem and node.args[0] in f.sites
    if not part:
        return False
    spec = f.neurons[f.sites[node.args[0]].index].spec
    return bool(spec.kind.fires and node.args[1] == 0)


def is_membrane(f: Folder, node: Any) -> bool:
    """Whether a folded node is the membrane of a neuron, or what one gives that never fires."""
    return node.target is operator.getitem and node.args[0] in f.sites and not is_spikes(f, node)
