# SPDX-License-Identifier: Apache-2.0
"""merge-branches: branches that meet again become one row of layers."""

from __future__ import annotations

import numpy as np
from attrs import evolve, field, frozen, validators

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module, Op, Value
from akc.ir.ops import nn, nn_host, snn
from akc.passes.joining.fitting import obstacle_in
from akc.passes.joining.plan import layers_of, plan_of
from akc.passes.joining.regions import Region, Uses, regions
from akc.passes.joining.trace import Obstacle, Trace, start_of
from akc.passes.joining.written import written
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.signs import activations
from akc.passes.shared.rewriting.affine import with_weights
from akc.passes.shared.rewriting.rewrite import Editor


@frozen
class MergeBranches:
    """Write branches that meet again in a sum or a concatenation as one row of convolutions, as the chip has them.

    Convolutions side by side become one with the filters of all, smaller kernels around the middle of the larger ones.
    What a branch needs later goes through its layers as channels of its own, by filters that hand one channel on
    (with stride 2 they take the same cells as a 1x1 convolution does); the layer behind has the sum in its weights.
    Values below 0 go on as two channels, relu(x) and relu(-x). Exact in real numbers. Where a layer would be larger
    than the chip has them, or strides and activations do not go together, the branch stays as it is, and a warning
    says why.
    """

    name = "merge-branches"
    requires = None
    ensures = None
    preserves = "values"
    reads = ("samples", "input_range")

    to: str = field(default="chip", validator=validators.in_(("chip", "host")))
    """chip: wherever it is possible; host: nowhere, so that sums and concatenations are left to the host."""

    def run(self, module: Module, context: PassContext) -> Module:
        """The module without the branches that could be merged."""
        if self.to == "host":
            return module
        failed: dict[str, dict[str, Kept]] = {}
        while (merged := _next(module, context, failed)) is not None:
            module = merged
        uses = Uses(module)
        left = {start: found for start, found in failed.items() if uses.count(start) > 1}
        for diagnostic in _grouped(left):
            context.warn(diagnostic)
        return module


Kept = tuple[Region, Obstacle] | None
"""Branches that stay, and why; None where nobody wonders."""


def _next(module: Module, context: PassContext, failed: dict[str, dict[str, Kept]]) -> Module | None:
    """The module with one region merged; None where there is no more. `failed` says why not, by start and end."""
    for region in regions(module):
        tried = failed.setdefault(region.start, {})
        if region.last.name in tried:
            continue
        try:
            return _merged(module, region, context)
        except Obstacle as found:
            tried[region.last.name] = (region, found) if found.own else None
    return None


def _grouped(left: dict[str, dict[str, Kept]]) -> list[Diagnostic]:
    """One warning a reason: where the first branches are, and how many more there are like them."""
    found: dict[str, list[tuple[Region, Obstacle]]] = {}
    for tried in left.values():
        kept = [one for one in tried.values() if one is not None]
        for region, obstacle in kept[-1:]:
            found.setdefault(obstacle.why, []).append((region, obstacle))
    return [_why([region for region, _ in those], why) for why, those in found.items()]


def _why(regions: list[Region], why: str) -> Diagnostic:
    first, more = regions[0], len(regions) - 1
    others = f", and {more} more like them," if more else ""
    return Diagnostic(
        code="AKC0450",
        message=f"the branches from %{first.start} to %{first.last.name}{others} are left to the host: {why}",
        span=first.last.span(),
        origin=first.last.origin,
        help="-O 'merge-branches{to=host}' leaves all of them to the host, without this warning",
    )


def _from_levels(module: Module, region: Region) -> Region:
    """The region with the factor in front of it, where that makes rates of a neuron's levels."""
    op = module.net.producer(region.start)
    if not isinstance(op, nn.Affine) or op.shift != 0 or not isinstance(module.net.producer(op.x), snn.Levels):
        return region
    return Region(op.x, (op, *region.ops))


def _merged(module: Module, region: Region, context: PassContext) -> Module:
    editor, region = Editor(module), _from_levels(module, region)
    signed = _may_be_negative(module, region.start, context)
    rounded = isinstance(module.net.producer(region.start), snn.Levels)
    start = start_of(editor.type_of(region.start).shape, signed, _bound(module, region.start), rounded)
    plan = plan_of(Trace(region, start.whole, editor).run(), region.ops)
    both = _both_sides(editor, region.start) if signed and plan.last_use(start) > 0 else []
    if both:
        sides = start_of(both[-1].type.shape, False, np.inf)
        plan = plan_of(Trace(region, sides.difference, editor).run(), region.ops)
    layers = layers_of(plan)
    for layer in layers:
        found = obstacle_in(layer, context.target)
        if found is not None:
            raise Obstacle(f"merged, {found}")
    maker = editor.producer(region.start) if both else None
    made = written(editor, region, layers, both)
    editor.replace((*((maker,) if maker else ()), *region.ops), *made)
    return editor.finish()


def _may_be_negative(module: Module, name: str, context: PassContext) -> bool:
    """Whether a value may be below 0, as far as the network, the samples and the user say."""
    if name in activations(module):
        return False
    value = next((v for v in module.net.inputs if v.name == name), None)
    if value is None:
        return True
    if context.samples is not None and name in context.samples:
        return float(np.asarray(context.samples[name], np.float64).min()) < 0
    low, _ = value.range or context.input_range or (-1.0, 1.0)
    return bool(low < 0)


def _bound(module: Module, name: str) -> float:
    """The largest that a value can be by the clips in front of it; infinity where there is none."""
    op = module.net.producer(name)
    if isinstance(op, nn.Clip):
        return op.high
    if isinstance(op, nn.MaxPool | nn.AveragePool | nn.Reshape | nn.Permute | nn_host.Slice | nn_host.Concat):
        return max(_bound(module, operand) for operand in op.operands)
    return float("inf")


def _both_sides(editor: Editor, name: str) -> list[Op]:
    """A layer that gives relu(x) and relu(-x) where one without activation gives x; empty where none does."""
    layer = editor.producer(name)
    if not isinstance(layer, nn.Conv | nn.Dense) or (isinstance(layer, nn.Conv) and layer.groups > 1):
        return []
    weight = editor.array(layer.weight)
    bias = None if layer.bias is None else np.concatenate([editor.array(layer.bias), -editor.array(layer.bias)])
    both = with_weights(editor, layer, np.concatenate([weight, -weight]), bias)
    both = editor.retyped(evolve(both, result=Value(editor.name(f"{name}_both"), layer.type)))
    relu = editor.make(nn.Relu, editor.name(f"{name}_sides"), (), x=both.name, after=(both,))
    return [both, evolve(relu, origin=layer.origin)]
