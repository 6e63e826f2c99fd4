# SPDX-License-Identifier: Apache-2.0
"""aten operators on elements, shapes and axes: how a node of a torch.export graph becomes nodes of the common form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from akc.frontends.graph.einsum import as_product
from akc.frontends.graph.emit.cells import numbered
from akc.frontends.torch.layers import for_all
from akc.frontends.torch.reader import Handler, TorchReader

# -- elementwise ----------------------------------------------------------------------------------


def same(r: TorchReader, node: Any, x: Any, *_: Any, **__: Any) -> None:
    """Nothing happens to the numbers."""
    r.aliases[node.name] = r.name(x)


def word(kind: str) -> Handler:
    """A row for an operator that keeps its operands and has no attributes of interest."""

    def handle_word(r: TorchReader, node: Any, *arguments: Any, **_: Any) -> None:
        r.emit(node, kind, [r.operand(a, node) for a in arguments if a is not None])

    return handle_word


def binary(kind: str) -> Handler:
    """A row for add or sub, where `alpha` multiplies the second operand."""

    def handle_binary(r: TorchReader, node: Any, x: Any, y: Any, alpha: float = 1, rounding_mode: Any = None) -> None:
        right = r.operand(y, node)
        if rounding_mode is not None:
            r.opaque(node, "integer division")
            return
        if alpha != 1:
            scaled = r.made(f"{node.name}:scaled", node, r.graph.shape(right))
            r.emit(node, "mul", [right, r.operand(alpha, node)], outputs=(scaled,))
            right = scaled
        r.emit(node, kind, [r.operand(x, node), right])

    return handle_binary


def reversed_sub(r: TorchReader, node: Any, x: Any, y: Any, alpha: float = 1) -> None:
    """y - alpha * x."""
    if alpha != 1:
        r.opaque(node, "rsub")
    else:
        r.emit(node, "sub", [r.operand(y, node), r.operand(x, node)])


def clip(r: TorchReader, node: Any, x: Any, low: Any = None, high: Any = None) -> None:
    """clamp, hardtanh with constant ends."""
    if any(hasattr(end, "name") for end in (low, high)):
        r.opaque(node, "clamp with computed ends")
        return
    ends = [None if end is None or np.isinf(end) else float(end) for end in (low, high)]
    r.emit(node, "clip", [r.name(x)], low=ends[0], high=ends[1])


def hardtanh(r: TorchReader, node: Any, x: Any, low: float = -1.0, high: float = 1.0) -> None:
    """A clamp from -1 to 1 unless said otherwise."""
    clip(r, node, x, low, high)


def relu6(r: TorchReader, node: Any, x: Any) -> None:
    """A clamp from 0 to 6."""
    clip(r, node, x, 0.0, 6.0)


def one_end(end: str) -> Handler:
    """A row for clamp_min, clamp_max and for maximum, minimum with a constant."""

    def handle_end(r: TorchReader, node: Any, x: Any, limit: Any) -> None:
        array = r.array(limit)
        number = float(array.reshape(-1)[0]) if array is not None and array.size == 1 else limit
        if hasattr(number, "name"):
            r.opaque(node, "elementwise maximum" if end == "low" else "elementwise minimum")
        else:
            clip(r, node, x, **{end: number})

    return handle_end


def cast(r: TorchReader, node: Any, x: Any, *_: Any, **__: Any) -> None:
    """Float to float changes nothing here."""
    kinds = [r.graph.types[r.name(x)].dtype, r.graph.types[node.name].dtype]
    if all("float" in kind for kind in kinds):
        r.aliases[node.name] = r.name(x)
    else:
        r.emit(node, "cast", [r.name(x)])


def dropout(r: TorchReader, node: Any, x: Any, p: float = 0.5, train: bool = False) -> None:
    """Nothing outside of training."""
    if train:
        r.opaque(node, "Dropout in training mode")
    else:
        same(r, node, x)


# -- shapes and axes ------------------------------------------------------------------------------


def reshape(r: TorchReader, node: Any, x: Any, *_: Any) -> None:
    """view, flatten, squeeze and the like: the traced shape says it all."""
    r.emit(node, "reshape", [r.name(x)])


def unsqueeze(r: TorchReader, node: Any, x: Any, axis: int) -> None:
    """A new axis of length 1."""
    r.emit(node, "reshape", [r.name(x)], added=(axis,))


def squeeze(r: TorchReader, node: Any, x: Any, axes: Any = None) -> None:
    """Axes of length 1 go: those that are named, else all."""
    shape = r.shape(x)
    named = range(len(shape)) if axes is None else for_all(axes, 1)
    r.emit(node, "reshape", [r.name(x)], removed=tuple(a for a in named if shape[a] == 1) if axes is not None else ())


def permute(r: TorchReader, node: Any, x: Any, order: Sequence[int]) -> None:
    """Axes in another order."""
    r.emit(node, "transpose", [r.name(x)], order=tuple(a % len(order) for a in order))


def transpose(r: TorchReader, node: Any, x: Any, first: int = 0, second: int = 1) -> None:
    """Two axes swapped; `t` swaps the only two."""
    order = list(range(len(r.shape(x))))
    if len(order) > 1:
        order[first], order[second] = order[second], order[first]
    r.emit(node, "transpose", [r.name(x)], order=tuple(order))


def mean(r: TorchReader, node: Any, x: Any, axes: Any = None, keep: bool = False, **_: Any) -> None:
    """Mean over axes; all of them where none is named."""
    rank = len(r.shape(x))
    listed = range(rank) if axes is None or axes == [] else for_all(axes, 1)
    r.emit(node, "mean", [r.name(x)], axes=tuple(a % rank for a in listed), keep=keep)


def softmax(kind: str) -> Handler:
    """A row for softmax or log_softmax."""

    def handle_softmax(r: TorchReader, node: Any, x: Any, axis: int, *_: Any) -> None:
        r.emit(node, kind, [r.name(x)], axis=axis % len(r.shape(x)))

    return handle_softmax


def argmax(r: TorchReader, node: Any, x: Any, axis: int | None = None, keep: bool = False) -> None:
    """Index of the largest value; without an axis, of the flattened value."""
    value = r.name(x)
    if axis is None:
        flat = r.made(f"{node.name}:flat", x, (r.graph.types[value].size,))
        r.emit(node, "reshape", [value], outputs=(flat,))
        value, axis, keep = flat, 0, False
    r.emit(node, "argmax", [value], axis=axis % len(r.graph.shape(value)), keep=keep)


def pad(
    r: TorchReader, node: Any, x: Any, widths: Sequence[int], mode: Any = "constant", value: float | None = None
) -> None:
    """pad and constant_pad_nd; widths go from the last axis to the first."""
    if not isinstance(mode, str):
        mode, value = "constant", mode
    rank = len(r.shape(x))
    both = np.zeros((2, rank), int)
    for i in range(len(widths) // 2):
        both[:, rank - 1 - i] = widths[2 * i : 2 * i + 2]
    r.emit(
        node,
        "pad",
        [r.name(x)],
        before=tuple(both[0].tolist()),
        after=tuple(both[1].tolist()),
        mode=mode,
        value=float(value or 0),
    )


def select(r: TorchReader, node: Any, x: Any, axis: int, index: int) -> None:
    """One index along an axis, which goes."""
    r.emit(node, "select", [r.name(x)], axis=axis % len(r.shape(x)), index=index)


def slice_(
    r: TorchReader, node: Any, x: Any, axis: int = 0, start: int | None = None, end: Any = None, step: int = 1
) -> None:
    """Part of an axis; all of it changes nothing, one element is a selection."""
    before, after = r.shape(x), r.graph.types[node.name].shape
    axis %= len(before)
    if before == after:
        same(r, node, x)
    elif after[axis] == 1:
        r.emit(node, "select", [r.name(x)], axis=axis, index=start or 0)
    else:
        rank, first = len(before), range(before[axis])[start:end:step][0]
        picked = {"start": first, "step": step}
        usual = {"start": 0, "step": 1}
        numbers: dict[str, Any] = {
            key: tuple(picked[key] if a == axis else usual[key] for a in range(rank)) for key in picked
        }
        r.emit(node, "slice", [r.name(x)], axes=(axis,), **numbers)


def expand(r: TorchReader, node: Any, x: Any, shape: Any, **_: Any) -> None:
    """Nothing where the shape stays, new axes of length 1 are a reshape; else axes of length 1 become longer."""
    before, after = r.shape(x), r.graph.types[node.name].shape
    if before == after:
        same(r, node, x)
    elif int(np.prod(before)) == int(np.prod(after)):
        reshape(r, node, x)
    else:
        r.emit(node, "expand", [r.name(x)])


def repeat(r: TorchReader, node: Any, x: Any, counts: Sequence[int]) -> None:
    """All of each axis so many times; new axes come first."""
    rank = max(len(r.shape(x)), len(counts))
    r.emit(node, "tile", [r.name(x)], counts=(*(1,) * (rank - len(counts)), *counts))


def split(r: TorchReader, node: Any, x: Any, *sizes: Any, **given: Any) -> None:
    """split, split_with_sizes and chunk: parts along an axis; the traced shapes say how long they are."""
    axis = given.get("dim", sizes[1] if len(sizes) > 1 else 0)
    r.emit(node, "split", [r.name(x)], axis=axis % len(r.shape(x)))


def unbind(r: TorchReader, node: Any, x: Any, axis: int = 0) -> None:
    """Each index of an axis by itself."""
    for index, output in enumerate(r.parts[node.name]):
        r.emit(node, "select", [r.name(x)], outputs=(output,), axis=axis % len(r.shape(x)), index=index)


def reduce(kind: str) -> Handler:
    """A row for a number from all cells along axes; all axes where none is named."""

    def handle(r: TorchReader, node: Any, x: Any, axes: Any = None, keep: bool = False, **_: Any) -> None:
        rank = len(r.shape(x))
        listed = range(rank) if axes is None or axes == [] else for_all(axes, 1)
        r.emit(
            node,
            f"reduce_{kind}",
            [r.name(x)],
            outputs=r.parts.get(node.name, (node.name,))[:1],
            axes=tuple(a % rank for a in listed),
            keep=keep,
        )

    return handle


def largest(kind: str) -> Handler:
    """A row for max and min: of all cells, along one axis (with indices that nothing may read), or of two values."""

    def handle(r: TorchReader, node: Any, x: Any, axis: Any = None, keep: bool = False, **_: Any) -> None:
        if hasattr(axis, "name"):
            r.emit(node, f"{kind}imum", [r.name(x), r.name(axis)])
        else:
            reduce(kind)(r, node, x, axis, keep)

    return handle


def norm(r: TorchReader, node: Any, x: Any, order: float = 2, axes: Any = None, keep: bool = False, **_: Any) -> None:
    """The sum of sizes, or the root of the sum of squares."""
    if order in (1, 2):
        reduce(f"l{int(order)}")(r, node, x, axes, keep)
    else:
        r.opaque(node, "norm")


def flip(r: TorchReader, node: Any, x: Any, axes: Sequence[int]) -> None:
    """Axes in reverse order."""
    _taken(r, node, x, {a % len(r.shape(x)): np.arange(r.shape(x)[a])[::-1] for a in axes})


def roll(r: TorchReader, node: Any, x: Any, shifts: Any, axes: Any = ()) -> None:
    """Axes that begin further on."""
    places = dict(zip(for_all(axes, 1) if axes != () else (), for_all(shifts, 1)))
    if places:
        _taken(r, node, x, {a % len(r.shape(x)): np.roll(np.arange(r.shape(x)[a]), n) for a, n in places.items()})
    else:
        moved("gather", 0)(r, node, x, shifts)


def _taken(r: TorchReader, node: Any, x: Any, wanted: dict[int, Any]) -> None:
    """Cells by number along several axes, one after the other."""
    value, left = r.name(x), len(wanted)
    for axis, index in wanted.items():
        left -= 1
        shape = list(r.graph.shape(value))
        shape[axis] = len(index)
        output = r.made(f"{node.name}:{left}", node, tuple(shape)) if left else node.name
        r.emit(node, "take", [value], outputs=(output,), axis=axis, index=tuple(int(i) for i in index))
        value = output


def index(r: TorchReader, node: Any, x: Any, indices: Sequence[Any]) -> None:
    """x[..., [2, 0, 1]] with stored numbers along one axis."""
    used = [a for a, given in enumerate(indices) if given is not None]
    array = r.array(indices[used[0]]) if len(used) == 1 else None
    if array is None or array.ndim != 1 or array.dtype.kind not in "iu" or r.array(x) is not None:
        moved("gather", 0)(r, node, x, indices)
    else:
        r.emit(node, "take", [r.name(x)], axis=used[0], index=tuple(array.tolist()))


def index_select(r: TorchReader, node: Any, x: Any, axis: int, wanted: Any) -> None:
    """Stored indices along an axis."""
    index(r, node, x, [None] * (axis % len(r.shape(x))) + [wanted])


def shuffle(kind: str, block_first: bool = False) -> Handler:
    """A row for pixel_shuffle or pixel_unshuffle."""
    return lambda r, node, x, block: r.emit(node, kind, [r.name(x)], block=block, block_first=block_first)


def channel_shuffle(r: TorchReader, node: Any, x: Any, groups: int) -> None:
    """The channels of all groups in turn."""
    _taken(r, node, x, {1: np.arange(r.shape(x)[1]).reshape(groups, -1).T.reshape(-1)})


def einsum(r: TorchReader, node: Any, equation: str, values: Sequence[Any], **_: Any) -> None:
    """A matrix product between transpositions; other sums have no operation."""
    found = as_product(equation) if len(values) == 2 else None
    if found is None:
        r.opaque(node, "matrix product")
        return
    operands = []
    for value, order, part in zip(values, (found.first, found.second), "xy"):
        shape = r.shape(value)
        moved = r.made(f"{node.name}:{part}", node, tuple(shape[a] for a in order))
        r.emit(node, "transpose", [r.name(value)], outputs=(moved,), order=order)
        operands.append(moved)
    rows, columns = r.graph.shape(operands[0]), r.graph.shape(operands[1])
    made = r.made(f"{node.name}:product", node, (*rows[:-1], columns[-1]))
    r.emit(node, "matmul", operands, outputs=(made,))
    r.emit(node, "transpose", [made], order=found.last)


def spread(root: bool) -> Handler:
    """A row for var or std: the mean of squares around the mean, or its root."""

    def handle(
        r: TorchReader, node: Any, x: Any, axes: Any = None, unbiased: bool = True, keep: bool = False, **given: Any
    ) -> None:
        shape = r.shape(x)
        over = range(len(shape)) if axes is None or isinstance(axes, bool) else for_all(axes, 1)
        correction = given.get("correction", 1 if unbiased else 0)
        count = int(np.prod([shape[a] for a in over]))
        keep = given.get("keepdim", keep)
        one = tuple(1 if a in {o % len(shape) for o in over} else n for a, n in enumerate(shape))
        middle, apart, squares = (
            r.made(f"{node.name}:{part}", node, kind)
            for part, kind in (("mean", one), ("apart", shape), ("squares", shape))
        )
        result = r.graph.types[node.name].shape
        mean, scaled = (r.made(f"{node.name}:{part}", node, result) for part in ("mean_square", "scaled"))
        axes_kept = tuple(a % len(shape) for a in over)
        r.emit(node, "mean", [r.name(x)], outputs=(middle,), axes=axes_kept, keep=True)
        r.emit(node, "sub", [r.name(x), middle], outputs=(apart,))
        r.emit(node, "mul", [apart, apart], outputs=(squares,))
        r.emit(node, "mean", [squares], outputs=(mean,), axes=axes_kept, keep=keep)
        factor = r.operand(count / max(count - (1 if correction is None else correction), 1), node)
        r.emit(node, "mul", [mean, factor], outputs=(scaled if root else node.name,))
        if root:
            r.emit(node, "sqrt", [scaled])

    return handle


def concat(r: TorchReader, node: Any, values: Sequence[Any], axis: int = 0) -> None:
    """Values side by side."""
    if len(values) == 1:
        same(r, node, values[0])
    else:
        r.emit(node, "concat", [r.name(v) for v in values], axis=axis)


def moved(what: str, *values: int) -> Handler:
    """A row for an operator that only moves cells of some arguments, by the others, which are stored."""

    def handle(r: TorchReader, node: Any, *arguments: Any, **keywords: Any) -> None:
        import torch

        data = [arguments[i] for i in values]
        if not all(hasattr(value, "name") for value in data):
            r.opaque(node, what)
            return
        cells = dict(zip((v.name for v in data), numbered([r.graph.shape(r.name(v)) for v in data])))
        known = {other.name for other in node.all_input_nodes if r.name(other) in r.tensors} | set(cells)
        if any(other.name not in known for other in node.all_input_nodes):
            r.opaque(node, what)
            return

        def given(other: Any) -> Any:
            return torch.from_numpy(cells[other.name]) if other.name in cells else r.tensors[r.name(other)]

        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), given)
        try:
            index = node.target(*args, **kwargs).numpy()
        except RuntimeError:
            index = node.target(*(a.double() if hasattr(a, "double") else a for a in args), **kwargs).numpy()
        r.emit(node, "cells", [r.name(v) for v in data], index=np.asarray(index, np.int64))

    return handle


def fill(r: TorchReader, node: Any, x: Any, mask: Any, value: Any) -> None:
    """One number where a mask says so."""
    r.emit(node, "where", [r.operand(mask, node), r.operand(value, node), r.name(x)])


def embedding(r: TorchReader, node: Any, *_: Any) -> None:
    """Rows of a table."""
    r.opaque(node, "embedding")


def checked(r: TorchReader, node: Any, *_: Any, **__: Any) -> None:
    """Assertions and profiling marks of the tracer: nothing."""
