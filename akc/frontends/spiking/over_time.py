# SPDX-License-Identifier: Apache-2.0
"""Operators that know time: sums and maxima over steps, stacks, tensors written step by step, steps of the input.

`WITH_TIME` holds those that make, join or leave time; each gives a value of akc.frontends.spiking.values, or None where
its operands are ordinary (akc.frontends.spiking.each_step has those).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from akc.base.diagnostics import DiagnosticError
from akc.frontends.spiking.each_step import moved, place_in_step
from akc.frontends.spiking.values import (
    EACH,
    FREE,
    WINDOWS,
    At,
    Const,
    Folding,
    Many,
    Peak,
    Slots,
    Step,
    Timed,
    Total,
    Unread,
    shape_of,
    short_name,
)

Rule = Callable[[Folding, Any], Any]


def _operand(f: Folding, argument: Any) -> Any:
    """The value of an argument; a number stays one, a known tensor of one element becomes one."""
    if not hasattr(argument, "all_input_nodes"):
        return argument
    value = f.value(argument)
    return value.tensor.item() if isinstance(value, Const) and value.tensor.numel() == 1 else value


def _option(node: Any, place: int, name: str, usual: Any) -> Any:
    """An argument by place or by name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, usual)


# -- sums over steps ------------------------------------------------------------------------------


def _terms(value: Any) -> Mapping[At, float] | None:
    if isinstance(value, Total):
        return value.terms
    if not isinstance(value, Step) or not isinstance(value.time, int):
        return None
    made, factor = _unscaled(value.node)
    return {(made, value.time): factor}


def _unscaled(node: Any) -> tuple[Any, float]:
    """A node times a number as both: sums over steps then have one node with a factor for each step."""
    factor = 1.0
    while short_name(node) in ("mul", "div") and isinstance(node.args[1], int | float) and node.args[1]:
        factor = factor * node.args[1] if short_name(node) == "mul" else factor / node.args[1]
        node = node.args[0]
    return node, factor


def _add(sign: float) -> Rule:
    """x + y or x - y of values of different steps; a start of zeros adds nothing."""

    def add(f: Folding, node: Any) -> Any:
        x, y = (_operand(f, a) for a in node.args[:2])
        factor = sign * float(_option(node, 2, "alpha", 1))
        if sign == 1 and _is_zero(x) and hasattr(node.args[1], "meta") and _fits(node, node.args[1]) and factor == 1:
            return f.value(node.args[1])
        if _is_zero(y) and hasattr(node.args[0], "meta") and _fits(node, node.args[0]):
            return f.value(node.args[0])
        left, right = _terms(x), _terms(y)
        if left is None or right is None or not all(_fits(node, a) for a in node.args[:2]):
            return None
        if isinstance(x, Step) and isinstance(y, Step) and x.time == y.time:
            return None
        total = dict(left)
        for at, number in right.items():
            total[at] = total.get(at, 0.0) + factor * number
        return Total({at: number for at, number in total.items() if number})

    return add


def _is_zero(value: Any) -> bool:
    if isinstance(value, Const):
        return not value.tensor.any()
    return isinstance(value, int | float) and value == 0


def _fits(node: Any, operand: Any) -> bool:
    """Whether an operand has the shape of the result, in floats."""
    given, made = operand.meta["val"], node.meta["val"]
    return tuple(given.shape) == tuple(made.shape) and given.dtype == made.dtype


def _scale(f: Folding, node: Any) -> Any:
    """A sum times or over a number."""
    x, y = (_operand(f, a) for a in node.args[:2])
    if short_name(node) in ("div", "true_divide", "divide"):
        number = 1.0 / y if isinstance(y, int | float) and y else None
        if node.kwargs.get("rounding_mode") is not None:
            return None
    else:
        x, y = (y, x) if isinstance(x, int | float) else (x, y)
        number = float(y) if isinstance(y, int | float) else None
    if not isinstance(x, Total) or number is None:
        return None
    return Total({at: term * number for at, term in x.terms.items()})


