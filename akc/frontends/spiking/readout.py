# SPDX-License-Identifier: Apache-2.0
"""From a folded time loop to a network: its steps, its input, and which of its results is read how."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from akc.base.diagnostics import DiagnosticError, error
from akc.frontends.graph.graph import Input, Node
from akc.frontends.graph.recognise import recognise
from akc.frontends.graph.simplify import join_constants
from akc.frontends.spiking.fold import Folder
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions, ask_for_readout, build_spiking
from akc.ir.module import Module

KEEP_LAST_AXIS = ("dense", "neuron", "readout", "relu", "affine")
"""Kinds of nodes that work on the last axis or on each element, whatever stands in front."""


def folded_module(folded: Folder, options: SpikingOptions, steps: int | None) -> Module:
    """The module of the folded step, read the way the trace or the user says."""
    looped = folded.steps > 1
    if steps is None:
        steps = folded.steps if looped else options.need_steps(f"one step of {folded.name}")
    if looped and options.steps not in (None, steps):
        raise error(
            "AKC0380",
            f"the loop of {folded.name} has {steps} steps, --steps says {options.steps}",
            help="leave --steps out, or change the loop",
        )
    over_time = folded.batch_axis == 1
    coding = options.coding or ("spikes" if folded.times or over_time else "direct")
    _name_input(folded)
    if over_time:
        _drop_time_axis(folded)
    readout = _choose_output(folded, options, looped)
    folded.r.graph.drop_dead()
    recognise(folded.r.graph)
    join_constants(folded.r.graph)
    return build_spiking(folded.r.graph, steps, coding, readout)


def _name_input(folded: Folder) -> None:
    graph, name = folded.r.graph, folded.source.name
    step = f"{name}:step"
    if step in graph.types:
        graph.rename_inputs({step: name})
        graph.types[name] = graph.types.pop(step)
    graph.inputs.append(Input(name, folded.batch_axis if step not in graph.types else 0))


def _drop_time_axis(folded: Folder) -> None:
    """Layers that take all steps at once were traced with one step: its axis of length 1 goes."""
    graph = folded.r.graph
    for node in graph.nodes:
        if node.kind not in KEEP_LAST_AXIS:
            raise error(
                "AKC0383",
                f"{node.kind} of '{node.name}' stands between layers that take all steps at once",
                origin=node.source,
                help="use cells in a loop over time (LIFCell in place of LIF)",
            )
    graph.types = {name: evolve(kind, shape=kind.shape[1:]) for name, kind in graph.types.items()}
    graph.inputs = [Input(each.name, 0) for each in graph.inputs]


def _choose_output(folded: Folder, options: SpikingOptions, looped: bool) -> str | None:
    """Set the graph's output; the read-out still to be applied, None where the trace holds it."""
    graph = folded.r.graph
    made = graph.producers()
    visible = [v for v in folded.outputs if _after_readout(folded, v, made)]
    if visible:
        if options.readout is not None:
            options.note(
                f"{folded.name} reads its answer itself; --readout {options.readout} is not used", code="AKC0388"
            )
        graph.outputs = visible[-1:]
        return None
    spikes, membranes = _candidates(folded)
    if options.readout is None and looped and not spikes and membranes and folded.outputs[-1] not in folded.series:
        graph.outputs = membranes[-1:]
        return "last"
    if options.readout is None:
        raise ask_for_readout(folded.name)
    wanted = spikes if options.readout == "count" else membranes
    if options.readout == "none":
        wanted = spikes or membranes
    if not wanted:
        raise _not_given(folded, options.readout)
    graph.outputs = wanted[-1:]
    return options.readout


def _after_readout(folded: Folder, value: str, made: Mapping[str, Node]) -> bool:
    while value in made:
        if value in folded.readouts:
            return True
        value = made[value].inputs[0] if made[value].inputs else ""
    return False


def _candidates(folded: Folder) -> tuple[list[str], list[str]]:
    """Spikes and membranes among the results, in the order of their neurons in the trace."""
    values = [folded.series[v].value if v in folded.series else v for v in folded.outputs]
    order = {name: i for i, names in enumerate(folded.copies.values()) for name in names}
    own = sorted({v for v in values if folded.is_neuron_value(v)}, key=lambda v: (order[v.rpartition(":")[0]], v))
    fires = {v for v in own if _spec_of(folded, v).kind.fires}
    return [v for v in own if v.endswith(":0") and v in fires], [v for v in own if v.endswith(":1") or v not in fires]


def _spec_of(folded: Folder, value: str) -> NeuronSpec:
    spec: NeuronSpec = folded.r.graph.producers()[value]["spec"]
    return spec


def _not_given(folded: Folder, readout: str) -> DiagnosticError:
    what = "spikes" if readout == "count" else "membranes"
    return error(
        "AKC0379",
        f"{folded.name} does not give the {what} of its last layer, which --readout {readout} needs",
        help="return them from forward, or choose another read-out",
    )
