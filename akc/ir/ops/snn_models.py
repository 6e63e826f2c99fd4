# SPDX-License-Identifier: Apache-2.0
"""Neuron models beyond the leaky sum: exact on the host, by rate only where a fit to samples is asked for."""

from __future__ import annotations

from attrs import frozen

from akc.ir.fields import WeightName, number, number_or_weight
from akc.ir.ops.snn import Lif, Neuron


@frozen(kw_only=True)
class LifEx(Lif):
    """norse LIFExCell: snn.lif with delta_t exp((v - v_th) / delta_t) beside the leak, from the old v.

    %s = snn.lif_ex(%x, delta_t=0.5) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lif_ex"
    unusual = "adds an exponential of its potential to the current"
    delta_t: float | WeightName = number_or_weight("sharpness of the exponential", 0.5)


@frozen(kw_only=True)
class LifAdex(LifEx):
    """norse LIFAdExCell: snn.lif_ex less a current a that follows v, and that each spike raises.

    a += dt tau_ada_inv (adaptation_current (v - v_leak) - a), from the old v; a spike adds adaptation_spike.

    %s = snn.lif_adex(%x, adaptation_current=4.0, adaptation_spike=0.02) : f32[T=15, 256] from "lif1"
    """

    mnemonic = "snn.lif_adex"
    unusual = "adds an exponential of its potential, and a current that adapts"
    tau_ada_inv: float | WeightName = number_or_weight("1 / time constant of the adaptation, 1/s", 2.0)
    adaptation_current: float | WeightName = number_or_weight("how strongly the adaptation follows v", 4.0)
    adaptation_spike: float | WeightName = number_or_weight("what a spike adds to the adaptation", 0.02)


@frozen(kw_only=True)
class Izhikevich(Neuron):
    """norse IzhikevichCell: v += tau_inv dt (sq v v + mn v + bias - u + x); u += tau_inv dt a (b v - u), both from
    the old v; fires where v > v_th, which sets v = c and adds d to u.

    %s = snn.izhikevich(%x, a=0.02, b=0.2, c=-65.0, d=6.0, v_start=-70.0, u_start=-14.0) : f32[T=15, 256] from "l1"
    """

    mnemonic = "snn.izhikevich"
    unusual = "has quadratic dynamics and a recovery variable"
    a: float | WeightName = number_or_weight("rate of the recovery")
    b: float | WeightName = number_or_weight("how strongly the recovery follows v")
    c: float | WeightName = number_or_weight("potential after a spike")
    d: float | WeightName = number_or_weight("what a spike adds to the recovery")
    sq: float | WeightName = number_or_weight("factor of v squared", 0.04)
    mn: float | WeightName = number_or_weight("factor of v", 5.0)
    bias: float | WeightName = number_or_weight("constant current", 140.0)
    v_th: float | WeightName = number_or_weight("fires above it", 30.0)
    tau_inv: float | WeightName = number_or_weight("1 / time constant, 1/s", 250.0)
    v_start: float | WeightName = number_or_weight("potential before the first step", -65.0)
    u_start: float | WeightName = number_or_weight("recovery before the first step", -13.0)
    dt: float = number("length of a step, s", 0.001)
