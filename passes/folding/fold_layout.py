# SPDX-License-Identifier: Apache-2.0
"""fold-layout: permutations and reshapes between layers disappear into dense weights."""

from __future__ import annotations

from math import prod

import numpy as np
from attrs import evolve, frozen

from akc.ir.module import Module, Op
from akc.ir.ops import nn
from akc.passes.shared.contract import PassContext
from akc.passes.shared.rewriting.rewrite import Editor, rewrite

Layout = nn.Reshape | nn.Permute
Indices = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@frozen
class FoldLayout:
    """Remove nn.permute and nn.reshape between layers.

    Layout in front of a dense layer reorders the columns of its weights; layout that cancels out
    disappears; layout in front of an elementwise operation moves behind it. What remains is at most one
    plain reshape in front of a dense layer, and layout at the net's own inputs and outputs. Exact.
    """

    name = "fold-layout"
    requires = None
    ensures = None
    preserves = "values"
    reads = ()

    def run(self, module: Module, context: PassContext) -> Module:
        """The module with layout folded."""
        rules = (
            _bytes_last,
            _sink,
            _sink_below_mean,
            _drop_idle,
            _join,
            _absorb,
            _flatten_dense,
            _dense_as_conv,
            _mean_of_rows,
        )
        return rewrite(module, *rules)


def _bytes_last(editor: Editor, op: Op) -> bool:
    """cast, layout -> layout, cast: bytes move as they are."""
    behind = editor.user(op.name) if isinstance(op, nn.Cast) else None
    if not isinstance(op, nn.Cast) or not isinstance(behind, Layout):
        return False
    name = editor.name(f"{behind.name}_bytes")
    moved = editor.retyped(evolve(behind, x=op.x, result=evolve(behind.result, name=name, range=None)))
    floats = evolve(op, x=moved.name, result=behind.result)
    editor.replace((op, behind), moved, floats)
    return True


def _sink(editor: Editor, op: Op) -> bool:
    """layout, elementwise -> elementwise, layout."""
    behind = editor.user(op.name) if isinstance(op, Layout) else None
    plain = isinstance(behind, nn.Relu | nn.Clip) or (
        isinstance(behind, nn.Affine) and isinstance(behind.scale, float) and isinstance(behind.shift, float)
    )
    if not isinstance(op, Layout) or not isinstance(behind, nn.Relu | nn.Clip | nn.Affine) or not plain:
        return False
    first = editor.retyped(evolve(behind, x=op.operands[0], result=op.result.ranged_like(behind.result)))
    second = evolve(op, x=first.name, result=behind.result)
    editor.replace((op, behind), first, second)
    return True


def _sink_below_mean(editor: Editor, op: Op) -> bool:
    """permute, mean -> mean over the axes where they were, and a permutation of what is left."""
    behind = editor.user(op.name) if isinstance(op, nn.Permute) else None
    if not isinstance(op, nn.Permute) or not isinstance(behind, nn.Mean):
        return False
    axes = tuple(sorted(op.order[a] for a in behind.axes))
    kept = [a for i, a in enumerate(op.order) if i not in behind.axes]
    order = tuple(sorted(kept).index(a) for a in kept)
    mean = editor.retyped(evolve(behind, x=op.x, axes=axes, result=op.result))
    editor.replace((op, behind), mean, evolve(op, x=mean.name, order=order, result=behind.result))
    return True


def _drop_idle(editor: Editor, op: Op) -> bool:
    """Layout that changes nothing."""
    idle = isinstance(op, nn.Permute) and op.order == tuple(range(len(op.order)))
    idle |= isinstance(op, nn.Reshape) and op.type == editor.type_of(op.x)
    if idle:
        editor.replace((op,))
    return idle


def gathered(editor: Editor, chain: tuple[Op, ...]) -> Indices:
    """Which element of the first operand, flat, comes where in the result of a chain of layout ops."""
    shape = editor.type_of(chain[0].operands[0]).shape
    indices = np.arange(prod(shape)).reshape(shape)
    for op in chain:
        indices = indices.transpose(op.order) if isinstance(op, nn.Permute) else indices.reshape(op.type.shape)
    return indices


def _join(editor: Editor, op: Op) -> bool:
    """Layout ops in a row that together keep the row-major order are one reshape."""
    chain = _layout_from(editor, op)
    for length in range(len(chain), 1, -1):
        part = chain[:length]
        indices = gathered(editor, part)
        if (indices.ravel() == np.arange(indices.size)).all():
            last = part[-1]
            one = editor.make(nn.Reshape, last.name, part, x=op.operands[0], shape=last.type.shape)
            editor.replace(part, one)
            return True
    return len(chain) > 1 and _join_permutes(editor, op, chain[1])


