# SPDX-License-Identifier: Apache-2.0
"""The mean over a map and the layer behind it as one layer."""

from __future__ import annotations

from math import prod

import numpy as np
from attrs import evolve

from akc.ir.module import Module, Op, merged_comments, merged_origin
from akc.ir.ops import nn
from akc.passes.shared.numbers.signs import activations
from akc.passes.shared.rewriting.affine import with_step
from akc.passes.shared.rewriting.chains import split
from akc.passes.shared.rewriting.mirrored import fits, mirrored_to_fit
from akc.passes.shared.rewriting.rewrite import Editor, rewrite
from akc.passes.shared.rewriting.windows import solvable_parts
from akc.targets import Numbers, Target


def without_means(module: Module, target: Target) -> Module:
    """The module with means folded."""

    def fold(editor: Editor, op: Op) -> bool:
        return _fold(editor, op, target)

    return rewrite(module, _whole_row, _merge_means, fold, _followed)


def _whole_row(editor: Editor, op: Op) -> bool:
    """Rule: the mean along a map that is one cell wide -> the mean over the whole map."""
    shape = editor.type_of(op.x).shape if isinstance(op, nn.Mean) else ()
    if not isinstance(op, nn.Mean) or len(shape) != 3 or op.axes not in ((0,), (1,)) or shape[1 - op.axes[0]] != 1:
        return False
    mean = editor.make(nn.Mean, editor.name(f"{op.name}_whole"), (op,), x=op.x, axes=(0, 1))
    editor.replace((op,), mean, editor.make(nn.Reshape, op.name, (), x=mean.name, shape=op.type.shape, after=(mean,)))
    return True


def _followed(editor: Editor, op: Op) -> bool:
    """Rule: activation, mean with no dense layer behind -> activation, mean, and the identity as one."""
    if not isinstance(op, nn.Mean) or op.axes != (0, 1) or len(editor.type_of(op.x).shape) != 3:
        return False
    if op.x not in activations(editor.current()) or isinstance(_dense_behind(editor, op)[1], nn.Dense):
        return False
    mean = evolve(op, result=evolve(op.result, name=editor.name(f"{op.name}_of_cells")))
    weight = editor.weight(f"{op.name}.identity", np.eye(op.type.shape[0]))
    dense = editor.make(nn.Dense, op.name, (op,), x=mean.name, weight=weight, after=(mean,))
    editor.replace((op,), mean, evolve(dense, result=op.result))
    return True


def _merge_means(editor: Editor, op: Op) -> bool:
    """Rule: mean, then mean -> one mean over the axes of both."""
    first = editor.producer(op.x) if isinstance(op, nn.Mean) else None
    if not isinstance(op, nn.Mean) or not isinstance(first, nn.Mean) or editor.user(first.name) is not op:
        return False
    left = [axis for axis in range(len(editor.type_of(first.x).shape)) if axis not in first.axes]
    axes = tuple(sorted((*first.axes, *(left[axis] for axis in op.axes))))
    editor.replace((first, op), editor.make(nn.Mean, op.name, (first, op), x=first.x, axes=axes))
    return True


def _fold(editor: Editor, op: Op, target: Target) -> bool:
    if not isinstance(op, nn.Mean) or op.axes != (0, 1) or len(editor.type_of(op.x).shape) != 3:
        return False
    chain, dense = _dense_behind(editor, op)
    if not isinstance(dense, nn.Dense):
        return False
    d0, d1, _ = editor.type_of(op.x).shape
    units, inputs = editor.weights[dense.weight].type.shape
    numbers = target.numbers
    small = target.dense_bytes(inputs * d0 * d1, numbers.bits, units) <= numbers.dense_memory
    fewest, most = numbers.average
    if small or d1 < fewest or d0 > most or not _swap_fits(editor, op, chain, dense, numbers):
        _repeat(editor, op, chain, dense)
    else:
        _swap(editor, op, chain, dense)
    return True


def _swap_fits(editor: Editor, op: nn.Mean, chain: tuple[Op, ...], dense: nn.Dense, chip: Numbers) -> bool:
    """Whether the chip's map would be the float network's: an average takes in every cell of it.

    Where another layer of its row finds no place, what lies behind that one counts.
    """
    trial = Editor(editor.current())
    _swap(trial, op, chain, dense)
    module = mirrored_to_fit(trial.finish(), chip)
    parts = (part for segment in split(module).segments for part in solvable_parts(segment, module, chip))
    return fits(module, chip) or any(part.groups[-1].last.name == dense.name for part in parts)


def _dense_behind(editor: Editor, op: Op) -> tuple[tuple[Op, ...], Op | None]:
    """Reshapes behind an op, and what follows them."""
    passed: list[Op] = []
    here = editor.user(op.name)
    while isinstance(here, nn.Reshape) and prod(here.shape) == max(here.shape):
        passed.append(here)
        here = editor.user(here.name)
    return tuple(passed), here


def _repeat(editor: Editor, op: nn.Mean, chain: tuple[Op, ...], dense: nn.Dense) -> None:
    shape = editor.type_of(op.x).shape
    cells = shape[0] * shape[1]
    weight = np.tile(editor.array(dense.weight), (1, cells)) / cells
    flat = editor.make(nn.Reshape, op.name, (), x=op.x, shape=(prod(shape),))
    merged = evolve(
        with_step(editor, dense, 1 / np.array([cells])),
        x=flat.name,
        weight=editor.weight(dense.weight, weight, dense),
        origin=merged_origin(op, *chain, dense),
        comments=merged_comments(op, *chain, dense),
    )
    editor.replace((op, *chain, dense), flat, merged)


def _swap(editor: Editor, op: nn.Mean, chain: tuple[Op, ...], dense: nn.Dense) -> None:
    weight = editor.weight(dense.weight, editor.array(dense.weight)[:, None, None, :], dense)
    conv = editor.make(
        nn.Conv,
        editor.name(f"{dense.name}_cells"),
        (*chain, dense),
        x=op.x,
        weight=weight,
        bias=dense.bias,
        weight_step=dense.weight_step,
    )
    mean = editor.make(nn.Mean, dense.name, (op,), x=conv.name, axes=(0, 1), after=(conv,))
    editor.replace((op, *chain, dense), conv, mean)
