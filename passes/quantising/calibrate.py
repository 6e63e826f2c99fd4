# SPDX-License-Identifier: Apache-2.0
"""calibrate: the range of every value, from samples or by propagation, written into the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import error
from akc.ir.module import Module, Op, Value
from akc.ir.ops import host, nn, snn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.evaluate import Array, sample_inputs, values
from akc.passes.shared.numbers.propagate import input_ranges, moments, warn_assumed
from akc.passes.shared.numbers.signs import activations
from akc.passes.shared.rewriting.identities import with_kept_ranges
from akc.targets import Numbers

Ranges = dict[str, tuple[float, float]]

WELL_KNOWN = 4
"""Bits of a level from which on a range that is a guess is not shrunk for the sake of small values."""


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
    preserves = "values"
    reads = ("samples", "input_range")

    method: str = field(default="mse", validator=validators.in_(("max", "percentile", "mse")))
    """How samples give the top of an activation's range: max, the largest value; percentile, see there;
    mse, the top with the smallest mean square error after rounding to 2**bits - 1 levels."""

    percentile: float = field(default=99.9, validator=[validators.gt(50), validators.le(100)])
    """The share of values, in percent, that method=percentile keeps inside the range."""

    bits: int | None = field(default=None, validator=validators.optional(validators.in_((1, 2, 4))))
    """Bits of a level that method=mse rounds to; none: as many as the chip has (4), and beside the range the
    tops for fewer are written where they are others, for lower-int4 to choose from."""

    samples: int = field(default=1024, validator=validators.gt(0))
    """How many of the samples are used, from the first."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with ranges; raises DiagnosticError AKC0410 if samples do not fit the inputs."""
        found = (
            self.estimated(module, context)
            if context.samples is None
            else self.measured(module, context.samples, self.widths(context.target.numbers), context.progress)
        )
        whole = whole_levels(module)
        return with_ranges(module, {bits: with_kept_ranges(module, one | whole) for bits, one in found.items()})

    def widths(self, chip: Numbers) -> tuple[int, ...]:
        """Bits of levels that ranges are found for; the first one's is the range of the text."""
        fewer = tuple(bits for bits in chip.widths if bits != chip.bits)
        return (chip.bits, *fewer) if self.bits is None else (self.bits,)

    def estimated(self, module: Module, context: PassContext) -> dict[int, Ranges]:
        """Ranges of all float values, by bits, from the range of the input and the weights.

        Estimates come out too small more often than too large, so with many levels none is shrunk any further.
        """
        ranges = input_ranges(module, context)
        warn_assumed(module, context, ranges)
        before = {op.name: op.operands[0] for op in module.net.ops if isinstance(op, nn.Relu | nn.Clip)}
        known = moments(module, ranges)
        widths = self.widths(context.target.numbers)
        found = {bits: dict(ranges) for bits in widths}
        for name, one in known.items():
            low, high = finite(name, module, *one.range)
            sums = known[before[name]].typical if name in before and self.method == "mse" else np.zeros(0)
            for bits in widths:
                shrinks = bits < WELL_KNOWN and bool((sums > 0).any())
                top = min(high, Spread.of(sums[sums > 0]).least_error_top(2**bits - 1)) if shrinks else high
                found[bits].setdefault(name, (low, top))
        return found

    def measured(
        self, module: Module, samples: Mapping[str, Array], widths: tuple[int, ...], progress: Any
    ) -> dict[int, Ranges]:
        """Ranges of all float values, by bits, on the samples."""
        tops, total = activations(module), len(module.net.values)
        ranges: dict[int, Ranges] = {bits: {} for bits in widths}
        for done, (name, array) in enumerate(values(module, sample_inputs(module, samples, self.samples)), 1):
            progress(min(done, total), total, "calibrate")
            if array.dtype != np.float32:
                continue
            low, high = finite(name, module, float(array.min()), float(array.max()))
            found = self.tops(array, high, widths) if name in tops else dict.fromkeys(widths, high)
            for bits, top in found.items():
                ranges[bits][name] = (min(low, 0.0) if name in tops else low, top)
        return ranges

    def tops(self, array: Array, high: float, widths: tuple[int, ...]) -> dict[int, float]:
        """The top of the range of values that are 0 or more, `high` being the largest, by bits."""
        if self.method == "max" or high <= 0:
            return dict.fromkeys(widths, high)
        positive = array[array > 0]
        if self.method == "percentile":
            return dict.fromkeys(widths, float(np.percentile(positive, self.percentile)))
        spread = Spread.of(positive)
        return {bits: spread.least_error_top(2**bits - 1) for bits in widths}


HIGHEST = 1e30
"""Values of a larger size do not survive the products that make levels of them."""


def finite(name: str, module: Module, low: float, high: float) -> tuple[float, float]:
    """A range that levels can be made of; raises DiagnosticError AKC0960 for infinities, NaN and what is near."""
    if low >= -HIGHEST and high <= HIGHEST:  # false for NaN
        return low, high
    producer = module.net.producer(name)
    raise error(
        "AKC0960",
        f"the values of %{name} go from {low:.3g} to {high:.3g}",
        origin=() if producer is None else producer.origin,
        help="the weights in front of it are too large, which a training that diverged leaves; take an earlier state",
    )


def whole_levels(module: Module) -> Ranges:
    """Ranges of values that are levels by their making: of quantisers, spikes, and sums of spikes."""
    found: Ranges = {}
    for op in module.net.ops:
        if isinstance(op, snn.Levels | nn.Levels):
            found[op.name] = (op.low, op.high)
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


@frozen(eq=False)
class Spread:
    """Values above 0 in order, with the sums of all up to each: what rounding them costs is then read off."""

    sorted: Array
    sums: Array
    squares: Array
    high: float

    @classmethod
    def of(cls, positive: Array) -> Spread:
        """Thinned out where there are many."""
        thinned = np.sort(positive[:: max(1, len(positive) // SUBSET)].astype(np.float64))
        sums, squares = (np.concatenate([[0.0], np.cumsum(one)]) for one in (thinned, thinned**2))
        return cls(thinned, sums, squares, float(positive.max()))

    def least_error_top(self, levels: int) -> float:
        """The top whose `levels` even steps leave the smallest mean square error on these values."""
        errors = [self.error(self.high * share / levels, levels) for share in CANDIDATES]
        return self.high * float(CANDIDATES[int(np.argmin(errors))])

    def error(self, step: float, levels: int) -> float:
        """The square error of rounding to 0, step, ... levels * step, all values together."""
        edges = np.searchsorted(self.sorted, step * (np.arange(levels) + 0.5))
        edges = np.concatenate([[0], edges, [len(self.sorted)]])
        level, count, total = step * np.arange(levels + 1), np.diff(edges), np.diff(self.sums[edges])
        return float(self.squares[-1] - (2 * level * total - level**2 * count).sum())


def with_ranges(module: Module, ranges: Mapping[int, Ranges]) -> Module:
    """The module with these ranges, by bits, on its inputs and results; six digits are kept, so that they read well."""
    first, *others = ranges

    def ranged(value: Value) -> Value:
        if value.name not in ranges[first]:
            return value
        low, high = (_short(end) for end in ranges[first][value.name])
        tops = {bits: _short(ranges[bits][value.name][1]) for bits in others}
        return evolve(value, range=(low, high), tops=tuple((b, top) for b, top in tops.items() if top != high))

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
