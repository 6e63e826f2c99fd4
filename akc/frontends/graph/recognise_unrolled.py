# SPDX-License-Identifier: Apache-2.0
"""nn.RNN that an exporter wrote out step by step becomes one recurrent layer again.

torch.onnx.export(dynamo=True) keeps LSTM and GRU as operators, but not RNN: one dense layer over all
inputs, then for each step a dense layer over the state before, a sum and an activation, and a concat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import define, evolve, frozen

from akc.frontends.graph.graph import Array, Graph, Node, Tensor

ACTIVATIONS = frozenset({"tanh", "relu"})


@frozen
class Dense:
    """A dense layer, its bias inside or added behind it."""

    x: str
    weight: Array
    bias: Array | None


@frozen
class Step:
    """One step: its share of the input, and what is added to it.

    added: a dense layer over the state `before`, or, in the first step, a constant or nothing.
    """

    share: str
    added: Dense | Array | None
    before: str = ""


@define
class Finder:
    """Looks for the parts of a written-out layer."""

    graph: Graph
    producers: Mapping[str, Node]

    def behind_reshapes(self, value: str) -> str:
        """The value in front of reshapes."""
        while (node := self.producers.get(value)) is not None and node.kind == "reshape":
            value = node.inputs[0]
        return value

    def dense(self, value: str) -> Dense | None:
        """The dense layer that makes a value, perhaps with a constant added behind it."""
        node = self.producers.get(self.behind_reshapes(value))
        bias = None
        if node is not None and node.kind == "add":
            constants = [self.graph.constants[v] for v in node.inputs if v in self.graph.constants]
            computed = [v for v in node.inputs if v not in self.graph.constants]
            if len(constants) != 1:
                return None
            bias, node = constants[0].reshape(-1), self.producers.get(computed[0])
        if node is None or node.kind != "dense" or (bias is not None and "bias" in node.constants):
            return None
        return Dense(node.inputs[0], node.constants["weight"], node.constants.get("bias", bias))

    def summands(self, state: str) -> tuple[str, ...]:
        """What is summed up in front of the activation that makes a state; () for anything else."""
        node = self.producers.get(state)
        if node is None or node.kind not in ACTIVATIONS:
            return ()
        total = self.producers.get(node.inputs[0])
        return total.inputs if total is not None and total.kind == "add" else node.inputs

    def step(self, state: str) -> Step | None:
        """The step that makes a state: act(dense(state before) + share), or act(constant + share) for the first."""
        parts = self.summands(state)
        for one, share in (parts, parts[::-1]) if len(parts) == 2 else ():
            layer = self.dense(one)
            before = self.behind_reshapes(layer.x) if layer is not None else ""
            if before in self.producers and self.producers[before].kind in ACTIVATIONS:
                return Step(share, layer, before)
        shares = [value for value in parts if value not in self.graph.constants]
        constants = [self.graph.constants[value] for value in parts if value in self.graph.constants]
        return Step(shares[0], constants[0] if constants else None) if len(shares) == 1 else None

    def share(self, value: str, index: int) -> str | None:
        """The value whose time step `index` a share of the input is."""
        node = self.producers.get(self.behind_reshapes(value))
        if node is None or node.kind != "select" or node["axis"] != 0:
            return None
        steps = self.graph.shape(node.inputs[0])[0]
        return node.inputs[0] if node["index"] % steps == index else None


def recognise_unrolled(graph: Graph) -> None:
    """Replace each written-out RNN by one rnn node, in place."""
    finder = Finder(graph, graph.producers())
    chains = {node.output: _states_up_to(finder, node.output) for node in graph.nodes if node.kind in ACTIVATIONS}
    inner = {state for states in chains.values() for state in states[:-1]}
    for end, states in chains.items():
        found = _layer_of(finder, states) if end not in inner and len(states) > 1 else None
        if found is not None:
            _replace(graph, finder, states, *found)
    graph.drop_dead()


def _states_up_to(finder: Finder, state: str) -> list[str]:
    """The states of a written-out layer in order of time, the given one last."""
    states = [state]
    while (step := finder.step(states[0])) is not None and step.before:
        states.insert(0, step.before)
    return states


def _layer_of(finder: Finder, states: Sequence[str]) -> tuple[str, dict[str, Array]] | None:
    """Operand and weights of the layer whose states these are; None unless every step fits."""
    steps = [step for step in map(finder.step, states) if step is not None]
    shares = {finder.share(step.share, i) for i, step in enumerate(steps)}
    layer = finder.dense(shares.pop() or "") if len(steps) == len(states) and len(shares) == 1 else None
    loops = [step.added for step in steps if isinstance(step.added, Dense)]
    if layer is None or not all(_same(loops[0], other) for other in loops):
        return None
    bias = loops[0].bias
    first = steps[0].added
    start = np.zeros(1) if first is None else np.asarray(first).reshape(-1)
    if not np.allclose(start, 0 if bias is None else bias, rtol=1e-6, atol=1e-7):
        return None
    weights = {"w_ih": layer.weight, "w_hh": loops[0].weight, "b_ih": layer.bias, "b_hh": bias}
    return layer.x, {role: array for role, array in weights.items() if array is not None}


def _same(one: Dense, other: Dense) -> bool:
    left, right = (np.zeros(1) if b is None else b for b in (one.bias, other.bias))
    return np.array_equal(one.weight, other.weight) and np.array_equal(left, right)


def _replace(graph: Graph, finder: Finder, states: Sequence[str], x: str, weights: dict[str, Array]) -> None:
    """Put one rnn node where the last step stands, and views of its results where states are read."""
    last_step, hidden = finder.producers[states[-1]], weights["w_hh"].shape[0]
    every, last = f"{states[-1]}:steps", f"{states[-1]}:last"
    graph.types[every] = Tensor("float32", (len(states), 1, hidden))
    graph.types[last] = Tensor("float32", (1, hidden))
    stacks = [
        node
        for node in graph.nodes
        if node.kind == "concat" and [finder.behind_reshapes(value) for value in node.inputs] == list(states)
    ]
    views = {last_step.output: last, **{node.output: every for node in stacks}}
    layer = evolve(
        last_step,
        kind="rnn",
        inputs=(x,),
        outputs=(every, last),
        attributes={"nonlinearity": last_step.kind},
        constants=weights,
    )
    made = [evolve(last_step, kind="reshape", inputs=(value,), outputs=(output,)) for output, value in views.items()]
    at = next(i for i, node in enumerate(graph.nodes) if node is last_step)
    graph.nodes[at : at + 1] = [layer, *made]
    graph.nodes = [node for node in graph.nodes if all(node is not stack for stack in stacks)]
