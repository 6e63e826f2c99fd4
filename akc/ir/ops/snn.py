# SPDX-License-Identifier: Apache-2.0
"""Spiking neurons, with the parameters of their source's own equations.

Every neuron reads an input current with a time axis and gives, at each step, its spikes or, with
`output=membrane`, its membrane potential. Parameters are one number for all neurons, a vector over
the last axis, or a tensor of the value's own shape. akc/sim/neurons.py runs the equations.
"""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import (
    WeightName,
    fields_of,
    flag,
    integer,
    keyword,
    number,
    number_or_weight,
    operand,
)
from akc.ir.module import Op
from akc.ir.ops import nn
from akc.ir.signature import TypeFault, Types, need_dtype
from akc.ir.types import TensorType

RESETS = ("subtract", "zero", "none")

TOUCHES = ("keep", "drop", "take", "add", "low", "high")
"""Fields of what is done to a membrane between steps."""


@frozen(kw_only=True)
class Neuron(Op):
    """What all neurons share: an input current over time; spikes or the membrane come out.

    Code around a neuron may start its membrane u and change it between steps; with spikes s of a step the next one
    goes on from clip(keep u - s (drop u + take) + add, low, high). What comes out is u as the neuron leaves it.
    """

    x: str = operand("input current, f32[T=steps, ...]")
    output: str = keyword("what comes out at each step", "spikes", "membrane", default="spikes")
    start: float | WeightName | None = number_or_weight("membrane before the first step; its rest where absent", None)
    keep: float | WeightName = number_or_weight("share of the membrane that goes on to the next step", 1.0)
    drop: float | WeightName = number_or_weight("share of the membrane that is taken off where it fired", 0.0)
    take: float | WeightName = number_or_weight("what is taken off the membrane where it fired", 0.0)
    add: float | WeightName = number_or_weight("what is added to the membrane between steps", 0.0)
    low: float | WeightName = number_or_weight("smallest membrane that goes on", float("-inf"))
    high: float | WeightName = number_or_weight("largest membrane that goes on", float("inf"))
    fires = True
    """Whether the neuron ever spikes (leaky integrators do not)."""

    rests_at = ""
    """The parameter that the membrane starts at; 0 where there is none."""

    touchable = True
    """Whether the membrane is a state of its own, which code around the neuron can set."""

    unusual = ""
    """Why the neuron is no threshold on a leaky sum; rate takes such neurons with fit=true only."""

    @property
    def spikes_a_step(self) -> float:
        """The largest number of spikes in one step."""
        return 1.0

    @property
    def parameters(self) -> dict[str, float | WeightName]:
        """The fields that may be one number or a weight, by name."""
        kinds = [f for f in fields_of(type(self)) if f.kind.doc == "number or weight"]
        return {f.name: value for f in kinds if (value := getattr(self, f.name)) is not None}

    @property
    def touched(self) -> tuple[str, ...]:
        """The fields by which code around the neuron sets its membrane, apart from `start`."""
        usual = {f.name: f.default for f in fields_of(type(self)) if f.name in TOUCHES}
        return tuple(name for name, default in usual.items() if getattr(self, name) != default)

    def infer(self, types: Types) -> TensorType:
        """The type of the input current."""
        x = types.value(self.x)
        need_dtype(x, self.mnemonic, "f32")
        if x.steps is None:
            raise TypeFault(f"%{self.x} has no time axis, found {x}", "x", help="put host.repeat(steps=...) in front")
        self.check_touches()
        for key, value in self.parameters.items():
            if isinstance(value, WeightName):
                self._check_parameter(types, key, value, x)
        return x

    def check_touches(self) -> None:
        """Raise TypeFault where a membrane is set that is no state of its own."""
        wrong = ("start",) * (self.start is not None) + self.touched
        if wrong and not self.touchable:
            raise TypeFault(f"{self.mnemonic} has no membrane that code around it can set", wrong[0])

    def _check_parameter(self, types: Types, key: str, name: WeightName, x: TensorType) -> None:
        shape = types.weight(name).shape
        if shape not in (x.shape[-1:], x.shape):
            wanted = f"[{x.shape[-1] if x.shape else 1}] or {list(x.shape)}"
            raise TypeFault(f"#{name} is {types.weight(name)}, {wanted} is needed", key)


# -- snnTorch: S = [U > threshold] ---------------------------------------------------------------


