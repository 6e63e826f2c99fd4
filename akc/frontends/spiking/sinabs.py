# SPDX-License-Identifier: Apache-2.0
"""sinabs networks, live: what each layer class becomes, and `read_sinabs`.

The equations are those of sinabs 3.1.3 (sinabs/layers). A layer takes all steps at once, [batch, T, ...]; the squeezed
ones have both axes in one, [batch * T, ...]. Spikes are whole numbers, as many a step as spike_fn lets through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions, pair
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.snntorch import numbers
from akc.frontends.spiking.timeloop import NeuronRow, read_loop
from akc.ir.module import Module
from akc.ir.ops import snn, snn_inclusive

PACKAGE = "sinabs"


def read_sinabs(model: Any, example: Any, options: SpikingOptions | None = None, name: str | None = None) -> Module:
    """The network of a live torch module with sinabs layers.

    example: as forward takes it, one sample: [1, T, ...], or [T, ...] where the layers are squeezed. Read-outs are as
    for `akc.frontends.spiking.snntorch.read_snntorch`. Raises DiagnosticError AKC0332, AKC0370 to AKC0386 and those of
    read_torch.
    """
    with _sums_as_averages(model):
        return read_loop(model, example, ROWS, options or SpikingOptions(), name)


@contextmanager
def _sums_as_averages(model: Any) -> Iterator[None]:
    """While it is traced a SumPool2d is an average times its cells: torch writes it with signs and absolute values."""
    from sinabs.layers import SumPool2d

    pools = [part for part in model.modules() if type(part) is SumPool2d]
    for pool in pools:
        pool.forward = partial(_sum_pool, pool)
    try:
        yield
    finally:
        for pool in pools:
            del pool.forward


def _sum_pool(pool: Any, x: Any) -> Any:
    import torch

    size = pair(pool.kernel_size)
    return torch.nn.functional.avg_pool2d(x, size, pool.stride, 0, pool.ceil_mode) * float(size[0] * size[1])


def _spikes_a_step(layer: Any, path: str) -> int:
    """0 for any number (MultiSpike), 1 (SingleSpike), or the bound of MaxSpike."""
    from sinabs import activation

    rule = layer.spike_fn
    if rule is activation.MultiSpike:
        return 0
    if rule is activation.SingleSpike:
        return 1
    if isinstance(rule, activation.MaxSpike):
        return int(rule.max_num_spikes_per_bin or 0)
    raise DiagnosticError(REFUSALS["own-rule"].diagnostic(path, type(layer).__name__))


def _reset(layer: Any, options: SpikingOptions, path: str) -> tuple[str, dict[str, Any]]:
    """The reset and its numbers."""
    from sinabs import activation

    rule, threshold = layer.reset_fn, numbers(layer.spike_threshold)
    if isinstance(rule, activation.MembraneSubtract):
        taken = threshold if rule.subtract_value is None else numbers(rule.subtract_value)
        found: tuple[str, dict[str, Any]] = ("subtract", {"taken": taken})
    elif isinstance(rule, activation.MembraneReset):
        found = ("value", {"v_reset": float(rule.reset_value)})
    else:
        raise DiagnosticError(REFUSALS["own-rule"].diagnostic(path, type(layer).__name__))
    asked = {"subtract": ("subtract", {"taken": threshold}), "zero": ("value", {"v_reset": 0.0})}
    return asked.get(options.reset or "", found)


def _alpha(layer: Any) -> Any:
    """Decay of the membrane a step; an IAF keeps all."""
    return numbers(layer.alpha_mem_calculated)


def _gain(layer: Any) -> Any:
    return 1.0 - _alpha(layer) if layer.norm_input else 1.0


def _spec(layer: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    """LIF and IAF, with a synaptic current or without."""
    reset, own = _reset(layer, options, path)
    fields = {"alpha": _alpha(layer), "threshold": numbers(layer.spike_threshold), **own}
    if layer.min_v_mem is not None:
        fields["v_min"] = numbers(layer.min_v_mem)
    kind: type[snn.Neuron] = snn_inclusive.SinabsLif
    if layer.alpha_syn_calculated is not None:
        kind, fields["alpha_syn"] = snn_inclusive.SinabsSynaptic, numbers(layer.alpha_syn_calculated)
    settings = {"reset": reset, "most": _spikes_a_step(layer, path)}
    return NeuronSpec(kind=kind, parameters=fields, settings=settings, gain=_gain(layer))


def _integrator(layer: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    """ExpLeak: the potential itself comes out."""
    if layer.min_v_mem is not None:
        raise DiagnosticError(REFUSALS["bounded-potential"].diagnostic(path, type(layer).__name__))
    fields = {"beta": _alpha(layer), "threshold": np.float32(1)}
    return NeuronSpec(kind=snn.Leaky, settings={"reset": "none"}, parameters=fields, gain=_gain(layer))


def _time_first(layer: Any, x: Any) -> Any:
    """[batch, T, ...] or [batch * T, ...] of one sample to [T, batch, ...]."""
    return x.unsqueeze(1) if hasattr(layer, "num_timesteps") else x.transpose(0, 1)


def _as_given(layer: Any, values: Any) -> Any:
    return values.squeeze(1) if hasattr(layer, "num_timesteps") else values.transpose(0, 1)


def _row(name: str, how: str, read: Any, state: int = 0, **fields: Any) -> NeuronRow:
    """state: whether the membrane comes out in place of spikes."""

    def result(layer: Any, spikes: Any, states: dict[str, Any]) -> Any:
        return _as_given(layer, states["v_mem"] if state else spikes)

    return NeuronRow(
        name=name,
        package=PACKAGE,
        verdict="approximate",
        how=how,
        read=read,
        before=_time_first,
        result=result,
        states=("v_mem",),
        resets=("reset_states",),
        over_time=True,
        **fields,
    )


def _squeezed(name: str, how: str, read: Any, state: int = 0) -> NeuronRow:
    """A layer that is told the batch size, which must be one, or the number of steps."""
    several = {"refusal": "several-samples", "applies": lambda layer: layer.batch_size > 1, "squeezed": True}
    return _row(name, how, read, state, **several)


_BY_RATE = "by rate; several spikes a step are counted"
_LINEAR = "linear in its input: a layer without activation, read as potentials"

REFUSED = {
    "adaptive-threshold": ("ALIF", "ALIFRecurrent"),
    "back-edge": ("LIFRecurrent", "IAFRecurrent"),
    "no-such-layer": ("SpikingMaxPooling2dLayer", "QuantizeLayer", "NeuromorphicReLU", "ChannelShift", "StatefulLayer"),
    "encoder": ("Img2SpikeLayer", "Sig2SpikeLayer"),
}
"""Classes by reason; the last but one holds the base, whose unknown children are refused too."""

ROWS: dict[str, NeuronRow] = {
    row.name: row
    for row in (
        _row("LIF", _BY_RATE, _spec),
        _row("IAF", f"{_BY_RATE}; exact with MembraneSubtract", _spec),
        _row("ExpLeak", _LINEAR, _integrator, 1),
        _squeezed("LIFSqueeze", _BY_RATE, _spec),
        _squeezed("IAFSqueeze", f"{_BY_RATE}; exact with MembraneSubtract", _spec),
        _squeezed("ExpLeakSqueeze", _LINEAR, _integrator, 1),
        NeuronRow(name="SumPool2d", package=PACKAGE, verdict="exact", how="folded into the next layer where it fits"),
        NeuronRow(name="FlattenTime", package=PACKAGE, verdict="exact", how="a change of axes"),
        NeuronRow(name="UnflattenTime", package=PACKAGE, verdict="exact", how="a change of axes, of one sample"),
        NeuronRow(name="Repeat", package=PACKAGE, verdict="exact", how="a container: its layer at every step"),
        *(
            NeuronRow(name=name, package=PACKAGE, verdict="host" if reason == "encoder" else "refused", refusal=reason)
            for reason, names in REFUSED.items()
            for name in names
        ),
    )
}
