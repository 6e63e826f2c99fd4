# SPDX-License-Identifier: Apache-2.0
"""From potentials to levels in ONNX nodes, with the same integers as akc.sim.integer."""

from __future__ import annotations

import numpy as np

from akc.ir.ops import akida
from akc.sim.engine.graph import Graph
from akc.sim.integer import LEVEL_BITS, POTENTIAL_MAX, POTENTIAL_MIN, LayerNumbers, float_levels_are_exact
from akc.sim.registry import Array


def along(numbers: Array, first: bool) -> Array:
    """Numbers of the filters, shaped so that they meet the filters' axis."""
    return numbers.reshape(-1, 1, 1) if first else numbers


def clip20(graph: Graph, tensor: str, dtype: np.dtype[np.generic], base: str) -> str:
    """Cut to 20 bits."""
    low, high = (graph.constant(f"{base}.{word}", np.array(n, dtype)) for word, n in _ENDS)
    return graph.node("Clip", [tensor, low, high], f"{base}.cut")


_ENDS = (("low", POTENTIAL_MIN), ("high", POTENTIAL_MAX))


def takes_threshold_first(op: akida.Layer, numbers: LayerNumbers, bound: int) -> bool:
    """Whether the threshold may be taken off the sums themselves: whole numbers that stay below 24 bits."""
    return op.activation and float_levels_are_exact(numbers, bound)


def levels(graph: Graph, op: akida.Layer, numbers: LayerNumbers, differences: str, first: bool) -> str:
    """float32 levels from float32 differences (potential - threshold), where these are exact.

    Maps are scaled by a Conv with one number a channel: runtimes fold a Mul into the weights of a Conv in front of it,
    where sums are whole numbers no more, and they fuse a Conv with the Clip behind it.
    """
    base, factors = op.name, reciprocals(numbers)
    if factors is None:
        step = (numbers.steps / numbers.levels).astype(np.float32)
        scaled = graph.node("Div", [differences, graph.constant(f"{base}.step", along(step, first))], f"{base}.scaled")
    elif first:
        kernel = graph.constant(f"{base}.per_step", factors.reshape(-1, 1, 1, 1))
        scaled = graph.node("Conv", [differences, kernel], f"{base}.scaled", group=len(factors))
    else:
        above = graph.node("Relu", [differences], f"{base}.above")
        scaled = graph.node("Mul", [above, graph.constant(f"{base}.per_step", factors)], f"{base}.scaled")
    limits = ("none", 0), ("top", numbers.levels - 1)
    ends = [graph.constant(f"{base}.{word}", np.array(n, np.float32)) for word, n in limits]
    return graph.node("Ceil", [graph.node("Clip", [scaled, *ends], f"{base}.between")], f"{base}.levels")


def reciprocals(numbers: LayerNumbers) -> Array | None:
    """float32 factors whose product, rounded up, is the level for every difference; None if a filter has none.

    Product and level both rise with the difference, so they agree everywhere if they agree on both sides of each
    difference at which the level rises.
    """
    edges = np.arange(numbers.levels - 1)[:, None]
    below = edges * numbers.steps // numbers.levels
    near = (numbers.levels / numbers.steps).astype(np.float32)
    found = np.full(len(near), np.nan, np.float32)
    for factor in (near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(np.inf))):
        low, high = (part.astype(np.float32) * factor for part in (below, below + 1))
        good = ((low <= edges) & (high > edges)).all(axis=0) & np.isfinite(factor)
        found = np.where(np.isnan(found) & good, factor, found)
    return None if np.isnan(found).any() else found


def exact_levels(graph: Graph, op: akida.Layer, numbers: LayerNumbers, potentials: str, first: bool) -> str:
    """float32 levels worked out in int64, for thresholds, steps and potentials of any size."""
    base = op.name

    def number(word: str, value: int | Array) -> str:
        return graph.constant(f"{base}.{word}", np.asarray(value, np.int64))

    def node(kind: str, *inputs: str, word: str) -> str:
        return graph.node(kind, list(inputs), f"{base}.{word}")

    whole = graph.cast(potentials, np.int64, f"{base}.whole")
    offset = along(2**31 - numbers.threshold, first)
    moved = node("Add", whole, number("offset", offset), word="moved")
    wrapped = node("Mod", moved, number("range", 2**32), word="wrapped")
    difference = node("Sub", wrapped, number("middle", 2**31), word="difference")
    scaled = node("Mul", difference, number("levels_of_step", numbers.levels), word="scaled")
    before = node("Sub", scaled, number("one", 1), word="before")
    kept = node("Mod", before, number("kept", 2**LEVEL_BITS), word="modulo")
    quotient = node("Div", kept, number("steps", along(numbers.steps, first)), word="quotient")
    counted = node("Add", quotient, number("first", 1), word="counted")
    capped = node("Min", counted, number("top", numbers.levels - 1), word="capped")
    above = node("Greater", difference, number("zero", 0), word="above")
    return graph.cast(node("Where", above, capped, number("none", 0), word="chosen"), np.float32, f"{base}.levels")
