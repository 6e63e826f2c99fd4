# SPDX-License-Identifier: Apache-2.0
"""A 1-D network with rows enough for the chip's 2x2 pools."""

from __future__ import annotations

from attrs import evolve

from akc.ir.module import Module, Op
from akc.ir.ops import nn, nn_host
from akc.passes.shared.rewriting.chains import Group, split
from akc.passes.shared.rewriting.rewrite import Editor
from akc.targets import Numbers

MOST_ROWS = 16
"""Beyond four halvings a network is left for legalize to refuse."""


MOVES = (nn.Reshape, nn.Permute, nn.Flip, nn.Repeat, nn.Cast, nn_host.Take)
"""What gives the numbers that it gets, in other places."""


def reads_input(module: Module, conv: nn.Conv) -> bool:
    """Whether only moves and zeros stand between the net's input and a convolution."""
    here = module.net.producer(conv.x)
    while isinstance(here, MOVES) or (isinstance(here, nn.Pad) and not here.value):
        here = module.net.producer(here.x)
    return here is None


def with_rows(module: Module, chip: Numbers) -> Module:
    """The module with rows; the same object where there is no such pool, or another window is in the way."""
    segments = split(module).segments
    groups = _one_dimensional(segments[0].groups, module, max(chip.kernels[1])) if segments else ()
    last = max((i for i, group in enumerate(groups) if _halves(group.pool)), default=-1)
    halvings = sum(_halves(op) for group in groups[: last + 1] for op in (group.core, group.pool))
    if last < 0 or 2**halvings > MOST_ROWS or 2 not in chip.pools:
        return module
    editor = Editor(module)
    first = groups[0].core
    rows = editor.make(nn.Repeat, editor.name(f"{first.name}_rows"), (), x=first.x, axis=0, count=2**halvings)
    rows = evolve(rows, origin=first.origin)
    editor.replace((first,), rows, first.renamed({first.x: rows.name}))
    for group in groups[: last + 1]:
        for op in group.ops:
            _widen(editor, op)
    return editor.finish()


def _one_dimensional(groups: tuple[Group, ...], module: Module, largest: int) -> tuple[Group, ...]:
    """The first groups as long as they stay in one row; none if they do not begin at the net's input.

    A kernel that is larger than the chip's ends them: the host would compute all rows, and each like the first.
    """
    found: list[Group] = []
    for group in groups:
        if not isinstance(group.core, nn.Conv) or not all(_stays(op, module, largest) for op in group.ops):
            break
        found.append(group)
    leads = found and isinstance(found[0].core, nn.Conv) and reads_input(module, found[0].core)
    return tuple(found) if leads else ()


def _stays(op: Op, module: Module, largest: int) -> bool:
    """Whether an op works along one row, with steps and pools of one or two cells."""
    if isinstance(op, nn.Relu | nn.Clip):
        return True
    if not isinstance(op, nn.Conv | nn.MaxPool) or module.net.types[op.x].shape[0] != 1 or op.pad[0] or op.pad[2]:
        return False
    if isinstance(op, nn.Conv):
        kernel = module.weights[op.weight].type.shape[1:3]
        return kernel[0] == 1 and kernel[1] <= largest and op.stride[1] in (1, 2)
    return op.size[0] == 1 and (op.size[1], op.stride[1]) in ((1, 1), (2, 1), (2, 2))


def _halves(op: Op | None) -> bool:
    """Whether an op takes every second cell."""
    return isinstance(op, nn.Conv | nn.MaxPool) and op.stride[1] == 2


def _widen(editor: Editor, op: Op) -> None:
    """One op on several rows."""
    now = editor.producer(op.name)
    assert now is not None
    if isinstance(now, nn.Conv):
        changed: Op = evolve(now, stride=(now.stride[1], now.stride[1]))
    elif isinstance(now, nn.MaxPool):
        behind = (0, now.pad[1], int(now.size[1] > now.stride[1]), now.pad[3])
        changed = evolve(now, size=(now.size[1], now.size[1]), stride=(now.stride[1], now.stride[1]), pad=behind)
    else:
        changed = now
    changed = editor.retyped(changed)
    if changed != now:
        editor.replace((now,), changed)