def read_total(f: Folding, total: Total, node: Any) -> Any:
    """The value of a sum over steps: of one step alone it stays at its step, else it is free."""
    import torch

    by_node: dict[Any, dict[int, float]] = {}
    for (made, time), number in total.terms.items():
        by_node.setdefault(made, {})[time] = number
    parts = []
    for made, steps in by_node.items():
        parts.append(f.read(made, "weighted", steps, node))
    whole = parts[0]
    for part in parts[1:]:
        whole = f.make(torch.ops.aten.add.Tensor, (whole, part), {}, node, whole.meta["val"])
    return Step(whole, FREE)


# -- maxima over steps ----------------------------------------------------------------------------


def _maximum(f: Folding, node: Any) -> Any:
    """A running maximum, started with a value, or with a number at every place."""
    if short_name(node) == "max" and not (len(node.args) > 1 and hasattr(node.args[1], "meta")):
        return _reduce(f, node)
    values = [f.value(a) for a in node.args[:2]]
    terms: list[At] = []
    floor: float | None = None
    for value in values:
        if isinstance(value, Const) and (value.tensor == value.tensor.flatten()[0]).all():
            floor = float(value.tensor.flatten()[0])
        elif isinstance(value, Peak):
            terms += value.terms
            floor = value.floor if floor is None else floor
        elif isinstance(value, Step) and isinstance(value.time, int):
            terms.append((value.node, value.time))
        else:
            return None
    together = all(isinstance(v, Step) for v in values) and len({v.time for v in values}) == 1
    return None if together or not all(_fits(node, a) for a in node.args[:2]) else Peak(tuple(terms), floor)


def read_peak(f: Folding, peak: Peak, node: Any) -> Any:
    """The largest over all steps, or of one step and a number."""
    import torch

    nodes = list(dict.fromkeys(made for made, _ in peak.terms))
    times = {time for _, time in peak.terms}
    if len(times) == 1:
        whole, time = nodes[0], next(iter(times))
        for other in nodes[1:]:
            whole = f.make(torch.ops.aten.maximum.default, (whole, other), {}, node, whole.meta["val"])
        return Step(_floored(f, whole, peak.floor, node), time)
    parts = [f.read(made, "max", {t: 1.0 for n, t in peak.terms if n is made}, node) for made in nodes]
    whole = parts[0]
    for part in parts[1:]:
        whole = f.make(torch.ops.aten.maximum.default, (whole, part), {}, node, whole.meta["val"])
    return Step(_floored(f, whole, peak.floor, node), FREE)


def _floored(f: Folding, made: Any, floor: float | None, node: Any) -> Any:
    import torch

    if floor is None or floor == float("-inf"):
        return made
    return f.make(torch.ops.aten.clamp_min.default, (made, floor), {}, node, made.meta["val"])


# -- stacks ---------------------------------------------------------------------------------------


def _stack(f: Folding, node: Any) -> Any:
    dim = _option(node, 1, "dim", 0) % len(shape_of(node))
    return _lined_up(f, [f.value(a) for a in node.args[0]], dim, False)


def _cat(f: Folding, node: Any) -> Any:
    """Steps side by side, each with an axis of length 1 for time; or sums over windows of the loop."""
    dim = _option(node, 1, "dim", 0) % len(shape_of(node))
    values = [f.value(a) for a in node.args[0]]
    if all(shape_of(a)[dim] == 1 for a in node.args[0]) and (found := _lined_up(f, values, dim, True)):
        return found
    return _windows(f, node, values, dim)


def _lined_up(f: Folding, values: Sequence[Any], dim: int, kept: bool) -> Timed | None:
    """Values of one folded node at different steps, or the same value again and again."""
    if len(values) < 2 or not all(isinstance(v, Step) for v in values) or len({v.node for v in values}) > 1:
        return None
    times = [v.time for v in values]
    if all(t == EACH for t in times):
        return Timed(values[0].node, dim, tuple(range(len(times))), kept)
    if all(isinstance(t, int) for t in times) and len(set(times)) == len(times):
        return Timed(values[0].node, dim, tuple(times), kept)
    return None


