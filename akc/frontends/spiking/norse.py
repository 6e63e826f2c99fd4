# SPDX-License-Identifier: Apache-2.0
"""Norse networks, live: what each cell becomes, and `read_norse`.

The equations are those of Norse 1.1.0 (norse/torch/functional). A Norse state_dict holds weights only:
v_th, time constants and dt are read from the live cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve

from akc.frontends.graph.graph import Node
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions
from akc.frontends.spiking.snntorch import numbers
from akc.frontends.spiking.timeloop import NeuronRow, Shape, read_loop
from akc.ir.module import Module
from akc.ir.ops import snn, snn_models


def read_norse(model: Any, example: Any, options: SpikingOptions | None = None, name: str | None = None) -> Module:
    """The network of a live torch module with Norse cells.

    example, time loops and read-outs are as for `akc.frontends.spiking.snntorch.read_snntorch`. Modules with time
    (LIF, LI, IAF ...) take [T, batch, n], and so must the example then. Raises DiagnosticError AKC0370 to
    AKC0386 and those of read_torch.
    """
    return read_loop(model, example, ROWS, options or SpikingOptions(), name)


def _spec(
    kind: type[snn.Neuron], *parameters: str, reset: bool = False, dt: bool = True, recurrent: bool = False
) -> Any:
    """A reader of cell.p, cell.dt, and of the recurrent weights."""

    def read(cell: Any, options: SpikingOptions, path: str) -> NeuronSpec:
        _note_state(cell)
        settings: dict[str, Any] = {"dt": float(options.dt or cell.dt)} if dt else {}
        if reset:
            settings["reset"] = "subtract" if cell.p.reset_method.__name__ == "reset_subtract" else "value"
        feedback = _recurrent(cell) if recurrent else None
        values = {key: numbers(getattr(cell.p, key)) for key in parameters}
        return NeuronSpec(kind=kind, parameters=values, settings=settings, feedback=feedback)

    return read


def _exponential(kind: type[snn.Neuron], *parameters: str) -> Any:
    """A reader of cells whose parameters hold delta_T."""
    plain = _spec(kind, *LIF, *parameters)

    def read(cell: Any, options: SpikingOptions, path: str) -> NeuronSpec:
        spec: NeuronSpec = plain(cell, options, path)
        return evolve(spec, parameters={**spec.parameters, "delta_t": numbers(cell.p.delta_T)})

    return read


def _izhikevich(cell: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    """The parameters and the first state of a spiking behaviour."""
    spec: NeuronSpec = _spec(snn_models.Izhikevich, *IZHIKEVICH)(cell, options, path)
    start = cell.spiking_method.s
    return evolve(spec, parameters={**spec.parameters, "v_start": numbers(start.v), "u_start": numbers(start.u)})


def _recurrent(cell: Any) -> Node:
    return Node(kind="dense", inputs=(), outputs=(), constants={"weight": np.array(numbers(cell.recurrent_weights))})


def _weighted(cell: Any, x: Any) -> Any:
    import torch

    return torch.nn.functional.linear(x, cell.input_weights)


def _given(cell: Any, shape: Shape, states: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the state that is passed to forward."""
    state = states[0] if states else named.get("state")
    return {} if state is None else dict(state._asdict())


_STATES: dict[str, Any] = {}
"""Classes of states by the class of their cell; they are noted before tracing, where no tensor may be made."""


def _note_state(cell: Any) -> None:
    import torch

    if hasattr(cell, "state_fallback"):
        state = cell.state_fallback(torch.zeros(1, 1, 1))
    else:  # a cell with weights of its own
        with torch.no_grad():
            _, state = cell(torch.zeros(1, cell.input_weights.shape[-1]), None)
    _STATES[type(cell).__name__] = type(state)


def _state(cell: Any, new: dict[str, Any], over_time: bool) -> Any:
    """The cell's own state, made of the parts that are known; of layers with time, that of the last step."""
    kind = _STATES[type(cell).__name__]
    return kind(**{name: new[name][-1] if over_time else new[name] for name in kind._fields})


def _fields(*states: str, membrane: bool = False, over_time: bool = False) -> dict[str, Any]:
    """Fields of a row whose cell has these states; membrane: whether it gives that in place of spikes."""

    def result(cell: Any, spikes: Any, new: dict[str, Any]) -> Any:
        return new["v"] if membrane else spikes, _state(cell, {name: new[name] for name in states}, over_time)

    return {"states": states, "given": _given, "result": result, "over_time": over_time}


def _row(name: str, how: str, read: Any, states: str = "v i", verdict: str = "approximate", **fields: Any) -> NeuronRow:
    """A row of a cell; the layer with time of the same name without Cell is one more."""
    before = fields.pop("before", None)
    rest = {} if before is None else {"before": before}
    return NeuronRow(name=name, verdict=verdict, how=how, read=read, **rest, **_fields(*states.split(), **fields))


