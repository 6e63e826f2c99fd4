# SPDX-License-Identifier: Apache-2.0
"""Ordinary operators on the values of all steps: they work on each of them, and `TIMED` says how.

A rule gives the values of all steps of a new folded node, or None where an operator mixes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from akc.frontends.spiking.values import EACH, Const, Folding, Many, Step, Timed, shape_of, short_name

Rule = Callable[[Folding, Any], Any]


def place_in_step(timed: Timed, rank: int, dim: int) -> int:
    """An axis of a traced value, in the folded node of one step."""
    dim %= rank
    return dim if timed.kept or dim < timed.dim else dim - 1


def moved(f: Folding, node: Any, timed: Timed, place: Any) -> Any:
    """An operator along one or more other axes, on each step."""
    made = f.make(node.target, (timed.node, place, *node.args[2:]), node.kwargs, node)
    before, after = len(shape_of(node.args[0])), len(shape_of(node))
    gone = [d for d in (place if isinstance(place, list) else [place]) if d < timed.dim] if after < before else []
    return Timed(made, timed.dim - len(gone), timed.steps, timed.kept)


def _each(f: Folding, node: Any) -> Any:
    """An operator on elements: each step for itself, other operands known or the same at each step."""
    rank, operands = len(shape_of(node)), {a: f.value(a) for a in node.all_input_nodes}
    timed = [(a, v) for a, v in operands.items() if isinstance(v, Timed)]
    dims = {rank - len(shape_of(a)) + v.dim for a, v in timed}
    if len(dims) > 1 or len({v.steps for _, v in timed}) > 1 or len({v.kept for _, v in timed}) > 1:
        return None
    dim, kept = dims.pop(), timed[0][1].kept
    made = {a: _aligned(f, node, a, v, dim, kept) for a, v in operands.items()}
    if any(n is None for n in made.values()):
        return None
    return Timed(_on(f, node, made), dim, timed[0][1].steps, kept)


def _on(f: Folding, node: Any, made: Mapping[Any, Any]) -> Any:
    """The same operator on other operands."""
    import torch

    arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), lambda a: made[a])
    return f.make(node.target, arguments, keywords, node)


def _aligned(f: Folding, node: Any, argument: Any, value: Any, dim: int, kept: bool) -> Any:
    """An operand of one step: without the time axis where the others have none."""
    import torch

    if isinstance(value, Timed):
        return value.node
    if not isinstance(value, Const) and not (isinstance(value, Step) and value.time == EACH):
        return None
    shape = list(shape_of(argument))
    axis = dim - (len(shape_of(node)) - len(shape))
    if axis < 0 or kept:
        return value.node if axis < 0 or shape[axis] == 1 else None
    if shape[axis] != 1:
        return None
    del shape[axis]
    if isinstance(value, Const):
        return f.constant(value.tensor.reshape(shape), f"{node.name}_operand").node
    return f.make(torch.ops.aten.view.default, (value.node, shape), {}, node)


def _on_last(f: Folding, node: Any) -> Any:
    """A layer on the last axis."""
    timed = f.value(node.args[0])
    others = [f.value(a) for a in node.all_input_nodes[1:]]
    if (
        not isinstance(timed, Timed)
        or timed.dim == len(shape_of(node)) - 1
        or not all(isinstance(v, Const) for v in others)
    ):
        return None
    made = {a: f.value(a).node for a in node.all_input_nodes}
    return Timed(_on(f, node, made), timed.dim, timed.steps, timed.kept)


def _on_maps(f: Folding, node: Any) -> Any:
    """A layer on maps, where time and batch are one axis in front."""
    timed = f.value(node.args[0])
    if not isinstance(timed, Timed) or timed.dim or not timed.kept:
        return None
    made = {a: f.value(a).node for a in node.all_input_nodes}
    whole = _on(f, node, made)
    if isinstance(node.meta["val"], list | tuple):
        count = range(len(node.meta["val"]))
        return Many(tuple(Timed(f.part(whole, i, node), 0, timed.steps, True) for i in count))
    return Timed(whole, 0, timed.steps, True)


def _on_rows(f: Folding, node: Any) -> Any:
    """A pool along the last axis, where time and batch are the two in front."""
    import torch

    timed = f.value(node.args[0])
    if not isinstance(timed, Timed) or timed.kept or timed.dim or len(shape_of(node)) != 3:
        return _on_maps(f, node)
    row = f.make(torch.ops.aten.unsqueeze.default, (timed.node, 1), {}, node)
    pooled = f.make(node.target, (row, *node.args[1:]), node.kwargs, node)
    return Timed(f.make(torch.ops.aten.squeeze.dim, (pooled, 1), {}, node), 0, timed.steps)


def _reshape(f: Folding, node: Any) -> Any:
    """Axes around that of time come, go or join; time stays an axis, alone or joined with a batch of one."""
    import torch

    timed = f.value(node.args[0])
    before, after = shape_of(node.args[0]), shape_of(node)
    steps = len(timed.steps)
    ahead = _product(before[: timed.dim])
    dim = next((d for d, n in enumerate(after) if n == steps and _product(after[:d]) == ahead), None)
    if dim is None:
        return None
    kept = _joined(timed, _without(before, timed.dim), _without(after, dim))
    shape = [*after[:dim], *([1] if kept else []), *after[dim + 1 :]]
    made = timed.node
    if timed.kept and list(_without(shape_of(made), timed.dim)) == shape:
        made = f.make(torch.ops.aten.squeeze.dim, (made, timed.dim), {}, node)  # the batch stays, also a batch of one
    elif list(shape_of(made)) != shape:
        made = f.make(torch.ops.aten.view.default, (made, shape), {}, node)
    return Timed(made, dim, timed.steps, kept)


def _joined(timed: Timed, before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether the axis of time is the batch too, once a reshape is done."""
    if not timed.kept and tuple(before) == (1, *after):
        return True
    return timed.kept and tuple(after) != (1, *before)


