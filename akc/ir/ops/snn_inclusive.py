# SPDX-License-Identifier: Apache-2.0
"""Neurons that fire from their threshold on (>=): those of SpikingJelly and of sinabs, in their own equations."""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import WeightName, flag, integer, keyword, number_or_weight
from akc.ir.ops.snn import Neuron


@frozen(kw_only=True)
class SjIf(Neuron):
    """SpikingJelly IFNode: h = v + x, fires where h >= v_threshold; then v = v_reset, or h - v_threshold.

    %s = snn.sj_if(%x, reset=subtract) : f32[T=15, 256] from "if1"
    """

    mnemonic = "snn.sj_if"
    rest = "v_reset"
    v_threshold: float | WeightName = number_or_weight("fires from it on", 1.0)
    v_reset: float | WeightName = number_or_weight("potential after a spike and at the start, with reset=value", 0.0)
    reset: str = keyword("set v to v_reset, or subtract v_threshold", "value", "subtract", default="value")


@frozen(kw_only=True)
class SjLif(SjIf):
    """SpikingJelly LIFNode and ParametricLIFNode: snn.sj_if with h = v + (x - (v - v_reset)) / tau.

    With decay_input off h = v - (v - v_reset) / tau + x; with reset=subtract v_reset counts as 0.

    %s = snn.sj_lif(%x, tau=2.0, decay_input=true) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.sj_lif"
    tau: float | WeightName = number_or_weight("membrane time constant in steps", 2.0)
    decay_input: bool = flag("whether the input is divided by tau too", True)


@frozen(kw_only=True)
class SinabsLif(Neuron):
    """sinabs LIF and IAF: v = alpha v + x; spikes = trunc(v / threshold) where v > 0, at most `most` a step.

    A spike takes `taken` from v, or a step with spikes sets v to v_reset (which sinabs adds at other steps too);
    then v is at least v_min. most=0 is no bound; SingleSpike of sinabs is most=1.

    %s = snn.sinabs_lif(%x, alpha=0.9, taken=1.0) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.sinabs_lif"
    alpha: float | WeightName = number_or_weight("decay of the membrane a step; 1 for IAF", 1.0)
    threshold: float | WeightName = number_or_weight("one spike for each whole multiple", 1.0)
    taken: float | WeightName = number_or_weight("what a spike takes from the potential, with reset=subtract", 1.0)
    v_reset: float | WeightName = number_or_weight("what reset=value adds after v is set to 0 where it fired", 0.0)
    v_min: float | WeightName = number_or_weight("smallest potential", float("-inf"))
    reset: str = keyword("subtract for each spike, or set", "subtract", "value", default="subtract")
    most: int = integer("largest number of spikes a step; 0 for any number", 0, low=0)

    @property
    def spikes_a_step(self) -> float:
        """Any number, or `most`."""
        return float(self.most or "inf")


@frozen(kw_only=True)
class SinabsSynaptic(SinabsLif):
    """snn.sinabs_lif with a synaptic current: i = alpha_syn (i + x); v = alpha v + i.

    %s = snn.sinabs_synaptic(%x, alpha=0.9, alpha_syn=0.8) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.sinabs_synaptic"
    alpha_syn: float | WeightName = number_or_weight("decay of the synaptic current a step")
