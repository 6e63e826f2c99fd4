# SPDX-License-Identifier: Apache-2.0
"""calibrate: the range of every value, from samples or by propagation, written into the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.ir.module import Module, Op, Value
from akc.ir.ops import host, nn, nn_host, snn
from akc.passes.shared.numbers.evaluate import Array, sample_inputs, values
from akc.passes.shared.numbers.propagate import input_ranges, moments, warn_assumed
from akc.passes.shared.rewriting.identities import with_kept_ranges

Ranges = dict[str, tuple[float, float]]


@frozen
class Calibrate:
    """Record the range of the net's inputs and of every float value.

    With samples the float network runs on them. Without, ranges are derived from the range of the
    input (the one in the text, else the one the user promises, else an assumed one) and from the
    weights; a warning says what was assumed.
    """

    name = "calibrate"
    requires = "mappable"
    ensures = None

    method: str = field(default="mse", validator=validators.in_(("max", "percentile", "mse")))
    """How samples give the top of an activation's range: max, the largest value; percentile, see there;
    mse, the top with the smallest mean square error after rounding to 2**bits - 1 levels."""

    percentile: float = field(default=99.9, validator=[validators.gt(50), validators.le(100)])
    """The share of values, in percent, that method=percentile keeps inside the range."""

    bits: int | None = field(default=None, validator=validators.optional(validators.in_((1, 2, 4))))
    """Bits of a level that method=mse rounds to; none: the activations of the lower-int4 behind, 4 where none is."""

    samples: int = field(default=1024, validator=validators.gt(0))
    """How many of the samples are used, from the first."""

    def run(self, module: Module, context: Any) -> Module:
        """The module with ranges; raises DiagnosticError AKC0410 if samples do not fit the inputs."""
        if self.bits is None:
            return evolve(self, bits=_bits_behind(context)).run(module, context)
        found = (
            self.estimated(module, context)
            if context.samples is None
            else self.measured(module, context.samples, context.progress)
        )
        return with_ranges(module, with_kept_ranges(module, found | whole_levels(module)))

    @property
    def levels(self) -> int:
        """The highest level."""
        return int(2 ** (self.bits or 4) - 1)

    def estimated(self, module: Module, context: Any) -> Ranges:
        """Ranges of all float values from the range of the input and the weights.

        Estimates come out too small more often than too large, so with 4 bits none is shrunk any further.
        """
        ranges = input_ranges(module, context)
        warn_assumed(module, context, ranges)
        before = {op.name: op.operands[0] for op in module.net.ops if isinstance(op, nn.Relu | nn.Clip)}
        known = moments(module, ranges)
        for name, found in known.items():
            low, high = found.range
            if name in before and self.method == "mse" and self.levels < 15:
                sums = known[before[name]].typical
                high = min(high, least_error_top(sums[sums > 0], self.levels)) if (sums > 0).any() else high
            ranges.setdefault(name, (low, high))
        return ranges

    def measured(self, module: Module, samples: Mapping[str, Array], progress: Any) -> Ranges:
        """Ranges of all float values on the samples."""
        tops, total = activations(module), len(module.net.values)
        ranges: Ranges = {}
        for done, (name, array) in enumerate(values(module, sample_inputs(module, samples, self.samples)), 1):
            progress(min(done, total), total, "calibrate")
            if array.dtype != np.float32:
                continue
            low, high = float(array.min()), float(array.max())
            if name in tops:
                low, high = min(low, 0.0), self.top(array)
            ranges[name] = (low, high)
        return ranges

    def top(self, array: Array) -> float:
        """The top of the range of values that are 0 or more."""
        high = float(array.max())
        if self.method == "max" or high <= 0:
            return high
        positive = array[array > 0]
        if self.method == "percentile":
            return float(np.percentile(positive, self.percentile))
        return least_error_top(positive, self.levels)


PASS_ON = (
    nn.MaxPool, nn.AveragePool, nn.Mean, nn.Reshape, nn.Permute, nn.Flip, nn.Repeat, nn_host.Slice, nn_host.Resize,
    nn_host.Concat, nn_host.Add, nn_host.Mul,
)  # fmt: skip
"""What makes values of 0 or more of nothing but such values."""


def _bits_behind(context: Any) -> int:
    """Bits of a level that the next lower-int4 makes."""
    found = next((one for one in context.coming if one.name == "lower-int4"), None)
    return 4 if found is None else int(found.activations)


def activations(module: Module) -> set[str]:
    """Values that are 0 or more: results of activations, and what pools, layout and joins make of them."""
    found: set[str] = set()
    for op in module.net.ops:
        passes_on = isinstance(op, PASS_ON) and all(name in found for name in op.operands)
        if passes_on or isinstance(op, nn.Relu) or (isinstance(op, nn.Clip) and op.low >= 0):
            found.add(op.name)
    return found


def whole_levels(module: Module) -> Ranges:
    """Ranges of values that are whole numbers by their making: levels, spikes, and sums of spikes."""
    found: Ranges = {}
    for op in module.net.ops:
        if isinstance(op, snn.Levels):
            found[op.name] = (0.0, op.high)
        elif isinstance(op, snn.Neuron | host.Previous) and _are_spikes(op.name, module):
            found[op.name] = (0.0, 1.0)
        elif isinstance(op, host.Sum) and op.x in found and op.weights is None:
            found[op.name] = (0.0, found[op.x][1] * (module.net.types[op.x].steps or 1))
        elif isinstance(op, host.Window) and op.x in found:
            found[op.name] = (0.0, float(-(-(module.net.types[op.x].steps or 1) // op.count)))
        elif isinstance(op, nn.MaxPool | nn.Reshape | nn.Permute | host.Frames) and op.x in found:
            found[op.name] = found[op.x]
    return found


def _are_spikes(name: str, module: Module) -> bool:
    """Whether a value is what a neuron fired, at this step or the one before, and 0 or 1."""
    op = module.net.producer(name)
    if isinstance(op, host.Previous):
        op = module.net.producer(op.x)
    return isinstance(op, snn.Neuron) and op.fires and op.output == "spikes" and op.spikes_a_step == 1


CANDIDATES = np.linspace(0.3, 1.0, 36)
"""Shares of the largest value that are tried as the top."""

SUBSET = 200_000
"""Values beyond this number are thinned out evenly before the search."""


def least_error_top(positive: Array, levels: int) -> float:
    """The top whose `levels` even steps leave the smallest mean square error on these values."""
    thinned = positive[:: max(1, len(positive) // SUBSET)].astype(np.float64)
    high = float(positive.max())
    errors = [float(((thinned - rounded(thinned, high * share / levels, levels)) ** 2).mean()) for share in CANDIDATES]
    return high * float(CANDIDATES[int(np.argmin(errors))])


def rounded(x: Array, step: float, levels: int) -> Array:
    """x rounded to 0, step, ... levels * step."""
    nearest: Array = np.clip(np.rint(x / step), 0, levels) * step
    return nearest


def with_ranges(module: Module, ranges: Ranges) -> Module:
    """The module with these ranges on its inputs and results; six digits are kept, so that they read well."""

    def ranged(value: Value) -> Value:
        if value.name not in ranges:
            return value
        low, high = ranges[value.name]
        return evolve(value, range=(_short(low), _short(high)))

    def change(op: Op) -> Op:
        new = ranged(op.result)
        return op if new == op.result else evolve(op, result=new)

    inputs = tuple(ranged(v) for v in module.net.inputs)
    changed = module.map_ops(change)
    if inputs == module.net.inputs:
        return changed
    return evolve(changed, net=evolve(changed.net, inputs=inputs))


def _short(number: float) -> float:
    return float(f"{number:.6g}")
