# SPDX-License-Identifier: Apache-2.0
"""docs/compatibility.md, made from the spiking frontends' own tables; `python -m akc.pages` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from akc.frontends.spiking import (
    bindsnet,
    bindsnet_connections,
    lava,
    nir,
    norse,
    sinabs,
    snntorch,
    spikingjelly,
)
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.spiking.timeloop import NeuronRow
from akc.ir.module import Module
from akc.ir.parser import parse
from akc.pages.markdown import table

STEPS, TOP = 15, 15
"""Steps of the window and levels of the chip in the measurement."""

FRAMEWORKS: tuple[tuple[str, str, Mapping[str, NeuronRow]], ...] = (
    ("snnTorch 1.0.0", "snntorch", snntorch.ROWS),
    ("Norse 1.1.0", "norse", norse.ROWS),
    ("SpikingJelly 2.0.0", "spikingjelly", spikingjelly.ROWS),
    ("sinabs 3.1.3", "sinabs", sinabs.ROWS),
    ("BindsNET 0.3.4", "bindsnet", bindsnet.ROWS | bindsnet_connections.ROWS),
    ("NIR 1.0.8", "nir", nir.ROWS),
    ("lava-dl 0.6.0", "lava", lava.ROWS),
)

EXAMPLES: dict[str, dict[str, str]] = {
    "snntorch": {
        "Leaky": "snn.leaky(%x, beta=0.9)",
        "Lapicque": "snn.lapicque(%x, resistance=5.0, capacitance=2.0)",
        "Synaptic": "snn.synaptic(%x, alpha=0.8, beta=0.9)",
        "LeakyParallel": "snn.leaky_parallel(%x, beta=0.9)",
        "StateLeaky": "snn.state_leaky(%x, tau=10.0)",
        "LinearLeaky": "snn.state_leaky(%x, tau=10.0)",
        "Alpha": "snn.alpha(%x, alpha=0.9, beta=0.8)",
    },
    "norse": {
        "LIFBoxCell": "snn.lif_box(%x)",
        "LIFCell": "snn.lif(%x)",
        "LIF": "snn.lif(%x)",
        "IAFCell": "snn.iaf(%x)",
        "IAF": "snn.iaf(%x)",
        "LICell": "snn.li(%x, output=membrane)",
        "LI": "snn.li(%x, output=membrane)",
        "LILinearCell": "snn.li(%x, output=membrane)",
        "LIBoxCell": "snn.li_box(%x, output=membrane)",
        "LSNNCell": "snn.lsnn(%x)",
        "LIFExCell": "snn.lif_ex(%x)",
        "LIFAdExCell": "snn.lif_adex(%x)",
    },
    "spikingjelly": {
        "IFNode": "snn.sj_if(%x)",
        "LIFNode": "snn.sj_lif(%x)",
        "ParametricLIFNode": "snn.sj_lif(%x)",
        "NonSpikingIFNode": "snn.leaky(%x, output=membrane, beta=1.0, reset=none)",
        "NonSpikingLIFNode": "snn.li_box(%x, output=membrane, tau_mem_inv=0.5, dt=1.0)",
    },
    "sinabs": {
        "IAF": "snn.sinabs_lif(%x)",
        "IAFSqueeze": "snn.sinabs_lif(%x)",
        "LIF": "snn.sinabs_lif(%x, alpha=0.9)",
        "LIFSqueeze": "snn.sinabs_lif(%x, alpha=0.9)",
        "ExpLeak": "snn.leaky(%x, output=membrane, beta=0.9, reset=none)",
        "ExpLeakSqueeze": "snn.leaky(%x, output=membrane, beta=0.9, reset=none)",
    },
    "bindsnet": {
        "IFNodes": "snn.if_nodes(%x, refrac=0.0)",
        "LIFNodes": "snn.lif_nodes(%x, refrac=0.0, decay=0.99004984)",
        "BoostedLIFNodes": "snn.lif_nodes(%x, thresh=13.0, reset=0.0, rest=0.0, refrac=0.0, decay=0.99004984)",
        "CurrentLIFNodes": "snn.current_lif_nodes(%x, refrac=0.0, decay=0.99004984, i_decay=0.60653067)",
        "AdaptiveLIFNodes": "snn.lif_nodes(%x, refrac=0.0, decay=0.99004984)",
        "DiehlAndCookNodes": "snn.lif_nodes(%x, refrac=0.0, decay=0.99004984)",
    },
    "nir": {
        "LIF": "snn.lif_box(%x)",
        "IF": "snn.iaf(%x)",
        "CubaLIF": "snn.cubalif(%x, tau_syn=0.0005, tau_mem=0.001)",
        "LI": "snn.li_box(%x, output=membrane)",
        "I": "snn.leaky(%x, output=membrane, beta=1.0, reset=none)",
        "CubaLI": "snn.li(%x, output=membrane)",
    },
    "lava": {
        "input": "snn.cuba(%x, current_decay=4096, voltage_decay=128, threshold=80)",
        "CUBA": "snn.cuba(%x, current_decay=4096, voltage_decay=128, threshold=80)",
        "LOIHI": "snn.cuba(%x, current_decay=4096, voltage_decay=128, threshold=80)",
    },
}
"""Neurons that the errors are measured with: the framework's default parameters, or usual ones."""