@frozen(kw_only=True)
class Leaky(Neuron):
    """snn.Leaky of snnTorch: U = beta U + x, minus the threshold (or set to 0) where the last U fired.

    With reset_delay off the reset already acts at the end of the step that fired.

    %s = snn.leaky(%x, beta=0.9, threshold=1.0, reset=subtract) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.leaky"
    beta: float | WeightName = number_or_weight("decay of the membrane a step, 0 to 1")
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    reset: str = keyword("what a spike does to the membrane", *RESETS, default="subtract")
    reset_delay: bool = flag("whether the reset waits for the next step", True)


@frozen(kw_only=True)
class Lapicque(Neuron):
    """snn.Lapicque: U = x time_step / C + (1 - time_step / (R C)) U; its zero reset also discards the input.

    %s = snn.lapicque(%x, resistance=5.0, capacitance=2.0, threshold=0.5) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lapicque"
    resistance: float | WeightName = number_or_weight("R")
    capacitance: float | WeightName = number_or_weight("C")
    time_step: float | WeightName = number_or_weight("length of a step in units of R C", 1.0)
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    reset: str = keyword("what a spike does to the membrane", *RESETS, default="subtract")


@frozen(kw_only=True)
class Synaptic(Neuron):
    """snn.Synaptic: A = alpha A + x; U = beta U + A.

    %s = snn.synaptic(%x, alpha=0.8, beta=0.9) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.synaptic"
    alpha: float | WeightName = number_or_weight("decay of the synaptic current a step, 0 to 1")
    beta: float | WeightName = number_or_weight("decay of the membrane a step, 0 to 1")
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    reset: str = keyword("what a spike does to the membrane", *RESETS, default="subtract")
    reset_delay: bool = flag("whether the reset waits for the next step", True)


@frozen(kw_only=True)
class RLeaky(Neuron):
    """snn.RLeaky: U = beta U + x + feedback; feedback is made from host.previous of its own spikes.

    Its zero reset throws the input of the step away too.

    %s = snn.rleaky(%x, %feedback, beta=0.9) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.rleaky"
    feedback: str = operand("recurrent current, f32[T=steps, ...]")
    beta: float | WeightName = number_or_weight("decay of the membrane a step, 0 to 1")
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    reset: str = keyword("what a spike does to the membrane", *RESETS, default="subtract")
    reset_delay: bool = flag("whether the reset waits for the next step", True)


@frozen(kw_only=True)
class LeakyParallel(Neuron):
    """snn.LeakyParallel with a diagonal recurrent matrix: U = max(x + (beta U + bias), 0); no reset.

    %s = snn.leaky_parallel(%x, beta=0.9) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.leaky_parallel"
    touchable = False
    beta: float | WeightName = number_or_weight("diagonal of weight_hh")
    bias: float | WeightName = number_or_weight("bias_hh", 0.0)
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)


@frozen(kw_only=True)
class StateLeaky(Neuron):
    """snn.StateLeaky: U = sum over k of exp(-k / tau) x[t - k]; no reset.

    %s = snn.state_leaky(%x, tau=10.0) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.state_leaky"
    touchable = False
    tau: float | WeightName = number_or_weight("time constant in steps, 1 / (1 - beta)")
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)


@frozen(kw_only=True)
class Alpha(Neuron):
    """snn.Alpha: exc = alpha exc + x; inh = beta inh - x; U = tau (exc + inh), tau = ln alpha / ln(beta / alpha) + 1.

    A spike takes the threshold from exc with reset subtract, and sets inh to 0; alpha must be above beta.

    %s = snn.alpha(%x, alpha=0.9, beta=0.8) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.alpha"
    touchable = False
    unusual = "answers each current with a pulse that rises and falls, the difference of two decays"
    alpha: float | WeightName = number_or_weight("decay of the rising part a step, 0 to 1")
    beta: float | WeightName = number_or_weight("decay of the falling part a step, below alpha")
    threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    reset: str = keyword("what a spike does to the membrane", *RESETS, default="zero")


# -- Norse: S = [v > v_th] -----------------------------------------------------------------------


@frozen(kw_only=True)
class Lif(Neuron):
    """norse LIFCell: i += x; v += dt tau_mem_inv (v_leak - v + i); i -= dt tau_syn_inv i; v = v_reset where it fired.

    %s = snn.lif(%x, tau_syn_inv=200.0, tau_mem_inv=100.0, dt=0.001) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lif"
    rests_at = "v_leak"
    tau_syn_inv: float | WeightName = number_or_weight("1 / synaptic time constant, 1/s", 200.0)
    tau_mem_inv: float | WeightName = number_or_weight("1 / membrane time constant, 1/s", 100.0)
    v_leak: float | WeightName = number_or_weight("potential at rest", 0.0)
    v_th: float | WeightName = number_or_weight("fires above it", 1.0)
    v_reset: float | WeightName = number_or_weight("potential after a spike", 0.0)
    dt: float = number("length of a step, s", 0.001)


