# SPDX-License-Identifier: Apache-2.0
"""aten operators on elements, shapes and axes: how a node of a torch.export graph becomes nodes of the common form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    """Nothing where the shape stays, new axes of length 1 are a reshape; else a repetition."""
    before, after = r.shape(x), r.graph.types[node.name].shape
    if before == after:
        same(r, node, x)
    elif int(np.prod(before)) == int(np.prod(after)):
        reshape(r, node, x)
    else:
        r.emit(node, "expand", [r.name(x)])


def concat(r: TorchReader, node: Any, values: Sequence[Any], axis: int = 0) -> None:
    """Values side by side."""
    if len(values) == 1:
        same(r, node, values[0])
    else:
        r.emit(node, "concat", [r.name(v) for v in values], axis=axis)


def embedding(r: TorchReader, node: Any, *_: Any) -> None:
    """Rows of a table."""
    r.opaque(node, "embedding")


def checked(r: TorchReader, node: Any, *_: Any, **__: Any) -> None:
    """Assertions and profiling marks of the tracer: nothing."""
