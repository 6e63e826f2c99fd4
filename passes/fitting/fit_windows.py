# SPDX-License-Identifier: Apache-2.0
"""fit-windows: kernels and borders as the chip has them, without a shift by a single cell."""

from __future__ import annotations

from math import prod

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn, nn_host
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.chains import Group, Segment, split
from akc.passes.shared.rewriting.geometry import same_sides
from akc.passes.shared.rewriting.rewrite import Editor
from akc.passes.shared.rewriting.windows import Axis, Fit, solvable_parts, solve


@frozen
class FitWindows:
    """Rewrite convolutions and max pools whose windows are not those of padding=same.

    Even kernels, kernels that are not square and 1-D kernels go into the next square of zeros; convolutions
    without padding, and pools that round down, get larger maps, whose extra cells the dense layer behind them
    reads with weight 0, or the host cuts off at the end. The kernels' places are chosen so that all windows meet.
    Exact; where there is no way, nothing is changed and legalize says what does not fit. With --host=allow each run
    of layers between those that have no way is fitted by itself.
    """

    name = "fit-windows"
    requires = None
    ensures = None
    preserves = "values"
    reads = ("host",)

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with windows that fit."""
        editor, chip = Editor(module), context.target.numbers
        for segment in split(module).segments:
            for part in solvable_parts(segment, module, chip) if context.host == "allow" else (segment,):
                fits = solve(part, module, chip)
                if fits is not None and (context.host == "allow" or not _cut_between_layers(part, fits, module)):
                    _rewrite(editor, part, fits)
        return editor.finish()


def _cut_between_layers(segment: Segment, fits: tuple[Fit | None, ...], module: Module) -> bool:
    """Whether the host would have to cut the last map, and a layer reads what is left of it."""
    last = fits[-1]
    if last is None or all(axis.whole for axis in last.after):
        return False
    behind = {segment.groups[-1].last.name}
    for op in module.net.ops:
        if behind.intersection(op.operands):
            if isinstance(op, nn.Dense | nn.Conv):
                return True
            behind.add(op.name)
    return False


def _rewrite(editor: Editor, segment: Segment, fits: tuple[Fit | None, ...]) -> None:
    after: tuple[Axis, ...] = ()
    for group, fit in zip(segment.groups, fits, strict=True):
        if fit is not None:
            _refit(editor, group, fit)
            after = fit.after
        elif isinstance(group.core, nn.Dense) and not all(axis.whole for axis in after):
            _scatter(editor, group, (after[0], after[1]))
            after = ()
        else:
            after = ()
    if not all(axis.whole for axis in after):
        _cut(editor, segment.groups[-1], (after[0], after[1]))


def _cut(editor: Editor, group: Group, axes: tuple[Axis, Axis]) -> None:
    """The host takes the part of a last map that the float network has."""
    last = _current(editor, group.last)
    inner = evolve(last, result=evolve(last.result, name=editor.name(f"{last.name}_whole")))
    channels = last.type.shape[2]
    part = editor.make(
        nn_host.Slice,
        last.name,
        (),
        x=inner.name,
        start=(*(axis.offset for axis in axes), 0),
        stop=(*(axis.offset + axis.size for axis in axes), channels),
        after=(inner,),
    )
    editor.replace((last,), inner, evolve(part, result=part.result.ranged_like(last.result)))


def _current(editor: Editor, op: Op) -> Op:
    found = editor.producer(op.name)
    assert found is not None
    return found


def _replace(editor: Editor, old: Op, new: Op) -> None:
    """Put in an op whose operand may have another shape now."""
    new = editor.retyped(new)
    if new != old:
        editor.replace((old,), new)


def _refit(editor: Editor, group: Group, fit: Fit) -> None:
    """One group with the kernel, the border and the maps of its fit."""
    core = _current(editor, group.core)
    assert isinstance(core, nn.Conv)
    weight = editor.array(core.weight)
    chip_sizes = tuple(axis.chip for axis in fit.before)
    stride = (fit.stride, fit.stride)
    changed = evolve(core, pad=same_sides(chip_sizes, (fit.kernel, fit.kernel), stride), stride=stride)
    if weight.shape[1:3] != (fit.kernel, fit.kernel):
        wide = np.zeros((len(weight), fit.kernel, fit.kernel, weight.shape[3]))
        rows, columns = (slice(s, s + k) for s, k in zip(fit.shift, weight.shape[1:3]))
        wide[:, rows, columns] = weight
        changed = evolve(changed, weight=editor.weight(core.weight, wide, core))
    _replace(editor, core, changed)
    for op in group.ops[1:]:
        now = _current(editor, op)
        if isinstance(now, nn.MaxPool):
            sizes = tuple(axis.chip for axis in fit.inner)
            _replace(editor, now, evolve(now, pad=same_sides(sizes, now.size, now.stride), ceil_mode=False))
        else:
            _replace(editor, now, now)


def _scatter(editor: Editor, group: Group, axes: tuple[Axis, Axis]) -> None:
    """A dense layer that reads its part of a larger map and weighs the rest with 0."""
    flat, dense = group.flatten, _current(editor, group.core)
    assert flat is not None and isinstance(dense, nn.Dense)
    channels = editor.type_of(flat.x).shape[2]
    weight = editor.array(dense.weight)
    wide = np.zeros((len(weight), axes[0].chip, axes[1].chip, channels))
    rows, columns = (slice(axis.offset, axis.offset + axis.size) for axis in axes)
    wide[:, rows, columns] = weight.reshape(len(weight), axes[0].size, axes[1].size, channels)
    editor.replace((flat,), editor.retyped(evolve(flat, shape=(prod(wide.shape[1:]),))))
    editor.replace((dense,), evolve(dense, weight=editor.weight(dense.weight, wide.reshape(len(weight), -1), dense)))
