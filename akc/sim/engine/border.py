# SPDX-License-Identifier: Apache-2.0
"""The border operations as ONNX nodes, in the order of operations of akc.sim.host."""

from __future__ import annotations

import numpy as np

from akc.ir.fields import WeightName
from akc.ir.ops import host
from akc.sim.engine.graph import Graph, text_form
from akc.sim.registry import Array

SINGLE, INT32 = np.dtype(np.float32), np.dtype(np.int32)


def _number_or_vector(graph: Graph, base: str, value: float | WeightName) -> str:
    array = graph.module.array(value) if isinstance(value, WeightName) else np.asarray(value)
    return graph.constant(base, array.astype(SINGLE))


def quantize(graph: Graph, op: host.Quantize) -> None:
    """Divide, round half to even, shift, cut."""
    base = op.name
    scale = _number_or_vector(graph, f"{base}.scale", op.scale)
    levels = graph.node("Div", [graph.get(op.x, text_form(SINGLE)), scale], f"{base}.scaled")
    levels = graph.node("Round", [levels], f"{base}.rounded")
    if op.zero_point:
        zero_point = graph.constant(f"{base}.zero_point", np.array(op.zero_point, SINGLE))
        levels = graph.node("Add", [levels, zero_point], f"{base}.shifted")
    ends = [graph.constant(f"{base}.{w}", np.array(n, SINGLE)) for w, n in (("low", 0), ("high", 2**op.bits - 1))]
    levels = graph.node("Clip", [levels, *ends], f"{base}.levels")
    if op.type.shape != graph.type_of(op.x).shape:
        levels = graph.reshape(levels, op.type.shape, f"{base}.shaped")
    graph.hold(base, text_form(SINGLE), levels)


def decode(graph: Graph, op: host.Decode) -> None:
    """(potential - threshold) in 32 bits, then one float32 division, and the factor, which rounds nothing."""
    base = op.name
    number = graph.get(op.x, text_form(INT32))
    if op.threshold is not None:
        threshold = graph.constant(f"{base}.threshold", graph.module.array(op.threshold).astype(INT32))
        number = graph.node("Sub", [number, threshold], f"{base}.difference")
    number = graph.cast(number, SINGLE, f"{base}.number")
    if op.act_step is not None:
        steps: Array = graph.module.array(op.act_step).astype(SINGLE)
        number = graph.node("Div", [number, graph.constant(f"{base}.act_step", steps)], f"{base}.decoded")
    if op.factor != 1:
        number = graph.node(
            "Mul", [number, graph.constant(f"{base}.factor", np.array(op.factor, SINGLE))], f"{base}.whole"
        )
    if op.type.shape != graph.type_of(op.x).shape:
        number = graph.reshape(number, op.type.shape, f"{base}.shaped")
    graph.hold(base, text_form(SINGLE), number)


def dequantize(graph: Graph, op: host.Dequantize) -> None:
    """(level - zero_point) * scale."""
    base = op.name
    number = graph.get(op.x, text_form(SINGLE))
    if op.zero_point:
        zero_point = graph.constant(f"{base}.zero_point", np.array(op.zero_point, SINGLE))
        number = graph.node("Sub", [number, zero_point], f"{base}.difference")
    scale = _number_or_vector(graph, f"{base}.scale", op.scale)
    number = graph.node("Mul", [number, scale], f"{base}.number")
    if op.type.shape != graph.type_of(op.x).shape:
        number = graph.reshape(number, op.type.shape, f"{base}.shaped")
    graph.hold(base, text_form(SINGLE), number)
