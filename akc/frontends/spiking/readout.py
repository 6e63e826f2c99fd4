# SPDX-License-Identifier: Apache-2.0
"""From a folded time loop to a network: its steps, its input, and how each of its results is read.

A result that forward has read out over time is what it is. One that holds all steps, or one step of a network that is
no more than that, is read as --readout says. All results become outputs, in their order, under the names of a dict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.graph.recognise import recognise
from akc.frontends.graph.simplify import join_constants
from akc.frontends.spiking.fold import Folder
from akc.frontends.spiking.one_step import graph_of, how_read, is_membrane, is_spikes
from akc.frontends.spiking.over_time import need_ordered, resolved
from akc.frontends.spiking.reader import SpikingOptions, ask_for_readout, build_spiking
from akc.frontends.spiking.states import undelivered
from akc.frontends.spiking.values import EACH, FREE, Const, Slots, Timed
from akc.frontends.torch.graph import returned_twice
from akc.ir.module import Module


@frozen(eq=False)
class Result:
    """A result of forward: its folded node, its name in a dict or "", and whether it still has its time axis."""

    node: Any
    name: str
    timed: bool


def folded_module(f: Folder, options: SpikingOptions) -> Module:
    """The module of the folded step, read the way the trace or the user says."""
    results = _results(f)
    looped = f.steps > 1 or f.time_axis is not None
    asks = options.steps is None and all(r.timed for r in results)
    steps = f.steps if looped else options.need_steps(f"one step of {f.name}", asks)
    if looped and options.steps not in (None, steps):
        raise error(
            "AKC0380",
            f"the loop of {f.name} has {steps} steps, --steps says {options.steps}",
            help="leave --steps out, or change the loop",
        )
    if looped and f.handed:
        options.note(
            f"forward's {', '.join(f.handed.values())} is taken to be at rest, as a state before the first step"
        )
    chosen, readout = _chosen(f, results, options)
    graph, names = graph_of(f, [r.node for r in chosen])
    if not graph.inputs:
        raise error("AKC0314", f"no result of {f.name} depends on the input")
    graph.outputs = names
    for name, result in zip(names, chosen):
        _rename(graph, name, result.name)
    recognise(graph)
    join_constants(graph)
    coding = options.coding or ("spikes" if f.time_axis is not None else "direct")
    return build_spiking(graph, steps, coding, readout)


def _rename(graph: Any, value: str, wanted: str) -> None:
    if wanted:
        graph.nodes = [evolve(n, name=wanted) if value in n.outputs and n.kind != "neuron" else n for n in graph.nodes]


# -- results -------------------------------------------------------------------------------------


def _results(f: Folder) -> list[Result]:
    """What forward gives; raises DiagnosticError with those that are no value of the network."""
    found, faults = list[Result](), list[Diagnostic]()
    for name, leaf in zip(_names(f), f.results):
        if not hasattr(leaf, "all_input_nodes"):
            continue
        try:
            found.append(_result(f, f.value(leaf), name, leaf))
        except DiagnosticError as fault:
            faults += fault.diagnostics
    if f.whole_calls > 1:
        found = _of_one_call(f, found)
    if f.steps == 1:
        given = [f.value(leaf) for leaf in f.results if hasattr(leaf, "all_input_nodes")]
        faults += [lost for site in f.sites.values() if (lost := undelivered(f, site, given)) is not None]
    if faults:
        raise DiagnosticError(faults)
    kept = [r for r in found if not _is_state(f, r, found)]
    return kept or found


def _of_one_call(f: Folder, found: Sequence[Result]) -> list[Result]:
    """The results of one call of forward, where the trace has several."""
    each = len(found) // f.whole_calls
    first, last = found[:each], found[-each:]
    if any(a.node is not b.node for a, b in zip(first, last)):
        raise error("AKC0383", f"forward of {f.name} does not give the same at every call", help="reset its states")
    return list(last)


def _result(f: Folder, value: Any, name: str, leaf: Any) -> Result:
    if isinstance(value, Const):
        said = f.fault(leaf, f"result {leaf.name} does not depend on the input", (), code="AKC0314")
        raise DiagnosticError(said)
    if isinstance(value, Slots):
        value = resolved(f, value, leaf)
    if isinstance(value, Timed):
        need_ordered(f, value, leaf)
        return Result(value.node, name, True)
    value = f.settled(value, leaf)
    looped = f.steps > 1 or f.time_axis is not None
    if not looped and value.time != FREE:
        return Result(value.node, name, True)
    if value.time == EACH and value.node in f.handed:
        raise DiagnosticError(f.fault(leaf, f"result {leaf.name} is a state as it was given", (), code="AKC0314"))
    return Result(f.freed(value, leaf).node, name, False)


def _is_state(f: Folder, result: Result, results: Sequence[Result]) -> bool:
    """Whether a result of one step is a state that is handed on to the next step only: no membrane."""
    part = result.timed and result.node.op == "call_function" and bool(result.node.args)
    if not part or result.node.args[0] not in f.sites or len(results) == 1:
        return False
    row, index = f.neurons[f.sites[result.node.args[0]].index].row, result.node.args[1]
    return bool(index > 0 and row.own_states[index - 1] != row.membrane)


def _names(f: Folder) -> list[str]:
    """A name for each result: its key in a dict, else nothing."""
    from torch.utils import _pytree as tree

    spec = f.program.call_spec.out_spec
    if spec is None:
        return [""] * len(f.results)
    paths, _ = tree.tree_flatten_with_path(tree.tree_unflatten(list(range(spec.num_leaves)), spec))
    return [next((str(k.key) for k in reversed(path) if isinstance(k, tree.MappingKey)), "") for path, _ in paths]


# -- which are taken -----------------------------------------------------------------------------


def _chosen(f: Folder, results: Sequence[Result], options: SpikingOptions) -> tuple[list[Result], str | None]:
    """The results that become outputs, and the read-out still to be applied to them."""
    timed, read = [r for r in results if r.timed], [r for r in results if not r.timed]
    wanted = options.readout
    if wanted is None:
        if timed and not read:
            raise ask_for_readout(f.name)
        _need_apart(results)
        return list(results), None
    if not timed:
        return _among(f, read, wanted), None
    if wanted == "none":
        return (list(results) if f.steps > 1 or f.time_axis is not None else _of_a_step(f, timed)), "none"
    return [_read_as(f, timed, wanted, options)], wanted


def _need_apart(results: Sequence[Result]) -> None:
    nodes = [r.node for r in results]
    faults = [returned_twice(f"result {i + 1}") for i, node in enumerate(nodes) if node in nodes[:i]]
    if faults:
        raise DiagnosticError(faults)


def _of_a_step(f: Folder, timed: Sequence[Result]) -> list[Result]:
    """What a network of one step gives, without the states that it hands on."""
    own = [r for r in timed if is_membrane(f, r.node)]
    return [r for r in timed if r not in own] or list(timed[-1:])


def _among(f: Folder, read: Sequence[Result], wanted: str) -> list[Result]:
    """The results that forward reads the way that is asked for; AKC0318 where there are none."""
    ways = [how_read(f, r.node) for r in read]
    matching = [r for r, way in zip(read, ways) if way == {wanted}]
    if matching:
        return matching
    said = "; ".join(sorted({" and ".join(sorted(way)) or "a value without time" for way in ways}))
    raise error(
        "AKC0318",
        f"--readout {wanted} contradicts {f.name}, whose forward reads its answer itself: {said}",
        help=("leave --readout out", "or return the values of all steps, torch.stack(list), and choose"),
    )


def _read_as(f: Folder, timed: Sequence[Result], wanted: str, options: SpikingOptions) -> Result:
    """The result that a read-out is for: the spikes, or the membranes, of the last layer."""
    order = {site: i for i, site in enumerate(f.sites)}
    test = is_spikes if wanted == "count" else is_membrane
    found = [r for r in timed if test(f, r.node)]
    if not found and wanted in ("max", "last"):
        found = [r for r in timed if not is_spikes(f, r.node)]
    if not found:
        raise _not_given(f, wanted)
    best = max(found, key=lambda r: order.get(r.node.args[0] if r.node.args else None, -1))
    return best


def _not_given(f: Folder, readout: str) -> DiagnosticError:
    what = "spikes" if readout == "count" else "membranes"
    return DiagnosticError(
        Diagnostic(
            code="AKC0379",
            message=f"{f.name} does not give the {what} of its last layer, which --readout {readout} needs",
            help=("return them from forward, or choose another read-out",),
        )
    )