_BY_RATE = "by rate, fitted to the neuron's simulated staircase"
_CURRENT_LOST = f"{_BY_RATE}; the synaptic current is lost"
_LINEAR = "linear in its input: a layer without activation, read as potentials"
_HOST = "potentials on the chip, neuron and feedback on the host"

_FITTED = "exact on the host (--host=allow); by rate with --fit and samples only, which reports the error"

LIF = ("tau_syn_inv", "tau_mem_inv", "v_leak", "v_th", "v_reset")
LI = ("tau_syn_inv", "tau_mem_inv", "v_leak")
LSNN = (*LIF, "tau_adapt_inv", "beta")
ADAPTATION = ("tau_ada_inv", "adaptation_current", "adaptation_spike")
IZHIKEVICH = ("a", "b", "c", "d", "sq", "mn", "bias", "v_th", "tau_inv")

REFUSED = {
    "adaptive-threshold": ("LSNNRecurrentCell", "LSNNRecurrent"),
    "neuron-model": (
        "LIFAdExRecurrentCell",
        "LIFAdExRecurrent",
        "LIFExRecurrentCell",
        "LIFExRecurrent",
        "IzhikevichRecurrentCell",
        "Izhikevich",
        "IzhikevichRecurrent",
        "CobaLIFCell",
        "LIFMCRecurrentCell",
        "LIFMCRefracRecurrentCell",
        "LIFRefracCell",
        "LIFRefracRecurrentCell",
        "LIFRefracRecurrent",
        "LIFAdExRefracCell",
        "LIFAdExRefracRecurrentCell",
        "LIFAdExRefracRecurrent",
        "LIFCorrelation",
        "SNNCell",
        "SNN",
        "SNNRecurrentCell",
        "SNNRecurrent",
    ),
    "back-edge": ("RecurrentSequential",),
    "encoder": (
        "PoissonEncoder",
        "SignedPoissonEncoder",
        "ConstantCurrentLIFEncoder",
        "SpikeLatencyEncoder",
        "SpikeLatencyLIFEncoder",
        "PopulationEncoder",
    ),
}
"""Classes by reason; the last of a list are bases, whose unknown children are refused too."""

ROWS: dict[str, NeuronRow] = {
    row.name: evolve(row, package="norse")
    for row in (
        _row(
            "LIFBoxCell",
            f"{_BY_RATE}; exact with dt / tau = 1",
            _spec(snn.LifBox, "tau_mem_inv", "v_leak", "v_th", "v_reset", reset=True),
            "v",
        ),
        _row("LIFCell", _CURRENT_LOST, _spec(snn.Lif, *LIF)),
        _row("LIF", _CURRENT_LOST, _spec(snn.Lif, *LIF), over_time=True),
        _row("IAFCell", _BY_RATE, _spec(snn.Iaf, "v_th", "v_reset", dt=False), "v"),
        _row("IAF", _BY_RATE, _spec(snn.Iaf, "v_th", "v_reset", dt=False), "v", over_time=True),
        _row("LICell", _LINEAR, _spec(snn.Li, *LI), membrane=True),
        _row("LI", _LINEAR, _spec(snn.Li, *LI), membrane=True, over_time=True),
        _row("LIBoxCell", _LINEAR, _spec(snn.LiBox, "tau_mem_inv", "v_leak"), "v", membrane=True),
        _row("LILinearCell", _LINEAR, _spec(snn.Li, *LI), membrane=True, before=_weighted),
        _row(
            "LIFRecurrentCell", _HOST, _spec(snn.LifRecurrent, *LIF, recurrent=True), "z v i", "host", before=_weighted
        ),
        _row(
            "LIFRecurrent",
            _HOST,
            _spec(snn.LifRecurrent, *LIF, recurrent=True),
            "z v i",
            "host",
            before=_weighted,
            over_time=True,
        ),
        _row("LSNNCell", _FITTED, _spec(snn.Lsnn, *LSNN), "v i b", "host"),
        _row("LSNN", _FITTED, _spec(snn.Lsnn, *LSNN), "v i b", "host", over_time=True),
        _row("LIFExCell", _FITTED, _exponential(snn_models.LifEx), "v i", "host"),
        _row("LIFEx", _FITTED, _exponential(snn_models.LifEx), "v i", "host", over_time=True),
        _row("LIFAdExCell", _FITTED, _exponential(snn_models.LifAdex, *ADAPTATION), "v i a", "host"),
        _row("LIFAdEx", _FITTED, _exponential(snn_models.LifAdex, *ADAPTATION), "v i a", "host", over_time=True),
        _row("IzhikevichCell", _FITTED, _izhikevich, "v u", "host"),
        NeuronRow(name="SequentialState", verdict="exact", how="a container"),
        NeuronRow(name="Lift", verdict="exact", how="a container: its module at every step"),
        *(
            NeuronRow(name=name, verdict="host" if reason == "encoder" else "refused", refusal=reason)
            for reason, names in REFUSED.items()
            for name in names
        ),
    )
}