@frozen(kw_only=True)
class LifRecurrent(Lif):
    """norse LIFRecurrentCell: snn.lif whose current also jumps by `feedback`.

    %s = snn.lif_recurrent(%x, %feedback, dt=0.001) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lif_recurrent"
    feedback: str = operand("recurrent current, f32[T=steps, ...]")


@frozen(kw_only=True)
class LifBox(Neuron):
    """norse LIFBoxCell: v += dt tau_mem_inv (x + v_leak - v); NIR's LIF is the same with tau = 1 / tau_mem_inv.

    %s = snn.lif_box(%x, tau_mem_inv=100.0, reset=value) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lif_box"
    rests_at = "v_leak"
    tau_mem_inv: float | WeightName = number_or_weight("1 / membrane time constant, 1/s", 100.0)
    v_leak: float | WeightName = number_or_weight("potential at rest", 0.0)
    v_th: float | WeightName = number_or_weight("fires above it", 1.0)
    v_reset: float | WeightName = number_or_weight("potential after a spike, with reset=value", 0.0)
    reset: str = keyword("set v to v_reset, or subtract v_th", "value", "subtract", default="value")
    dt: float = number("length of a step, s", 0.001)


@frozen(kw_only=True)
class Iaf(Neuron):
    """norse IAFCell and NIR's IF: v += x; v = v_reset where it fired, or v - v_th.

    %s = snn.iaf(%x, v_th=1.0) : f32[T=15, 256] from "if1"
    """

    mnemonic = "snn.iaf"
    rests_at = "v_reset"
    v_th: float | WeightName = number_or_weight("fires above it", 1.0)
    v_reset: float | WeightName = number_or_weight("potential after a spike, with reset=value", 0.0)
    reset: str = keyword("set v to v_reset, or subtract v_th", "value", "subtract", default="value")


@frozen(kw_only=True)
class Lsnn(Lif):
    """norse LSNNCell: a lif whose threshold b moves; v follows the current of the step before.

    v += dt tau_mem_inv (v_leak - v + i); b += dt tau_adapt_inv (v_th - b); fires where v > b, which sets
    v = v_reset and b += beta; then i -= dt tau_syn_inv i and i += x.

    %s = snn.lsnn(%x, tau_adapt_inv=0.00125, beta=1.8) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lsnn"
    unusual = "moves its threshold with each spike"
    tau_adapt_inv: float | WeightName = number_or_weight("1 / time constant of the threshold, 1/s", 0.00125)
    beta: float | WeightName = number_or_weight("what a spike adds to the threshold", 1.8)


@frozen(kw_only=True)
class Li(Neuron):
    """norse LICell: snn.lif that never fires; the membrane comes out.

    %v = snn.li(%x, output=membrane, tau_syn_inv=200.0, tau_mem_inv=100.0) : f32[T=15, 10] from "out"
    """

    mnemonic = "snn.li"
    rests_at = "v_leak"
    fires = False
    tau_syn_inv: float | WeightName = number_or_weight("1 / synaptic time constant, 1/s", 200.0)
    tau_mem_inv: float | WeightName = number_or_weight("1 / membrane time constant, 1/s", 100.0)
    v_leak: float | WeightName = number_or_weight("potential at rest", 0.0)
    dt: float = number("length of a step, s", 0.001)


@frozen(kw_only=True)
class LiBox(Neuron):
    """norse LIBoxCell: v += dt tau_mem_inv (v_leak - v + x); never fires.

    %v = snn.li_box(%x, output=membrane, tau_mem_inv=100.0) : f32[T=15, 10] from "out"
    """

    mnemonic = "snn.li_box"
    rests_at = "v_leak"
    fires = False
    tau_mem_inv: float | WeightName = number_or_weight("1 / membrane time constant, 1/s", 100.0)
    v_leak: float | WeightName = number_or_weight("potential at rest", 0.0)
    dt: float = number("length of a step, s", 0.001)


# -- NIR -----------------------------------------------------------------------------------------


@frozen(kw_only=True)
class CubaLif(Neuron):
    """NIR CubaLIF by forward Euler: i += dt / tau_syn (w_in x - i); v += dt / tau_mem (v_leak - v + r i).

    %s = snn.cubalif(%x, tau_syn=0.005, tau_mem=0.01, dt=0.0001) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.cubalif"
    rests_at = "v_leak"
    tau_syn: float | WeightName = number_or_weight("synaptic time constant, s")
    tau_mem: float | WeightName = number_or_weight("membrane time constant, s")
    r: float | WeightName = number_or_weight("resistance", 1.0)
    w_in: float | WeightName = number_or_weight("weight of the input", 1.0)
    v_leak: float | WeightName = number_or_weight("potential at rest", 0.0)
    v_threshold: float | WeightName = number_or_weight("fires above it", 1.0)
    v_reset: float | WeightName = number_or_weight("potential after a spike, with reset=value", 0.0)
    reset: str = keyword("set v to v_reset, or subtract v_threshold", "value", "subtract", default="value")
    dt: float = number("length of a step, s", 0.0001)