def _layout_from(editor: Editor, op: Op) -> tuple[Op, ...]:
    """A layout op and those behind it, as long as nobody else reads what is in between."""
    chain: list[Op] = []
    here: Op | None = op
    while isinstance(here, Layout):
        chain.append(here)
        here = editor.user(here.name)
    return tuple(chain)


def _join_permutes(editor: Editor, op: Op, behind: Op) -> bool:
    if not (isinstance(op, nn.Permute) and isinstance(behind, nn.Permute)):
        return False
    order = tuple(op.order[a] for a in behind.order)
    editor.replace((op, behind), editor.make(nn.Permute, behind.name, (op, behind), x=op.x, order=order))
    return True


def _absorb(editor: Editor, op: Op) -> bool:
    """permute, reshape to a vector, dense -> reshape, dense with its columns reordered."""
    if not isinstance(op, nn.Dense) or len(editor.type_of(op.x).shape) != 1:
        return False
    chain = _layout_before(editor, op)
    if not any(isinstance(c, nn.Permute) for c in chain):
        return False
    indices = gathered(editor, chain).ravel()
    weight = editor.array(op.weight)
    columns = np.empty_like(weight)
    columns[:, indices] = weight
    flat = editor.make(nn.Reshape, chain[-1].name, chain, x=chain[0].operands[0], shape=(indices.size,))
    layer = evolve(op, weight=editor.weight(op.weight, columns, op))
    editor.replace(chain, flat)
    editor.replace((op,), layer)
    return True


def _layout_before(editor: Editor, op: Op) -> tuple[Op, ...]:
    chain: list[Op] = []
    here = editor.producer(op.operands[0])
    while here is not None and isinstance(here, Layout) and editor.user(here.name) is not None:
        chain.insert(0, here)
        here = editor.producer(here.operands[0])
    return tuple(chain)


def _flatten_dense(editor: Editor, op: Op) -> bool:
    """A dense layer on [1, ..., 1, n] is one on [n] between two reshapes."""
    shape = editor.type_of(op.x).shape if isinstance(op, nn.Dense) else ()
    if not isinstance(op, nn.Dense) or len(shape) < 2 or prod(shape[:-1]) != 1:
        return False
    flat = editor.make(nn.Reshape, editor.name(f"{op.name}_in"), (), x=op.x, shape=shape[-1:])
    dense = evolve(op, x=flat.name, result=evolve(op.result, name=editor.name(f"{op.name}_flat")))
    dense = editor.retyped(dense, flat)
    editor.replace(
        (op,),
        flat,
        dense,
        editor.make(
            nn.Reshape,
            op.name,
            (op,),
            x=dense.name,
            shape=op.type.shape,
            after=(dense,),
        ),
    )
    return True


def _as_conv(editor: Editor, op: nn.Dense, name: str, x: str, weight: str, *after: Op) -> nn.Conv:
    fields = {"bias": op.bias, "weight_step": op.weight_step}
    return editor.make(nn.Conv, name, (op,), x=x, weight=weight, after=after, **fields)


def _dense_as_conv(editor: Editor, op: Op) -> bool:
    """A dense layer at every position of a map or of a row of vectors is a 1x1 convolution."""
    shape = editor.type_of(op.x).shape if isinstance(op, nn.Dense) else ()
    if not isinstance(op, nn.Dense) or len(shape) not in (2, 3):
        return False
    weight = editor.weight(op.weight, editor.array(op.weight)[:, None, None, :], op)
    if len(shape) == 3:
        editor.replace((op,), _as_conv(editor, op, op.name, op.x, weight))
        return True
    rows = editor.make(nn.Reshape, editor.name(f"{op.name}_rows"), (), x=op.x, shape=(1, *shape))
    conv = _as_conv(editor, op, editor.name(f"{op.name}_cells"), rows.name, weight, rows)
    conv = evolve(conv, result=conv.result.ranged_like(op.result))
    back = editor.make(nn.Reshape, op.name, (), x=conv.name, shape=op.type.shape, after=(rows, conv))
    editor.replace((op,), rows, conv, back)
    return True


def _mean_of_rows(editor: Editor, op: Op) -> bool:
    """[1, n, channels] as [n, channels], mean over n -> mean over the map."""
    behind = editor.user(op.name) if isinstance(op, nn.Reshape) else None
    if not isinstance(op, nn.Reshape) or not isinstance(behind, nn.Mean) or behind.axes != (0,):
        return False
    shape = editor.type_of(op.x).shape
    if len(shape) != 3 or 1 not in shape[:2] or op.shape != (shape[0] * shape[1], shape[2]):
        return False
    editor.replace((op, behind), editor.make(nn.Mean, behind.name, (op, behind), x=op.x, axes=(0, 1)))
    return True