def _without(shape: Sequence[int], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], *shape[dim + 1 :])


def _product(shape: Sequence[int]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def _permute(f: Folding, node: Any) -> Any:
    """The axis of time moves; the others change places in each step."""
    timed = f.value(node.args[0])
    rank = len(shape_of(node.args[0]))
    order = [a % rank for a in _order(node, rank)]
    dim = order.index(timed.dim)
    inner = order if timed.kept else [a - (a > timed.dim) for a in order if a != timed.dim]
    if inner == list(range(len(inner))):
        return Timed(timed.node, dim, timed.steps, timed.kept)
    import torch

    made = f.make(torch.ops.aten.permute.default, (timed.node, inner), {}, node)
    return Timed(made, dim, timed.steps, timed.kept)


def _order(node: Any, rank: int) -> list[int]:
    if short_name(node) == "permute":
        return list(node.args[1])
    order = list(range(rank))
    first, second = (node.args[1], node.args[2]) if len(node.args) > 2 else (0, 1)
    order[first], order[second] = order[second], order[first]
    return order


def _along(f: Folding, node: Any) -> Any:
    """Softmax and the like: along another axis than time."""
    timed, rank = f.value(node.args[0]), len(shape_of(node))
    if node.args[1] % rank == timed.dim:
        return None
    return moved(f, node, timed, place_in_step(timed, rank, node.args[1]))


_ELEMENTS = """relu sigmoid tanh neg abs exp log sqrt rsqrt reciprocal pow erf gelu silu hardtanh clamp clamp_min
    clamp_max add sub rsub mul div gt lt ge le eq ne where maximum minimum leaky_relu elu softplus relu6 square
    logical_not multiply true_divide divide subtract logical_and logical_or to _to_copy"""
_LAYERS = """conv1d conv2d convolution batch_norm _native_batch_norm_legit_no_training max_pool2d avg_pool2d max_pool1d
    avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices adaptive_avg_pool1d"""
_SHAPES = "view reshape flatten unflatten squeeze unsqueeze _unsafe_view unsafe_view view_copy"

TIMED: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTS.split(), _each),
    **dict.fromkeys(("linear", "matmul", "layer_norm"), _on_last),
    **dict.fromkeys(_LAYERS.split(), _on_maps),
    **dict.fromkeys(("avg_pool1d", "max_pool1d"), _on_rows),
    **dict.fromkeys(_SHAPES.split(), _reshape),
    **dict.fromkeys(("permute", "transpose", "swapaxes"), _permute),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _along),
}
