# SPDX-License-Identifier: Apache-2.0
"""Values of a spiking network as sums: which membranes, spikes and layer results they add up, with which factors.

A neuron that was written out as Mul, Sub, Add, Greater and Cast is recognised by what it computes, not by
how an exporter spelled it: its membrane is `beta * membrane before - threshold * spike before + current`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen

from akc.frontends.graph.graph import Array, Graph, Node


@frozen
class Term:
    """What a factor stands in front of.

    kind: "value" (membranes too), "spike" of a membrane, or "constant"; name: of the value or membrane; gate: the
    membrane whose spike it is multiplied by, "" for none.
    """

    kind: str
    name: str = ""
    gate: str = ""


CONSTANT = Term("constant")
Form = dict[Term, Array]


@define
class Forms:
    """The forms of a graph's values; `thresholds` holds the membranes that are compared with a threshold."""

    graph: Graph
    producers: Mapping[str, Node] = field(init=False)
    thresholds: dict[str, Array] = field(factory=dict)
    known: dict[str, Form] = field(factory=dict)
    spikes: dict[str, str] = field(factory=dict)
    """Membrane of each value that is a spike."""

    def __attrs_post_init__(self) -> None:
        self.producers = self.graph.producers()
        for node in self.graph.nodes:
            if node.kind == "cast":
                self._note_spike(node)

    def _note_spike(self, node: Node) -> None:
        """cast(membrane - threshold > 0), or cast(membrane > threshold)."""
        compared = self.producers.get(node.inputs[0])
        limit = (
            self.graph.constants.get(compared.inputs[1])
            if compared is not None and compared.kind == "greater"
            else None
        )
        if compared is None or limit is None:
            return
        membrane, made = compared.inputs[0], self.producers.get(compared.inputs[0])
        if made is not None and made.kind == "sub" and made.inputs[1] in self.graph.constants:
            membrane, limit = made.inputs[0], limit + self.graph.constants[made.inputs[1]]
        self.thresholds[membrane] = limit
        self.spikes[node.output] = membrane

    def of(self, value: str) -> Form:
        """The form of a value, where a membrane counts as a value of its own."""
        if value in self.spikes:
            return {Term("spike", self.spikes[value]): np.array(1.0)}
        if value in self.thresholds:
            return {Term("value", value): np.array(1.0)}
        return self.definition(value)

    def definition(self, value: str) -> Form:
        """The form of a value as it is computed; of a membrane, one step."""
        if value not in self.known:
            self.known[value] = self._computed(value)
        return self.known[value]

    def _computed(self, value: str) -> Form:
        if value in self.graph.constants:
            return {CONSTANT: self.graph.constants[value].astype(np.float64)}
        node = self.producers.get(value)
        rule = RULES.get(node.kind) if node is not None else None
        form = rule(self, node) if rule is not None and node is not None else None
        return {Term("value", value): np.array(1.0)} if form is None else form


def _sum(forms: list[Form], factors: list[float]) -> Form:
    total: Form = {}
    for form, factor in zip(forms, factors):
        for term, number in form.items():
            total[term] = total.get(term, np.array(0.0)) + number * factor
    return {term: number for term, number in total.items() if np.any(number)}


def _add(f: Forms, node: Node) -> Form:
    return _sum([f.of(v) for v in node.inputs], [1.0, 1.0])


def _sub(f: Forms, node: Node) -> Form:
    return _sum([f.of(v) for v in node.inputs], [1.0, -1.0])


def _mul(f: Forms, node: Node) -> Form | None:
    left, right = (f.of(v) for v in node.inputs)
    for one, other in ((left, right), (right, left)):
        if set(one) <= {CONSTANT}:
            factor = one.get(CONSTANT, np.array(0.0))
            return {term: number * factor for term, number in other.items() if np.any(number * factor)}
        gated = _gated(one, other)
        if gated is not None:
            return gated
    return None


def _div(f: Forms, node: Node) -> Form | None:
    divisor = f.graph.constants.get(node.inputs[1])
    if divisor is None or not np.all(divisor):
        return None
    return {term: number / divisor for term, number in f.of(node.inputs[0]).items()}


def _gated(gate: Form, other: Form) -> Form | None:
    """(number + factors * spikes) * other."""
    spikes = [term for term in gate if term.kind == "spike" and not term.gate]
    if not spikes or not set(gate) <= {CONSTANT, *spikes}:
        return None
    parts = [_scaled(other, gate.get(CONSTANT, np.array(0.0)))]
    for spike in spikes:
        behind = _behind(spike.name, other)
        if behind is None:
            return None
        parts.append(_scaled(behind, gate[spike]))
    return _sum(parts, [1.0] * len(parts))


def _behind(membrane: str, form: Form) -> Form | None:
    """A form times the spike of a membrane; None where it holds products with other spikes."""
    found: Form = {}
    for term, number in form.items():
        if term.gate not in ("", membrane) or (term.kind == "spike" and term.name != membrane):
            return None
        made = Term("spike", membrane) if term.kind in ("constant", "spike") else evolve(term, gate=membrane)
        found[made] = found.get(made, np.array(0.0)) + number
    return found


def _scaled(form: Form, factor: Array) -> Form:
    return {term: number * factor for term, number in form.items()}


def _reshape(f: Forms, node: Node) -> Form | None:
    """Axes of length 1 come and go."""
    before, after = f.graph.shape(node.inputs[0]), f.graph.shape(node.output)
    same = [n for n in before if n != 1] == [n for n in after if n != 1]
    form = f.of(node.inputs[0])
    return form if same and not any(number.size > 1 for number in form.values()) else None


def _stacked(f: Forms, node: Node) -> list[str] | None:
    """The values that a reduction adds up: those put side by side along an axis where each has length 1."""
    stack = f.producers.get(node.inputs[0])
    if stack is None or stack.kind != "concat":
        return None
    rank = len(f.graph.shape(stack.output))
    axes = node.attributes.get("axes", f.graph.constants.get(node.inputs[-1]))
    axis = stack["axis"] % rank
    if (
        axes is None
        or [int(a) % rank for a in axes] != [axis]
        or any(f.graph.shape(v)[axis] != 1 for v in stack.inputs)
    ):
        return None
    return list(stack.inputs)


def _reduce(f: Forms, node: Node) -> Form | None:
    values = _stacked(f, node)
    if values is None:
        return None
    factor = 1.0 / len(values) if node.kind == "mean" else 1.0
    return _sum([f.of(v) for v in values], [factor] * len(values))


RULES: dict[str, Callable[[Forms, Any], Form | None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "reshape": _reshape,
    "reduce_sum": _reduce,
    "mean": _reduce,
}
