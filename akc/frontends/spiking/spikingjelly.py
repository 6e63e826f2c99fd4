# SPDX-License-Identifier: Apache-2.0
"""SpikingJelly networks, live: what each neuron class becomes, and `read_spikingjelly`.

The equations are those of SpikingJelly 2.0.0 (activation_based/neuron), which those of 0.0.0.0.14 are too. A neuron
keeps its own state and fires from its threshold on; in step mode "m" it takes all steps at once, time first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from akc.frontends.spiking.reader import NeuronSpec, SpikingOptions
from akc.frontends.spiking.snntorch import numbers
from akc.frontends.spiking.timeloop import NeuronRow, read_loop
from akc.ir.module import Module
from akc.ir.ops import snn, snn_inclusive

PACKAGE = "spikingjelly"


def read_spikingjelly(
    model: Any, example: Any, options: SpikingOptions | None = None, name: str | None = None
) -> Module:
    """The network of a live torch module with SpikingJelly neurons, single-step or multi-step.

    example, time loops and read-outs are as for `akc.frontends.spiking.snntorch.read_snntorch`; in step mode "m" a
    module whose forward takes all steps has them first, [T, batch, ...]. Raises DiagnosticError AKC0370 to AKC0386 and
    those of read_torch.
    """
    return read_loop(model, example, ROWS, options or SpikingOptions(), name)


def _spec(kind: type[snn.Neuron], **parameters: Callable[[Any], Any]) -> Any:
    """A reader of nodes: threshold and reset, which all have, and further parameters."""

    def read(node: Any, options: SpikingOptions, path: str) -> NeuronSpec:
        soft = node.v_reset is None
        if options.reset is not None:
            soft = options.reset == "subtract"
        level = {} if soft else {"v_reset": float(node.v_reset or 0.0)}
        settings: dict[str, Any] = {"reset": "subtract" if soft else "value"}
        if hasattr(node, "decay_input") and "tau" in parameters:
            settings["decay_input"] = bool(node.decay_input)
        own = {key: get(node) for key, get in parameters.items()}
        return NeuronSpec(
            kind=kind, parameters={**own, "v_threshold": numbers(node.v_threshold), **level}, settings=settings
        )

    return read


def _learned_tau(node: Any) -> Any:
    return numbers(1.0 / node.w.detach().double().sigmoid())


_IF = _spec(snn_inclusive.SjIf)
_LIF = _spec(snn_inclusive.SjLif, tau=lambda node: numbers(node.tau))
_PLIF = _spec(snn_inclusive.SjLif, tau=_learned_tau)


def _integrator(node: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    return NeuronSpec(kind=snn.Leaky, settings={"reset": "none"}, parameters={"beta": 1.0, "threshold": 1.0})


def _leaky_integrator(node: Any, options: SpikingOptions, path: str) -> NeuronSpec:
    numbers_ = {"tau_mem_inv": 1.0 / float(node.tau), "v_leak": 0.0}
    return NeuronSpec(kind=snn.LiBox, settings={"dt": 1.0}, parameters=numbers_)


DECODINGS: dict[str | None, Callable[[Any], Any]] = {
    None: lambda v: list(v),
    "max-mem": lambda v: v.max(0).values,
    "mean-mem": lambda v: v.mean(0),
    "last_mem": lambda v: v[-1],
}
"""What a NonSpikingNode gives, by its `decode`, from its potentials [T, ...]."""


def _spiking(name: str, how: str, read: Any) -> NeuronRow:
    return NeuronRow(
        name=name,
        package=PACKAGE,
        verdict="approximate",
        how=how,
        read=read,
        refusal="smooth-spikes",
        applies=lambda node: not getattr(node.surrogate_function, "spiking", True),
        states=("v",),
        keeps=True,
        resets=("reset",),
        over_time=lambda node: getattr(node, "step_mode", "s") == "m",
    )


def _potentials(name: str, read: Any) -> NeuronRow:
    return NeuronRow(
        name=name,
        package=PACKAGE,
        verdict="approximate",
        how="linear in its input: a layer without activation; decode is the read-out",
        read=read,
        refusal="no-such-layer",
        applies=lambda node: node.decode not in DECODINGS,
        states=("v",),
        result=lambda node, spikes, states: DECODINGS[node.decode](states["v"]),
        over_time=True,
    )


def _layer(name: str, how: str) -> NeuronRow:
    return NeuronRow(name=name, package=PACKAGE, verdict="exact", how=how)


_BY_RATE = "by rate, fitted to the neuron's simulated staircase"

REFUSED = {
    "neuron-model": (
        "KLIFNode", "QIFNode", "EIFNode", "IzhikevichNode", "STBIFNode", "GatedLIFNode", "ComplementaryLIFNode",
        "CUBALIFNode", "LIAFNode", "ILIFNode", "RAFNode", "FewSpikeNode", "FlexSN", "PSN", "MaskedPSN", "SlidingPSN",
        "TernaryIFNode", "TernaryLIFNode", "DSRIFNode", "DSRLIFNode", "HalfThresholdIFNode", "ActivationAwareIFNode",
        "OutlierAwareThresholdNode", "OTTTLIFNode", "SLTTLIFNode", "MPBNLIFNode", "MPBNBaseNode", "HGNode",
        "ILCIFNode", "ILCLIFNode", "ILCCUBALIFNode", "ILCBaseNode", "AdaptBaseNode", "SynapseFilter", "BaseNode",
        "SimpleBaseNode", "NonSpikingBaseNode",
    ),
    "stochastic": (
        "NoisyBaseNode", "NoisyCUBALIFNode", "NoisyILCBaseNode", "NoisyILCCUBALIFNode", "NoisyNonSpikingBaseNode",
        "NoisyNonSpikingIFNode",
    ),
    "spiking-attention": (
        "SpikingSelfAttention", "SpikeDrivenSelfAttention", "QKAttention", "TokenQKAttention", "ChannelQKAttention",
        "TemporalWiseAttention", "MultiDimensionalAttention",
    ),
    "back-edge": ("LinearRecurrentContainer", "ElementWiseRecurrentContainer"),
    "axonal-delay": ("Delay",),
    "per-step-norm": (
        "BatchNormThroughTime1d", "BatchNormThroughTime2d", "BatchNormThroughTime3d", "TemporalEffectiveBatchNorm1d",
        "TemporalEffectiveBatchNorm2d", "TemporalEffectiveBatchNorm3d", "NeuNorm",
    ),
    "encoder": (
        "PoissonEncoder", "LatencyEncoder", "WeightedPhaseEncoder", "PeriodicEncoder", "PopSpikeEncoderDeterministic",
        "PopSpikeEncoderRandom",
    ),
}  # fmt: skip
"""Classes by reason; bases stand last, whose unknown children are refused too."""

ROWS: dict[str, NeuronRow] = {
    row.name: row
    for row in (
        _spiking("IFNode", f"{_BY_RATE}; exact with soft reset (v_reset=None)", _IF),
        _spiking("LIFNode", _BY_RATE, _LIF),
        _spiking("ParametricLIFNode", f"{_BY_RATE}; tau is 1 / sigmoid(w)", _PLIF),
        _potentials("NonSpikingIFNode", _integrator),
        _potentials("NonSpikingLIFNode", _leaky_integrator),
        _layer("Linear", "layer.*: as in torch.nn, in both step modes"),
        _layer("Conv2d", "layer.*: as in torch.nn, in both step modes"),
        _layer("BatchNorm2d", "layer.*: as in torch.nn, in both step modes"),
        _layer("ThresholdDependentBatchNorm2d", "tdBN: a batch normalisation like any other once trained"),
        _layer("SeqToANNContainer", "a container"),
        _layer("MultiStepContainer", "a container"),
        *(
            NeuronRow(name=name, package=PACKAGE, verdict="host" if reason == "encoder" else "refused", refusal=reason)
            for reason, names in REFUSED.items()
            for name in names
        ),
    )
}
