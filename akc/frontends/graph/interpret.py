# SPDX-License-Identifier: Apache-2.0
"""Running a few nodes of the common form on numbers, to see whether a group computes what its name says.

Patterns look through factors, so x * sigmoid(2 x) looks like SiLU; only the numbers tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from akc.frontends.graph.graph import Array, Graph, Node
from akc.ir.functions import FUNCTIONS, JOINS, Function, Join

Rule = Callable[..., Any]


def _function(row: Function) -> Rule:
    usual = row.aten_alpha if isinstance(row.aten_alpha, float) else 1.0
    return lambda node, x: np.asarray(row.kernel(x, node.attributes.get("alpha", usual)), np.float64)


def _join(row: Join) -> Rule:
    return lambda node, x, y: row.kernel(x, y)


def _mean(node: Node, x: Array) -> Array:
    return np.asarray(x.mean(axis=tuple(node["axes"]), keepdims=node["keep"]))


def _clip(node: Node, x: Array) -> Array:
    low, high = node["low"], node["high"]
    return np.asarray(np.clip(x, -np.inf if low is None else low, np.inf if high is None else high))


def _instance_norm(node: Node, x: Array) -> Array:
    axes, shape = tuple(range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    plain = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + node["epsilon"])
    return np.asarray(plain * node.constants["scale"].reshape(shape) + node.constants["shift"].reshape(shape))


RULES: dict[str, Rule] = {
    **{row.name: _function(row) for row in FUNCTIONS.values()},
    **{row.name: _join(row) for row in JOINS.values()},
    "pow": lambda node, x, y: x**y,
    "neg": lambda node, x: -x,
    "sigmoid": lambda node, x: 1 / (1 + np.exp(-x)),
    "clip": _clip,
    "relu": lambda node, x: np.maximum(x, 0),
    "mean": _mean,
    "instance_norm": _instance_norm,
}
"""In double precision."""


def computed(graph: Graph, value: str, given: Mapping[str, Array]) -> Array | None:
    """The numbers of a value from those of others; None where it depends on anything else."""
    producers, known = graph.producers(), dict(given)

    def find(name: str) -> Array | None:
        if name not in known:
            if name in graph.constants:
                known[name] = np.asarray(graph.constants[name], np.float64)
            elif name in producers and producers[name].kind == "reshape":
                array = find(producers[name].inputs[0])
                if array is not None and array.size == graph.types[name].size:
                    known[name] = array.reshape(graph.shape(name))
            elif name in producers and producers[name].kind in RULES:
                operands = [find(each) for each in producers[name].inputs]
                if all(array is not None for array in operands):
                    known[name] = RULES[producers[name].kind](producers[name], *operands)
        return known.get(name)

    with np.errstate(all="ignore"):
        return find(value)
