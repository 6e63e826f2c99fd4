# SPDX-License-Identifier: Apache-2.0
"""Which way a spiking network goes onto the chip: by rates, step by step, or with its neurons on the host."""

from __future__ import annotations

from akc.ir.module import Module
from akc.ir.ops import host, snn, snn_gated
from akc.passes.shared.neurons.memoryless import memoryless

WAYS = ("rate", "step", "hybrid")


def is_spiking(module: Module) -> bool:
    """Whether the net holds neurons that nothing has lowered yet, or loops through time."""
    return any(isinstance(op, snn.Neuron | host.Previous) for op in module.net.ops)


def choose_way(module: Module, host_allowed: bool) -> tuple[str, str]:
    """The way that suits a network, and the reason in words."""
    neurons = [op for op in module.net.ops if isinstance(op, snn.Neuron)]
    if any(isinstance(op, host.Previous) for op in module.net.ops):
        return "hybrid", "it feeds spikes back, which the host must do" if host_allowed else "it feeds spikes back"
    others = [op for op in neurons if isinstance(op, snn_gated.Gated) or op.unusual]
    if others and host_allowed:
        return "hybrid", f"{others[0].mnemonic} is nothing that a pass by rates answers like; the host keeps it exactly"
    firing = [op for op in neurons if op.fires]
    timed = any(v.type.steps is not None for v in module.net.inputs)
    if timed and firing and len(firing) == len(neurons) and all(memoryless(op, module) for op in firing):
        return "step", "its neurons keep nothing from step to step, so that single steps are exact"
    if host_allowed and any(kind.steps is not None for kind in module.net.output_types):
        return "hybrid", "it gives a result for each step, and rates give one a window"
    return "rate", "its neurons keep a membrane; one pass a window is nearer to the source, and cheaper"
