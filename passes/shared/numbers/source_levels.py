# SPDX-License-Identifier: Apache-2.0
"""Quantisers that the source itself has: where one stands in front of the chip, and what is told about all of them."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from akc.base.diagnostics import Diagnostic
from akc.ir.module import Module, Op, Statement
from akc.ir.ops import nn, nn_host
from akc.passes.shared.contract import PassContext
from akc.passes.shared.numbers.trained import Kept, KeptLayers
from akc.passes.shared.rewriting.chains import split
from akc.passes.shared.rewriting.geometry import ImagePlan
from akc.passes.shared.rewriting.rewrite import Editor
from akc.targets import Numbers

LAYOUT = (nn.Permute, nn.Reshape, nn.Pad, nn.Flip, nn.Repeat, nn_host.Take)


@frozen(eq=False, kw_only=True)
class SourceLevels:
    """A quantiser in front of a layer of the chip: the op, bits of the levels, layout between it and the layer.

    absorbs: whether host.quantize computes the same by itself, so that the op goes.
    """

    op: nn.Levels
    bits: int
    between: tuple[Op, ...]
    absorbs: bool

    def without(self, statements: Sequence[Statement]) -> list[Statement]:
        """The statements without the quantiser, its readers reading what it read."""
        names = {self.op.name: self.op.x}
        return [s.renamed(names) if s in self.between else s for s in statements if s is not self.op]


def source_levels(name: str, module: Module, image: ImagePlan | None, chip: Numbers) -> SourceLevels | None:
    """The quantiser of the source whose levels a value on the host has, if the chip can be given them."""
    between: list[Op] = []
    op = module.net.producer(name)
    while isinstance(op, LAYOUT):
        between.append(op)
        op = module.net.producer(op.operands[0])
    if not isinstance(op, nn.Levels) or op.zero % 1 or not 0 <= op.zero <= op.top:
        return None
    widths = sorted(chip.widths) if image is None or chip.image is None else [chip.image.bits]
    bits = next((b for b in widths if op.top < 2**b), None)
    if bits is None:
        return None
    alone = all(len(module.net.uses(one.name)) == 1 and one.name not in module.net.outputs for one in (op, *between))
    word = "odd" if op.zero % 2 else "even"
    return SourceLevels(
        op=op, bits=bits, between=tuple(between), absorbs=alone and op.top == 2**bits - 1 and op.rounding == word
    )


def without_quantisers(module: Module) -> Module:
    """Quantisers behind layers become clamps, others go, and weights lose the note of what steps they were made of."""
    behind = {group.activation.name for group in split(module).groups if group.activation is not None}
    editor = Editor(module)
    for one in editor.ops:
        if isinstance(one, nn.Levels) and one.name not in behind:
            editor.replace((one,))

    def change(op: Op) -> Op:
        if isinstance(op, nn.Levels):
            return nn.Clip(result=op.result, x=op.x, low=op.low, high=op.high, origin=op.origin, comments=op.comments)
        return evolve(op, weight_step=None) if isinstance(op, nn.Dense | nn.Conv) and op.weight_step else op

    changed = editor.finish().map_ops(change)
    used = {name for op in changed.net.ops for name in op.weights_used}
    return evolve(changed, weights={name: one for name, one in changed.weights.items() if name in used})


EXACT = (
    "power-of-two scales with a float bias, 2-bit weights or levels, or weights of -3 to 3 are exact",
    "-O lower-int4{requantise=true} quantises again, by samples",
)


def tell_kept(kept: Sequence[Kept], context: PassContext) -> None:
    """Report what became of the layers that the source had quantised, and warn where levels are not the source's."""
    if not kept:
        return
    context.report("quantised as trained", KeptLayers(tuple(kept)))
    for one in kept:
        if not one.why and one.off:
            each = round(one.units / one.off, 1)
            units = "one unit" if each == 1 else f"{each:g} units"
            context.warn(
                Diagnostic(
                    code="AKC0452",
                    message=f"{one.off} of {one.reachable} level boundaries of %{one.layer} lie {units} of potential"
                    f" off ({one.filters - one.exact} of {one.filters} filters)",
                    origin=one.origin,
                    help=EXACT,
                )
            )
    again = [one for one in kept if one.why]
    if again:
        context.warn(
            Diagnostic(
                code="AKC0453",
                message=f"{len(again)} of {len(kept)} layers that the source had quantised are quantised again",
                label="; ".join(f"%{one.layer}: {one.why}" for one in again),
                help=(
                    "train with weights of -7 to 7 (-127 to 127 where 8-bit pictures come in) and 2, 4 or 16 levels,"
                    " the lowest of which is 0",
                    "--calibrate samples.npz keeps more of the answers where akc quantises by itself",
                ),
            )
        )