def _one_neuron(text: str) -> Module:
    kind = f"f32[T={STEPS}, 1]"
    return parse(f"akir 1.0\n\nnet @n(%x: {kind}) -> {kind} {{\n  %s = {text} : {kind}\n  return %s\n}}\n")


@cache
def measured_error(text: str) -> str:
    """The error of a neuron in a pass by rates, measured now: in levels of its staircase, or in percent of its range.

    Neurons that fire: root mean square distance of the count from its best even staircase, in levels of 15, T = 15.
    Integrators: that of the mean potential from a straight line over constant currents, in percent of its range.
    """
    from akc.passes.shared.neurons.staircase import staircase
    from akc.sim.run import run

    module = _one_neuron(text)
    op: Any = module.net.producer("s")
    if op.output == "spikes":
        return f"{float(staircase(op, module, STEPS, TOP).error.max()):.1f} levels of 15"
    currents = np.linspace(-1, 1, 41, dtype=np.float32)
    means = run(module, np.tile(currents[:, None, None], (1, STEPS, 1)))["s"].mean(axis=(1, 2))
    line = np.polyval(np.polyfit(currents, means, 1), currents)
    return f"{100 * float(np.sqrt(np.mean((means - line) ** 2))) / float(np.ptp(means)):.1f} % of the range"


def _cells(framework: str, row: NeuronRow) -> tuple[str, ...]:
    example = EXAMPLES[framework].get(row.name)
    error = f"{measured_error(example)}, `{example}`" if example else ""
    if row.refusal and row.verdict != "exact":
        message = REFUSALS[row.refusal].diagnostic("NAME", row.name)
        words = f"{message.code}: {message.message.replace('layer ', '')}. {'; '.join(message.help)}"
        return row.name, row.verdict, words, error
    return row.name, row.verdict, row.how, error


INTRODUCTION = f"""# Which spiking layers go onto the chip

Made from the tables of the frontends by `python -m akc.pages`.

- **exact**: nothing is lost but the rounding of weights.
- **approximate**: the chip has no membrane; a neuron becomes a staircase of spike counts over its mean current
  (see [rate](passes/rate.md)). The error is the root mean square distance of the neuron's own count in
  {STEPS} steps of a constant current from that staircase, from 0 to saturation, before calibration
  ([fit-rate](passes/fit-rate.md)) fits it to the network. Hard resets have uneven counts and large errors there,
  which networks mostly forgive. Integrators that never fire are lines; theirs is the distance from a straight one.
- **host**: the chip computes the potentials, the host the rest, with `--host=allow` (see [hybrid](passes/hybrid.md)).
- **refused**: by this message, with NAME for the layer's name.

Layers between neurons (dense, convolution, pooling, batch normalisation, flatten ...) are those of
[PyTorch modules](frontends/torch.md)."""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, key, rows in FRAMEWORKS:
        order = {"exact": 0, "approximate": 1, "host": 2, "refused": 3}
        cells = (_cells(key, row) for row in sorted(rows.values(), key=lambda r: order[r.verdict]))
        parts.append(f"## [{title}](frontends/{key}.md)")
        parts.append(table(("class", "verdict", "how, or the message", "measured error"), cells))
    return "\n\n".join(parts) + "\n"
