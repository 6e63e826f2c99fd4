# SPDX-License-Identifier: Apache-2.0
"""Norse networks, live: what each cell becomes, and `read_norse`.

The equations are those of Norse 1.1.0 (norse/torch/functional). A Norse state_dict holds weights only:
v_th, time constants and dt are read from the live cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from akc.frontends.graph.graph import Node
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions
from akc.frontends.spiking.snntorch import numbers
from akc.frontends.spiking.timeloop import NeuronRow, read_loop
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


def _spikes(cell: Any, spikes: Any, membrane: Any) -> Any:
    return spikes, None


def _voltage(cell: Any, spikes: Any, membrane: Any) -> Any:
    return membrane, None


def _row(name: str, how: str, read: Any, verdict: str = "approximate", **fields: Any) -> NeuronRow:
    return NeuronRow(name=name, verdict=verdict, how=how, read=read, **{"result": _spikes, **fields})


_BY_RATE = "by rate, fitted to the neuron's simulated staircase"
_CURRENT_LOST = f"{_BY_RATE}; the synaptic current is lost"
_LINEAR = "linear in its input: a layer without activation, read as potentials"
_HOST = "potentials on the chip, neuron and feedback on the host"

_FITTED = "exact on the host (--host=allow); by rate with --fit and samples only, which reports the error"

LIF = ("tau_syn_inv", "tau_mem_inv", "v_leak", "v_th", "v_reset")
LSNN = (*LIF, "tau_adapt_inv", "beta")
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
    row.name: row
    for row in (
        _row(
            "LIFBoxCell",
            f"{_BY_RATE}; exact with dt / tau = 1",
            _spec(snn.LifBox, "tau_mem_inv", "v_leak", "v_th", "v_reset", reset=True),
        ),
        _row("LIFCell", _CURRENT_LOST, _spec(snn.Lif, *LIF)),
        _row("LIF", _CURRENT_LOST, _spec(snn.Lif, *LIF), over_time=True),
        _row("IAFCell", _BY_RATE, _spec(snn.Iaf, "v_th", "v_reset", dt=False)),
        _row("IAF", _BY_RATE, _spec(snn.Iaf, "v_th", "v_reset", dt=False), over_time=True),
        _row("LICell", _LINEAR, _spec(snn.Li, *LI), result=_voltage),
        _row("LI", _LINEAR, _spec(snn.Li, *LI), result=_voltage, over_time=True),
        _row("LIBoxCell", _LINEAR, _spec(snn.LiBox, "tau_mem_inv", "v_leak"), result=_voltage),
        _row("LILinearCell", _LINEAR, _spec(snn.Li, *LI), result=_voltage, before=_weighted),
        _row("LIFRecurrentCell", _HOST, _spec(snn.LifRecurrent, *LIF, recurrent=True), "host", before=_weighted),
        _row(
            "LIFRecurrent",
            _HOST,
            _spec(snn.LifRecurrent, *LIF, recurrent=True),
            "host",
            before=_weighted,
            over_time=True,
        ),
        _row("LSNNCell", _FITTED, _spec(snn.Lsnn, *LSNN), "host"),
        _row("LSNN", _FITTED, _spec(snn.Lsnn, *LSNN), "host", over_time=True),
        _row("LIFExCell", _FITTED, _exponential(snn_models.LifEx), "host"),
        _row("LIFEx", _FITTED, _exponential(snn_models.LifEx), "host", over_time=True),
        _row("LIFAdExCell", _FITTED, _exponential(snn_models.LifAdex, *ADAPTATION), "host"),
        _row("LIFAdEx", _FITTED, _exponential(snn_models.LifAdex, *ADAPTATION), "host", over_time=True),
        _row("IzhikevichCell", _FITTED, _izhikevich, "host"),
        NeuronRow(name="SequentialState", verdict="exact", how="a container"),
        NeuronRow(name="Lift", verdict="exact", how="a container: its module at every step"),
        *(
            NeuronRow(name=name, verdict="host" if reason == "encoder" else "refused", refusal=reason)
            for reason, names in REFUSED.items()
            for name in names
        ),
    )
}