def _windows(f: Folding, node: Any, values: Sequence[Any], dim: int) -> Any:
    """Sums over equal windows of the loop, side by side along the features."""
    if dim != 1 or len(shape_of(node)) != 2 or not all(isinstance(v, Total) for v in values):
        return None
    found = [{t for _, t in v.terms} for v in values]
    nodes = {made for v in values for made, _ in v.terms}
    counts = [len(steps) for steps in found]
    ends = [k * sum(counts) // len(counts) for k in range(len(counts) + 1)]
    usual = [set(range(a, b)) for a, b in pairwise(ends)]
    if len(nodes) != 1 or found != usual or any(n != 1 for v in values for n in v.terms.values()):
        return None
    made = f.make(WINDOWS, (nodes.pop(), len(counts)), {}, node, node.meta["val"])
    return Step(made, FREE)


def _scatter(f: Folding, node: Any) -> Any:
    """One entry of a tensor is written."""
    base, source = f.value(node.args[0]), f.value(node.args[1])
    dim = _option(node, 2, "dim", 0) % len(shape_of(node))
    index = _option(node, 3, "index", 0) % shape_of(node)[dim]
    if isinstance(base, Const):
        base = Slots(base, dim)
    if not isinstance(base, Slots) or base.dim != dim:
        return None
    return Slots(base.base, dim, {**base.entries, index: source})


def _copy(f: Folding, node: Any) -> Any:
    """What is written over a tensor of the same shape."""
    given, over = node.args[1].meta["val"], node.meta["val"]
    return f.value(node.args[1]) if tuple(given.shape) == tuple(over.shape) and given.dtype == over.dtype else None


def resolved(f: Folding, slots: Slots, node: Any) -> Any:
    """A tensor that was written step by step, once all of it is read."""
    import torch

    length = slots.base.tensor.shape[slots.dim]
    before = [slots.base.tensor.select(slots.dim, i) for i in range(length)]
    rows = [slots.entries.get(i) or f.constant(before[i], f"{node.name}_row") for i in range(length)]
    if (found := _lined_up(f, rows, slots.dim, False)) is not None:
        return found
    settled = [f.freed(f.settled(row, node), node) for row in rows]
    value = torch.empty(tuple(slots.base.tensor.shape), device="meta")
    made = f.make(torch.ops.aten.stack.default, ([row.node for row in settled], slots.dim), {}, node, value)
    return Step(made, FREE)


# -- steps of a value with a time axis ------------------------------------------------------------


def _timed(f: Folding, argument: Any, node: Any) -> Timed | None:
    """A value with a time axis, if an argument is one."""
    value = f.value(argument)
    if isinstance(value, Slots):
        value = f.env[argument] = resolved(f, value, node)
    return value if isinstance(value, Timed) else None


def _dropped(f: Folding, value: Timed, node: Any, shape: Sequence[int]) -> Any:
    """The folded node of one step, in the shape that a traced value has without its time axis."""
    import torch

    if shape_of(value.node) == tuple(shape):
        return value.node
    return f.make(torch.ops.aten.view.default, (value.node, list(shape)), {}, node)


def _select(f: Folding, node: Any) -> Any:
    x, dim, index = node.args
    value = f.value(x)
    if isinstance(value, Slots) and dim % len(shape_of(x)) == value.dim:
        index %= shape_of(x)[value.dim]
        if index in value.entries:
            return value.entries[index]
        return f.constant(value.base.tensor.select(value.dim, index), node.name)
    timed = _timed(f, x, node)
    if timed is None:
        return None
    if dim % len(shape_of(x)) == timed.dim:
        return Step(_dropped(f, timed, node, shape_of(node)), timed.steps[index])
    return moved(f, node, timed, place_in_step(timed, len(shape_of(x)), dim))


def _unbind(f: Folding, node: Any) -> Any:
    timed, dim = _timed(f, node.args[0], node), _option(node, 1, "dim", 0)
    if timed is None or dim % len(shape_of(node.args[0])) != timed.dim:
        return None
    shape = tuple(node.meta["val"][0].shape)
    made = _dropped(f, timed, node, shape)
    return Many(tuple(Step(made, step) for step in timed.steps))


def _slice(f: Folding, node: Any) -> Any:
    timed = _timed(f, node.args[0], node)
    dim, start, end, step = (_option(node, i + 1, n, u) for i, (n, u) in enumerate(_SLICE))
    if timed is None:
        return None
    if dim % len(shape_of(node.args[0])) == timed.dim:
        return Timed(timed.node, timed.dim, timed.steps[start:end:step], timed.kept)
    return moved(f, node, timed, place_in_step(timed, len(shape_of(node.args[0])), dim))


_SLICE = (("dim", 0), ("start", None), ("end", None), ("step", 1))


def _reduce(f: Folding, node: Any) -> Any:
    """sum, mean or max; over the time axis it leaves time."""
    timed = _timed(f, node.args[0], node)
    if timed is None:
        return None
    rank, name = len(shape_of(node.args[0])), short_name(node)
    dims = _option(node, 1, "dim", None)
    listed = [
        d % rank for d in (dims if isinstance(dims, list | tuple) else [dims] if dims is not None else range(rank))
    ]
    if timed.dim not in listed:
        places = [place_in_step(timed, rank, d) for d in listed]
        return moved(f, node, timed, places if isinstance(dims, list | tuple) else places[0])
    if len(listed) > 1:
        return None
    first = node.meta["val"][0] if isinstance(node.meta["val"], list | tuple) else node.meta["val"]
    made = _dropped(f, timed, node, tuple(first.shape))
    share = 1.0 / len(timed.steps) if name == "mean" else 1.0
    if name in ("sum", "mean"):
        return Total({(made, t): share for t in timed.steps})
    peak = Peak(tuple((made, t) for t in timed.steps))
    return Many((peak, WHERE)) if name == "max" else peak


WHERE = Unread("the step of a maximum", "give the maximum alone: x.max(0).values, or x.amax(0)")


# -- a value that is repeated ---------------------------------------------------------------------


def _repeat(f: Folding, node: Any) -> Any:
    """One axis of length 1 becomes many: perhaps that of time. It stays an ordinary value beside."""
    import torch

    value = f.value(node.args[0])
    if not isinstance(value, Step) or value.time != EACH:
        return None
    before, after = shape_of(node.args[0]), shape_of(node)
    padded = (1,) * (len(after) - len(before)) + before
    grown = [a for a, (b, n) in enumerate(zip(padded, after)) if b != n]
    if len(grown) != 1 or padded[grown[0]] != 1:
        return None
    made = value.node
    if padded != before:
        made = f.make(torch.ops.aten.view.default, (made, list(padded)), {}, node)
    dim, kept = grown[0], True
    if dim == 0 and len(padded) > len(before):
        made, kept = value.node, False
    whole = f.general(node)
    return Timed(made, dim, tuple(range(after[dim])), kept, whole if isinstance(whole, Step) else None)


WITH_TIME: dict[str, Rule] = {
    **dict.fromkeys(("add", "add_"), _add(1.0)),
    **dict.fromkeys(("sub", "subtract"), _add(-1.0)),
    **dict.fromkeys(("mul", "multiply", "div", "true_divide", "divide"), _scale),
    **dict.fromkeys(("maximum", "max"), _maximum),
    **dict.fromkeys(("sum", "mean", "amax"), _reduce),
    "stack": _stack,
    **dict.fromkeys(("cat", "concat"), _cat),
    "select_scatter": _scatter,
    "copy": _copy,
    "select": _select,
    "unbind": _unbind,
    "slice": _slice,
    **dict.fromkeys(("repeat", "expand"), _repeat),
}


def need_ordered(f: Folding, value: Timed, node: Any) -> None:
    """A result with a time axis gives all steps in their order; raises AKC0383."""
    if value.steps != tuple(range(f.steps)):
        message = f"a result holds {len(value.steps)} steps out of {f.steps}, or in another order"
        raise DiagnosticError(f.fault(node, message, "return all steps, or read them out"))
