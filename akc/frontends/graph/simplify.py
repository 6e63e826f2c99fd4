# SPDX-License-Identifier: Apache-2.0
"""One form for what exporters write in several: constants into layers, chains of factors into one.

The same network comes with its batch normalisation folded (torch.onnx folds it behind convolutions,
its newer exporter behind dense layers too) or not (torch.export); a bias is an input of Gemm or an Add
of its own. After `simplify` all of them are the same nodes. Sums are done in double precision.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import evolve

from akc.frontends.graph.emit.cells import selected
from akc.frontends.graph.graph import Array, Graph, Node, merged_source

LINEAR = ("dense", "conv")


ONE: Array = np.array(1.0)
NOTHING: Array = np.array(0.0)
SPREAD = 4.0
"""Standard deviations around its mean that a batch-normalised value is taken to reach."""


def simplify(graph: Graph, statistics: bool = False) -> None:
    """Rewrite a graph in place until nothing changes; groups must be recognised before.

    statistics: whether folded batch normalisations leave the range that they promise on the result.
    Files of PyTorch's exporters have lost most of them, so it is for live modules.
    """
    graph.drop_dead()
    if statistics:
        graph.rewrite(_with_promised_range)
    join_constants(graph)
    _select_last_steps(graph)
    changed = True
    while changed:
        changed = sum(_merge(graph, rule) for rule in MERGES) > 0


def join_constants(graph: Graph) -> None:
    """Let arithmetic with constants be factors and summands, in place; nothing is merged, nothing rounds anew."""
    graph.rewrite(lambda node: _as_affine(graph, node))


Rule = Callable[[Graph, Node, Node], Node | None]


MANY = 64
"""Nodes of this many layers are merged once a round: long chains then merge in pairs, and not one by one, which would
copy the names of all layers for each."""


def _merge(graph: Graph, rule: Rule) -> bool:
    """Apply a rule to each pair (producer read by nothing else, reader); whether any applied."""
    changed: set[str] = set()
    producers, users = graph.producers(), graph.users()
    position = {id(node): i for i, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        before = producers.get(node.inputs[0]) if node.inputs else None
        if before is None or node.inputs[0] in graph.outputs or len(users[node.inputs[0]]) != 1:
            continue
        if len(before.source) > MANY and before.output in changed:
            continue
        merged = rule(graph, before, node)
        if merged is not None:
            at = position[id(node)]
            graph.nodes[at] = merged
            position[id(merged)] = at
            producers[merged.output] = merged
            changed.add(merged.output)
    graph.drop_dead()
    return bool(changed)


# -- arithmetic with constants --------------------------------------------------------------------


def _as_affine(graph: Graph, node: Node) -> Node | None:
    """x * scale + shift for arithmetic of a value with a constant that needs no broadcasting of the value."""
    if node.kind == "neg":
        return _affine(node, node.inputs[0], np.array(-1.0), NOTHING)
    if node.kind == "where":
        return _as_selection(graph, node)
    if node.kind not in ("add", "sub", "mul", "div") or len(node.inputs) != 2:
        return None
    left, right = (graph.constants.get(name) for name in node.inputs)
    if (left is None) == (right is None):
        return None
    constant = _masked(graph, node, np.asarray(left if right is None else right, np.float64))
    value = node.inputs[1] if right is None else node.inputs[0]
    if np.broadcast_shapes(constant.shape, graph.shape(value)) != graph.shape(value):
        return None
    scale_shift = _SCALE_AND_SHIFT.get((node.kind, right is None))
    return _affine(node, value, *scale_shift(constant)) if scale_shift else None


def _as_selection(graph: Graph, node: Node) -> Node | None:
    """A selection by a stored condition: of a value and stored numbers 0 and 1 times the value, and the numbers; of two
    values their cells."""
    condition, *values = (graph.constants.get(name) for name in node.inputs)
    shape = graph.shape(node.output)
    if condition is None or all(array is not None for array in values):
        return None
    chosen = np.broadcast_to(condition.astype(bool), shape)
    if values[0] is None and values[1] is None:
        shapes = graph.shape(node.inputs[1]), graph.shape(node.inputs[2])
        return evolve(node, kind="cells", inputs=node.inputs[1:], attributes={"index": selected(chosen, shape, shapes)})
    kept = chosen if values[0] is None else ~chosen
    value, stored = (node.inputs[1], values[1]) if values[0] is None else (node.inputs[2], values[0])
    if graph.shape(value) != shape or stored is None:
        return None
    numbers = _masked(graph, node, np.where(kept, 0.0, np.broadcast_to(stored, shape).astype(np.float64)))
    return _affine(node, value, kept.astype(np.float64), numbers)


LOWEST = float(np.finfo(np.float32).min)
"""What stands for minus infinity in front of a softmax: its share is exactly 0, too."""


def _masked(graph: Graph, node: Node, numbers: Array) -> Array:
    """Summands with LOWEST in place of minus infinity, where only softmaxes read the sum, and along no axis all are."""
    hidden = np.isneginf(numbers)
    readers = graph.users().get(node.output, []) if hidden.any() and node.output not in graph.outputs else []
    shape = graph.shape(node.output)
    if node.kind not in ("add", "where") or not readers or any(reader.kind != "softmax" for reader in readers):
        return numbers
    full = np.broadcast_to(hidden, shape)
    if any(full.all(axis=reader["axis"]).any() for reader in readers):
        return numbers
    return np.where(hidden, LOWEST, numbers)


_SCALE_AND_SHIFT: dict[tuple[str, bool], Callable[[Array], tuple[Array, Array]]] = {
    ("add", False): lambda c: (ONE, c),
    ("add", True): lambda c: (ONE, c),
    ("sub", False): lambda c: (ONE, -c),
    ("sub", True): lambda c: (-ONE, c),
    ("mul", False): lambda c: (c, NOTHING),
    ("mul", True): lambda c: (c, NOTHING),
    ("div", False): lambda c: (ONE / c, NOTHING),
}
"""By kind of arithmetic and whether the constant stands on the left."""


def _affine(node: Node, value: str, scale: Array, shift: Array) -> Node:
    constants = {"scale": np.asarray(scale), "shift": np.asarray(shift)}
    return evolve(node, kind="affine", inputs=(value,), constants=constants, attributes={})


def _merge_affine(graph: Graph, first: Node, second: Node) -> Node | None:
    if first.kind != "affine" or second.kind != "affine":
        return None
    a, b = first.constants, second.constants
    constants = {"scale": a["scale"] * b["scale"], "shift": a["shift"] * b["scale"] + b["shift"]}
    return evolve(first, outputs=second.outputs, constants=constants, source=merged_source(first, second))


def _fold_into_layer(graph: Graph, layer: Node, after: Node) -> Node | None:
    """A factor and a summand of each unit go into weight and bias."""
    if layer.kind not in LINEAR or after.kind not in ("affine", "batch_norm"):
        return None
    weight = layer.constants["weight"]
    axis = 1 if layer.kind == "conv" else len(graph.shape(layer.output)) - 1
    if after.kind == "batch_norm" and axis != 1:
        return None
    pair = _per_unit(after, len(graph.shape(layer.output)), axis, weight.shape[0])
    if pair is None:
        return None
    scale, shift = pair
    bias = layer.constants.get("bias", np.float64(0)) * scale + shift
    constants = {**layer.constants, "bias": bias.astype(np.float32)}
    attributes = {**layer.attributes, "range": after.attributes.get("range")}
    if (scale != 1).any():
        factors = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        constants["weight"] = (weight.astype(np.float64) * factors).astype(np.float32)
        if "weight_step" in constants:
            constants["weight_step"] = (constants["weight_step"].astype(np.float64) * scale).astype(np.float32)
    return evolve(
        layer, outputs=after.outputs, constants=constants, attributes=attributes, source=merged_source(layer, after)
    )


def _per_unit(after: Node, rank: int, axis: int, units: int) -> tuple[Array, Array] | None:
    """Scale and shift as vectors over the units; None where they differ along another axis."""
    if after.kind == "batch_norm":
        c = {role: array.astype(np.float64) for role, array in after.constants.items()}
        scale = c["scale"] / np.sqrt(c["variance"] + after["epsilon"])
        return scale, c["shift"] - c["mean"] * scale
    vectors = []
    for role in ("scale", "shift"):
        full = after.constants[role].reshape((1,) * (rank - after.constants[role].ndim) + after.constants[role].shape)
        if any(n != 1 for a, n in enumerate(full.shape) if a != axis):
            return None
        vectors.append(np.broadcast_to(full.reshape(-1), (units,)).astype(np.float64))
    return vectors[0], vectors[1]


def _with_promised_range(node: Node) -> Node | None:
    """A batch normalisation with the range of its result: mean `shift`, deviation `scale` in each channel."""
    if node.kind != "batch_norm":
        return None
    mean, deviation = node.constants["shift"].astype(np.float64), np.abs(node.constants["scale"].astype(np.float64))
    ends = float((mean - SPREAD * deviation).min()), float((mean + SPREAD * deviation).max())
    return evolve(node, attributes={**node.attributes, "range": tuple(float(f"{end:.6g}") for end in ends)})


# -- clipping and padding -------------------------------------------------------------------------


def _merge_clip(graph: Graph, first: Node, second: Node) -> Node | None:
    """Two clamps that follow each other, such as Max and Min with constants, are one."""
    if {first.kind, second.kind} - {"clip", "relu"}:
        return None
    (low, high), (low2, high2) = _ends(first), _ends(second)
    ends = {"low": _clamped(low, low2, high2, max), "high": _clamped(high, low2, high2, min)}
    return evolve(first, kind="clip", outputs=second.outputs, attributes=ends, source=merged_source(first, second))


def _ends(node: Node) -> tuple[float | None, float | None]:
    return (0.0, None) if node.kind == "relu" else (node["low"], node["high"])


def _clamped(
    end: float | None, low: float | None, high: float | None, tighter: Callable[[float, float], float]
) -> float | None:
    """An end of the first range, seen through the second one."""
    if end is None:
        return low if tighter is max else high
    above = end if low is None else max(end, low)
    return above if high is None else min(above, high)


def _merge_pad(graph: Graph, pad: Node, conv: Node) -> Node | None:
    """A border of zeros in front of a convolution is the convolution's own padding."""
    if pad.kind != "pad" or conv.kind != "conv" or pad["mode"] != "constant" or pad["value"] != 0:
        return None
    before, after = pad["before"], pad["after"]
    if any((*before[:2], *after[:2])) or min((*before, *after)) < 0:
        return None
    attributes = {
        **conv.attributes,
        "before": tuple(p + q for p, q in zip(conv["before"], before[2:])),
        "after": tuple(p + q for p, q in zip(conv["after"], after[2:])),
    }
    return evolve(conv, inputs=pad.inputs, attributes=attributes, source=merged_source(pad, conv))