# -- BindsNET: S = [v >= thresh] -----------------------------------------------------------------


@frozen(kw_only=True)
class McCullochPitts(Neuron):
    """BindsNET McCullochPitts: fires where x >= thresh; keeps nothing.

    %s = snn.mcculloch_pitts(%x, thresh=1.0) : f32[T=15, 256] from "Y"
    """

    mnemonic = "snn.mcculloch_pitts"
    touchable = False
    thresh: float | WeightName = number_or_weight("fires from it on", 1.0)


@frozen(kw_only=True)
class _Refractory(Neuron):
    """Nodes that take no input for some time after a spike."""

    thresh: float | WeightName = number_or_weight("fires from it on", -52.0)
    reset: float | WeightName = number_or_weight("potential after a spike", -65.0)
    refrac: float = number("time without input after a spike, in units of dt", 5.0, low=0.0)
    dt: float = number("length of a step", 1.0)
    lower_bound: float = number("smallest potential", float("-inf"))


@frozen(kw_only=True)
class IfNodes(_Refractory):
    """BindsNET IFNodes: v += x outside the refractory time.

    %s = snn.if_nodes(%x, thresh=-52.0, reset=-65.0, refrac=5.0) : f32[T=250, 100] from "Y"
    """

    mnemonic = "snn.if_nodes"


@frozen(kw_only=True)
class LifNodes(_Refractory):
    """BindsNET LIFNodes: v = decay (v - rest) + rest, plus x outside the refractory time.

    AdaptiveLIFNodes and DiehlAndCookNodes with learning off are this with thresh + theta as thresh;
    BoostedLIFNodes is this with rest 0 and reset 0.

    %s = snn.lif_nodes(%x, thresh=-52.0, reset=-65.0, refrac=5.0, rest=-65.0, decay=0.99) : f32[T=250, 100] from "Y"
    """

    mnemonic = "snn.lif_nodes"
    rest: float | WeightName = number_or_weight("potential at rest", -65.0)
    decay: float | WeightName = number_or_weight("decay of v - rest a step")


@frozen(kw_only=True)
class CurrentLifNodes(LifNodes):
    """BindsNET CurrentLIFNodes: i = i_decay i + x; v = decay (v - rest) + rest, plus i outside the refractory time.

    %s = snn.current_lif_nodes(%x, thresh=-52.0, refrac=5.0, decay=0.99, i_decay=0.6) : f32[T=250, 100] from "Y"
    """

    mnemonic = "snn.current_lif_nodes"
    i_decay: float | WeightName = number_or_weight("decay of the current a step")


# -- lava ----------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Cuba(Neuron):
    """lava's LIF on Loihi, in integers: u = decay(u) + 64 x; v = decay(v) + u + bias; fires where v > 64 threshold.

    decay(n) is n (4096 - d) / 4096 cut towards zero. A spike sets v to 0 and holds it there for
    `refractory` - 1 further steps.

    %s = snn.cuba(%x, current_decay=4096, voltage_decay=128, threshold=80) : f32[T=16, 200] from "layer1"
    """

    mnemonic = "snn.cuba"
    touchable = False
    current_decay: int = integer("share of the current lost a step, in 1/4096", low=0, high=4096)
    voltage_decay: int = integer("share of the potential lost a step, in 1/4096", low=0, high=4096)
    threshold: int = integer("fires above 64 times it", low=0)
    bias: float | WeightName = number_or_weight("added to the potential at each step", 0.0)
    refractory: int = integer("steps from a spike until the neuron integrates again", 1, low=1)


# -- on the way to the chip ----------------------------------------------------------------------


@frozen(kw_only=True)
class Levels(nn.Clip):
    """Whole levels, as the chip gives them: min(max(ceil(x - 1/2), 0), high); what a neuron becomes by rate.

    %n = snn.levels(%x, high=15.0) : f32[256] from "lif1"
    """

    mnemonic = "snn.levels"
