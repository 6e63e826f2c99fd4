# SPDX-License-Identifier: Apache-2.0
"""snnTorch networks, live: what each neuron class becomes, and `read_snntorch`.

The equations are those of snnTorch 1.0.0 (snntorch/_neurons).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from attrs import evolve

from akc.base.diagnostics import DiagnosticError
from akc.frontends.graph.graph import Node
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import REST, NeuronRow, Shape, handed_over, read_loop
from akc.ir.module import Module
from akc.ir.ops import snn, snn_gated

RESET_NAMES = ("subtract", "zero", "none")
"""By the value of a neuron's reset_mechanism_val."""


def read_snntorch(model: Any, example: Any, options: SpikingOptions | None = None, name: str | None = None) -> Module:
    """The network of a live torch module with snnTorch neurons.

    example: a tensor, a shape with the batch axis, or a tuple of the input and the states that forward
    takes. A loop over time inside forward gives T; a module that is one step (states passed, or
    init_hidden) needs options.steps. `x[t]` in the loop makes the input f32[T, ...] (batch first, then
    time); a loop that feeds x itself repeats it. A read-out in forward is kept; otherwise
    options.readout says it. Raises DiagnosticError AKC0370 to AKC0386 and those of read_torch.
    """
    with _others_left_alone(model):
        return read_loop(model, example, ROWS, options or SpikingOptions(), name)


@contextmanager
def _others_left_alone(model: Any) -> Iterator[None]:
    """Let the framework know this model's neurons only: its reset touches every neuron of the process otherwise."""
    from snntorch import SpikingNeuron

    known = SpikingNeuron.instances
    own = {id(part) for part in model.modules()}
    SpikingNeuron.instances = [neuron for neuron in known if id(neuron) in own]
    try:
        yield
    finally:
        SpikingNeuron.instances = known


# -- live modules --------------------------------------------------------------------------------


def numbers(value: Any) -> Any:
    """A float or tensor of the framework as numpy."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value, np.float32)


def _reset(module: Any, options: SpikingOptions, path: str) -> str:
    """The reset that the module's buffer names; a warning where its function does something else."""
    stored = RESET_NAMES[int(module.reset_mechanism_val)]
    function = getattr(getattr(module, "state_function", None), "__name__", "")
    bound = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}.get(function, stored)
    if bound != stored:
        options.note(
            f"'{path}' stores reset {stored}, but its forward still does {bound} (bound when it was made);"
            f" {stored} is taken",
            path,
        )
    return options.reset if options.reset in RESET_NAMES else stored


def _checked(module: Any, options: SpikingOptions, path: str) -> None:
    if getattr(module, "inhibition", False):
        raise DiagnosticError(REFUSALS["winner-take-all"].diagnostic(path, type(module).__name__))
    if getattr(module, "state_quant", False):
        options.note(f"'{path}' quantises its state (state_quant); akc runs it unquantised", path)


def _spec(kind: type[snn.Neuron], *parameters: str, delay: bool = True, reset: bool = True) -> Any:
    """A reader that takes these attributes of the module as parameters of the same name."""

    def read(module: Any, options: SpikingOptions, path: str) -> NeuronSpec:
        _checked(module, options, path)
        settings: dict[str, Any] = {"reset": _reset(module, options, path)} if reset else {}
        if delay:
            settings["reset_delay"] = bool(module.reset_delay)
        values = {key: numbers(getattr(module, key)) for key in (*parameters, "threshold")}
        return NeuronSpec(kind=kind, parameters=values, settings=settings, factor=numbers(module.graded_spikes_factor))

    return read


