# SPDX-License-Identifier: Apache-2.0
"""The recipe that most people try first, for the rows "naive" of the accuracy tables.

Four bits; the largest weight of a layer is its largest level. Without spikes the largest activation of a layer is
its largest level too. Spiking neurons keep the threshold that they were trained with, lose their membrane, and give
either one bit (it fires or it does not) or levels up to the largest current of the layer. An input over time goes
through step by step.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from attrs import evolve, field, frozen, validators

import akc
from akc.compiler.pipeline import parse_pipeline
from akc.compiler.samples import match_samples
from akc.ir.module import Module, Op
from akc.ir.ops import nn, snn
from akc.passes import LEGALISE, MERGE
from akc.passes.shared.contract import Pass, PassContext
from akc.passes.shared.neurons.spikes import is_spiking
from akc.sim.run import run

MEASURE = f"{LEGALISE},calibrate{{method=max}}"
QUANTISE = "lower-int4{{activations={bits} input=4 per=layer scale=max rounding=nearest}}," + MERGE


class _Stairs(NamedTuple):
    """What `rate` made of a neuron: the affine in front of the levels, the levels, the affine behind them."""

    before: nn.Affine
    levels: snn.Levels
    after: nn.Affine


@frozen
class KeepThresholds:
    """naive-spikes: put the trained thresholds in place of the staircases that `rate` chose.

    With one bit a level is a spike at each step of the window. With more the largest level is the largest current
    of the layer on the samples, and means a spike at each step too.
    """

    name: ClassVar[str] = "naive-spikes"
    requires: ClassVar[str | None] = None
    ensures: ClassVar[str | None] = None
    preserves: ClassVar[str] = "approximation"
    measure: ClassVar[str] = "the share of same answers on samples"
    reads: ClassVar[tuple[str, ...]] = ("samples",)

    bits: int = field(default=1, validator=validators.in_((1, 2, 4)))

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with other numbers around its levels; layers in front are changed before those behind."""
        for levels in [op for op in module.net.ops if isinstance(op, snn.Levels)]:
            module = self._kept(module, _stairs(module, levels), context)
        return evolve(module, source=None)

    def _kept(self, module: Module, stairs: _Stairs, context: PassContext) -> Module:
        assert module.source is not None
        neuron = module.source.net.producer(stairs.levels.name)
        step = 1.0 if self.bits == 1 else _largest(module, stairs.before.x, context) / stairs.levels.high
        changed: dict[str, Op] = {
            stairs.before.name: evolve(stairs.before, scale=1 / step, shift=0.5 - float(neuron.threshold) / step),
            stairs.after.name: evolve(stairs.after, scale=1 / stairs.levels.high, shift=0.0),
        }
        return module.map_ops(lambda op: changed.get(op.name, op))


def _stairs(module: Module, levels: snn.Levels) -> _Stairs:
    before, (after,) = module.net.producer(levels.x), module.net.uses(levels.name)
    assert isinstance(before, nn.Affine) and isinstance(after, nn.Affine)
    return _Stairs(before, levels, after)


def _largest(module: Module, name: str, context: PassContext) -> float:
    assert context.samples is not None
    return float(np.max(run(module, dict(context.samples), keep=True)[name]))


def lower(
    source: Any, example: Any, calibrate: Any, input_range: tuple[float, float], host: str, spike_bits: int | None
) -> akc.Module:
    """A network quantised by the naive recipe; the first five arguments are akc.lower's.

    spike_bits: bits of a level, for a spiking network that is to run without its membranes. Samples tell the
    largest values and nothing else.
    """
    context = akc.Context()
    module = akc.lower(source, example=example, input_range=input_range, pipeline="", host=host, context=context)
    context.samples = match_samples({"": calibrate}, module.net.inputs, "calibrate").inputs
    passes = [*_spiking_passes(module, spike_bits), *parse_pipeline(MEASURE)]
    measured = akc.run_pipeline(module, passes, context)
    return akc.lower(measured, pipeline=QUANTISE.format(bits=spike_bits or 4), host=host)


def _spiking_passes(module: Module, spike_bits: int | None) -> list[Pass]:
    if spike_bits is None:
        return parse_pipeline("hybrid") if is_spiking(module) else []
    windows = module.net.inputs[0].type.steps or 1
    return [*parse_pipeline(f"rate{{bits={spike_bits} window={windows}}}"), KeepThresholds(bits=spike_bits)]