MERGES: tuple[Rule, ...] = (_merge_affine, _fold_into_layer, _merge_clip, _merge_pad)


# -- the last step of a recurrent layer -----------------------------------------------------------


def _select_last_steps(graph: Graph) -> None:
    """Reading the last time step of all hidden states is reading the layer's other result."""
    producers = graph.producers()

    def change(node: Node) -> Node | None:
        if node.kind != "select":
            return None
        if graph.shape(node.inputs[0])[node["axis"]] == 1:
            return evolve(node, kind="reshape", attributes={})
        layer = _layer_behind(graph, producers, node)
        if layer is None:
            return None
        last = layer.outputs[1]
        return evolve(node, kind="reshape", inputs=(last,), attributes={})

    graph.rewrite(change)


def _layer_behind(graph: Graph, producers: dict[str, Node], node: Node) -> Node | None:
    """The recurrent layer whose last step a select takes; looks through transposes and axes of length 1."""
    value, axis = node.inputs[0], node["axis"]
    if node["index"] not in (-1, graph.shape(value)[axis] - 1):
        return None
    while value in producers:
        made = producers[value]
        if made.kind in ("lstm", "gru", "rnn"):
            return made if axis == 0 and value == made.outputs[0] and len(made.outputs) > 1 else None
        if made.kind == "transpose":
            axis = made["order"][axis]
        elif made.kind == "reshape":
            before = [a for a, n in enumerate(graph.shape(made.inputs[0])) if n != 1]
            after = [a for a, n in enumerate(graph.shape(value)) if n != 1]
            lengths = [graph.shape(made.inputs[0])[a] for a in before], [graph.shape(value)[a] for a in after]
            if lengths[0] != lengths[1] or axis not in after:
                return None
            axis = before[after.index(axis)]
        else:
            return None
        value = made.inputs[0]
    return None