def _lapicque(module: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    _checked(module, options, path)
    return NeuronSpec(
        kind=snn.Lapicque,
        factor=numbers(module.graded_spikes_factor),
        settings={"reset": _reset(module, options, path)},
        parameters={
            "resistance": numbers(module.R),
            "capacitance": numbers(module.C),
            "time_step": numbers(module.time_step),
            "threshold": numbers(module.threshold),
        },
    )


def _recurrent(kind: type[snn.Neuron], *parameters: str) -> Any:
    """A reader of neurons that feed their own spikes back."""

    def read(module: Any, options: SpikingOptions, path: str) -> NeuronSpec:
        plain: NeuronSpec = _spec(kind, *parameters)(module, options, path)
        return evolve(plain, feedback=recurrent_node(module.recurrent))

    return read


def recurrent_node(layer: Any) -> Node:
    """The layer on a neuron's own spikes: Linear, Conv2d, or one factor each."""
    if hasattr(layer, "V"):
        return Node(
            kind="affine",
            inputs=(),
            outputs=(),
            attributes={},
            constants={"scale": numbers(layer.V), "shift": np.zeros((), np.float32)},
        )
    constants = {"weight": numbers(layer.weight)} | ({} if layer.bias is None else {"bias": numbers(layer.bias)})
    if not hasattr(layer, "stride"):
        return Node(kind="dense", inputs=(), outputs=(), attributes={}, constants=constants)
    padding = tuple(layer.padding)
    return Node(
        kind="conv",
        inputs=(),
        outputs=(),
        attributes={
            "stride": layer.stride,
            "before": padding,
            "after": padding,
            "dilation": layer.dilation,
            "groups": layer.groups,
        },
        constants=constants,
    )


def _gated(kind: type[snn_gated.Gated], weights: Callable[[Any], dict[str, Any]]) -> Any:
    """A reader of layers with LSTM gates: their weights, and how they fire."""

    def read(module: Any, options: SpikingOptions, path: str) -> NeuronSpec:
        plain: NeuronSpec = _spec(kind, delay=False)(module, options, path)
        found = weights(module)
        settings = dict(plain.settings)
        settings.update({key: found.pop(key) for key in ("forgets", "pool", "size") if key in found})
        return evolve(plain, settings=settings, weights=found)

    return read


def _lstm_weights(module: Any) -> dict[str, Any]:
    cell = module.lstm_cell
    names = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
    found = {key: numbers(value) for key, name in names.items() if (value := getattr(cell, name)) is not None}
    return {**found, "forgets": cell.input_size != cell.hidden_size}


def _conv_lstm_weights(module: Any) -> dict[str, Any]:
    weights = {"weight": numbers(module.conv.weight).transpose(0, 2, 3, 1)}
    if module.conv.bias is not None:
        weights["bias"] = numbers(module.conv.bias)
    pool = "max" if module.max_pool else "average" if module.avg_pool else "none"
    return {**weights, "pool": pool, "size": pair(module.max_pool or module.avg_pool or 1)}


def _conv_lstm_sizes(module: Any, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    window = pair(module.max_pool or module.avg_pool or 1)
    places = tuple(n // w for n, w in zip(shape[2:], window))
    return (shape[0], module.out_channels, *places), (shape[0], module.out_channels, *shape[2:])


def diagonal(weight: Any, path: str) -> Any:
    """The decays of snn.LeakyParallel; a full matrix feeds spikes of others back and is refused."""
    if np.any(weight - np.diag(np.diag(weight))):
        raise DiagnosticError(REFUSALS["full-matrix"].diagnostic(path, "LeakyParallel with a full weight_hh"))
    return np.diag(weight).copy()


def _parallel(module: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    bias = numbers(module.rnn.bias_hh_l0) if module.rnn.bias else 0.0
    return NeuronSpec(
        kind=snn.LeakyParallel,
        factor=numbers(module.graded_spikes_factor),
        parameters={
            "beta": diagonal(numbers(module.rnn.weight_hh_l0), path),
            "bias": bias,
            "threshold": numbers(module.threshold),
        },
    )


def _parallel_input(module: Any, x: Any) -> Any:
    import torch

    return torch.nn.functional.linear(x, module.rnn.weight_ih_l0, module.rnn.bias_ih_l0 if module.rnn.bias else None)


def _state_leaky(module: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    _checked(module, options, path)
    if module.kernel_truncation_steps is not None:
        options.note(f"'{path}' cuts its memory after {module.kernel_truncation_steps} steps; akc keeps it whole", path)
    return NeuronSpec(
        kind=snn.StateLeaky,
        factor=numbers(module.graded_spikes_factor) ** 2,
        parameters={"tau": numbers(module.tau), "threshold": numbers(module.threshold)},
    )


def _given(module: Any, shape: Shape, states: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """States passed to forward; snnTorch throws away those of another shape than its input."""
    given = handed_over(module, shape, states, named)
    return {name: value if tuple(value.shape) == shape else REST for name, value in given.items()}


def _result(*states: str) -> Callable[[Any, Any, dict[str, Any]], Any]:
    """What forward gives: spikes and states, or spikes alone where the module keeps the states."""

    def result(module: Any, spikes: Any, new: dict[str, Any]) -> Any:
        all_of_them = (spikes, *(new[name] for name in states))
        return all_of_them if module.output or not module.init_hidden else spikes

    return result


def _fields(*states: str) -> dict[str, Any]:
    """Fields of a row whose neuron has these states; one that is its own spikes is given out as such."""
    result = _result(*(name for name in states if name != "spk"))
    return {"states": states, "given": _given, "keeps": True, "result": result}


def _all_steps(module: Any, spikes: Any, new: dict[str, Any]) -> Any:
    return (spikes, new["mem"]) if module.output else new["mem"]


def _refused(name: str, reason: str, **fields: Any) -> NeuronRow:
    return NeuronRow(name=name, verdict="refused", refusal=reason, **fields)


_HOST = "potentials on the chip, neuron and feedback on the host"
_GATES = "layers around it on the chip, gates and neuron on the host;"
_BY_RATE = "by rate, fitted to the neuron's simulated staircase"

ROWS: dict[str, NeuronRow] = {
    row.name: evolve(row, package="snntorch")
    for row in (
        NeuronRow(
            name="Leaky",
            verdict="approximate",
            how=f"{_BY_RATE}; exact at beta 1 or 0",
            read=_spec(snn.Leaky, "beta"),
            **_fields("mem"),
        ),
        NeuronRow(name="Lapicque", verdict="approximate", how=_BY_RATE, read=_lapicque, **_fields("mem")),
        NeuronRow(
            name="Synaptic",
            verdict="approximate",
            how=f"{_BY_RATE}; the synaptic current is lost",
            read=_spec(snn.Synaptic, "alpha", "beta"),
            **_fields("syn", "mem"),
        ),
        NeuronRow(
            name="RLeaky",
            verdict="host",
            how=_HOST,
            read=_recurrent(snn.RLeaky, "beta"),
            **_fields("spk", "mem"),
        ),
        NeuronRow(
            name="RSynaptic",
            verdict="host",
            how=_HOST,
            read=_recurrent(snn.Synaptic, "alpha", "beta"),
            **_fields("spk", "syn", "mem"),
        ),
        NeuronRow(
            name="SLSTM",
            verdict="host",
            how=f"{_GATES} or dropped by drop-lstm",
            read=_gated(snn_gated.Lstm, _lstm_weights),
            sizes=lambda module, shape: ((shape[0], module.hidden_size),) * 2,
            **_fields("syn", "mem"),
        ),
        NeuronRow(
            name="SConv2dLSTM",
            verdict="host",
            how=f"{_GATES} or dropped by drop-lstm",
            read=_gated(snn_gated.ConvLstm, _conv_lstm_weights),
            sizes=_conv_lstm_sizes,
            **_fields("syn", "mem"),
        ),
        NeuronRow(
            name="LeakyParallel",
            verdict="approximate",
            how=_BY_RATE,
            read=_parallel,
            before=_parallel_input,
            over_time=True,
        ),
        NeuronRow(
            name="StateLeaky",
            verdict="approximate",
            how=_BY_RATE,
            read=_state_leaky,
            over_time=True,
            result=_all_steps,
        ),
        NeuronRow(
            name="LinearLeaky",
            verdict="approximate",
            how=_BY_RATE,
            read=_state_leaky,
            over_time=True,
            before=lambda module, x: module.linear(x),
            result=_all_steps,
        ),
        NeuronRow(
            name="Alpha",
            verdict="host",
            how="the host keeps it exactly with --host=allow; by rate with --fit and samples, refused otherwise",
            read=_spec(snn.Alpha, "alpha", "beta", delay=False),
            **_fields("syn_exc", "syn_inh", "mem"),
        ),
        NeuronRow(
            name="GradedSpikes",
            verdict="exact",
            how="one factor for all spikes, folded into the next weights; several are refused: they scale samples",
            refusal="graded-layer",
            applies=lambda module: module.size > 1,
        ),
        NeuronRow(name="graded_spikes_factor", verdict="exact", how="folded into the next weights"),
        NeuronRow(name="state_quant", verdict="approximate", how="run unquantised, with a warning"),
        _refused("inhibition=True", "winner-take-all"),
        _refused("LeakyKernel", "kernel-memory"),
        _refused("DeltaLeaky", "change-detector"),
        _refused("AssociativeLeaky", "kernel-memory"),
        _refused("BatchNormTT1d", "per-step-norm"),
        _refused("BatchNormTT2d", "per-step-norm"),
        _refused("SpikingNeuron", "no-such-layer"),
    )
}
