# SPDX-License-Identifier: Apache-2.0
"""A spiking network whose time steps were written out becomes one step and a time axis again.

snn.Leaky of snnTorch with any of its resets is recognised, as torch.onnx.export writes it. Every neuron
must take the same layers at every step, and the network must end in a sum, a mean or the last value over
the steps. Anything else is left as it is, and refused under one name (akc.frontends.recognise_spiking).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen

from akc.frontends.graph import Array, Graph, Input, Node, Tensor
from akc.frontends.linear_forms import CONSTANT, Form, Forms, Term
from akc.frontends.spiking import NeuronSpec, add_neuron, build_spiking
from akc.ir.module import Module
from akc.ir.ops import snn


class NotFolded(Exception):
    """The network is no written-out network of leaky neurons."""


@frozen
class Neuron:
    """A population: its membranes in order of time, and one step of it."""

    membranes: tuple[str, ...]
    beta: Array
    threshold: Array
    reset: str


def fold_spiking(graph: Graph) -> Module | None:
    """The module of a written-out network of leaky neurons; None for every other network."""
    graph.drop_dead()
    forms = Forms(graph)
    if not forms.thresholds or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    try:
        folder = Folder(forms)
        return folder.module()
    except NotFolded:
        return None


def _need(condition: Any) -> None:
    if not condition:
        raise NotFolded


@define
class Folder:
    """Finds the neurons, checks that all steps are alike, and makes the graph of one step."""

    forms: Forms
    step: Graph = field(init=False)
    neurons: dict[str, tuple[Neuron, int]] = field(factory=dict)
    """Neuron and time of each membrane."""
    made: dict[str, tuple[str, str]] = field(factory=dict)
    """Spikes and membrane in the step's graph, by a neuron's first membrane."""
    steps: int = 0
    time_axis: int | None = None

    def __attrs_post_init__(self) -> None:
        whole = self.forms.graph
        self.step = Graph(
            whole.name, inputs=list(whole.inputs), constants=dict(whole.constants), types=dict(whole.types)
        )

    def module(self) -> Module:
        """The module; raises NotFolded."""
        chains = self.chains()
        for chain in chains:
            self.extend(chain)
        self.forms.known.clear()
        for chain in chains:
            neuron = self.neuron(chain)
            self.neurons.update({name: (neuron, t) for t, name in enumerate(chain)})
        lengths = {len(neuron.membranes) for neuron, _ in self.neurons.values()}
        _need(len(lengths) == 1)
        self.steps = lengths.pop()
        for neuron, _ in list(self.neurons.values()):
            currents = {self.canonical(self.current(name), t) for t, name in enumerate(neuron.membranes)}
            _need(len(currents) == 1)
        self.step.outputs = [self.read_out(self.forms.graph.outputs[0])]
        self.take_time_axis()
        return build_spiking(self.step, self.steps, "direct" if self.time_axis is None else "spikes")

    # -- neurons ----------------------------------------------------------------------------------

    def before(self, form: Form) -> str:
        """The membrane of the step before that a form goes on from; "" for a first step."""
        names = {t.name for t in form if t.kind == "kept" or (t.kind == "value" and t.name in self.forms.thresholds)}
        _need(len(names) <= 1)
        return names.pop() if names else ""

    def chains(self) -> list[list[str]]:
        """Membranes of each population in order of time; the last one may never be compared."""
        follows = {self.before(self.forms.definition(name)): name for name in self.forms.thresholds}
        starts = [name for name in self.forms.thresholds if not self.before(self.forms.definition(name))]
        chains = []
        for name in starts:
            chain = [name]
            while chain[-1] in follows:
                chain.append(follows[chain[-1]])
            chains.append(chain)
        _need(chains and sum(map(len, chains)) == len(self.forms.thresholds))
        return chains

    def extend(self, chain: list[str]) -> None:
        """Add the last membrane of a neuron whose last spike nobody reads, so that it is never compared."""
        for node in self.forms.graph.nodes:
            new = node.kind in ("add", "sub") and node.output not in self.forms.thresholds
            if new and self.goes_on(chain, node.output):
                self.forms.thresholds[node.output] = self.forms.thresholds[chain[-1]]
                chain.append(node.output)
                return

    def goes_on(self, chain: list[str], name: str) -> bool:
        """Whether a value is one more step of a chain."""
        try:
            _need(len(chain) > 1 and self.before(self.forms.definition(name)) == chain[-1])
            (beta, reset), (known, known_reset) = self.parameters(name), self.parameters(chain[-1])
            self.current(name)
        except NotFolded:
            return False
        return reset == known_reset and np.array_equal(beta, known)

    def neuron(self, chain: list[str]) -> Neuron:
        """The parameters, the same at every step."""
        _need(len(chain) > 1)
        found = [self.parameters(name) for name in chain[1:]]
        thresholds = [self.forms.thresholds[name] for name in chain]
        _need(all(np.array_equal(found[0][0], beta) and found[0][1] == reset for beta, reset in found))
        _need(all(np.array_equal(thresholds[0], other) for other in thresholds))
        return Neuron(tuple(chain), found[0][0], thresholds[0], found[0][1])

    def parameters(self, name: str) -> tuple[Array, str]:
        """Decay and reset of one step."""
        form = self.forms.definition(name)
        before = self.before(form)
        kept, spike = form.get(Term("kept", before)), form.get(Term("spike", before))
        if kept is not None:
            _need(Term("value", before) not in form and spike is None)
            return kept, "zero"
        if spike is not None:
            _need(np.array_equal(np.squeeze(-spike), np.squeeze(self.forms.thresholds[before])))
        decay = form.get(Term("value", before))
        _need(decay is not None)
        return np.asarray(decay), "none" if spike is None else "subtract"

    def current(self, name: str) -> str:
        """The value that flows into a membrane at its step."""
        form = self.forms.definition(name)
        before = self.before(form)
        rest = {t: n for t, n in form.items() if not before or t.name != before}
        _need(len(rest) == 1)
        ((term, factor),) = rest.items()
        _need(term.kind == "value" and np.all(factor == 1) and term.name != name)
        return term.name

    # -- are all steps alike? ---------------------------------------------------------------------

    def canonical(self, value: str, t: int) -> Any:
        """A value at step t, so that the same layers on the same neurons at another step are equal."""
        form = self.forms.of(value)
        if set(form) != {Term("value", value)} or value in self.neurons:
            return tuple(sorted((self.canonical_term(term, t), number.tobytes()) for term, number in form.items()))
        node = self.forms.producers.get(value)
        if node is None:
            return ("input", value)
        if self.is_time_step(node):
            self.time_axis = node["axis"]
            _need(node["index"] == t)
            return ("step of the input",)
        inputs = tuple(
            ("constant", self.step.constants[v].tobytes()) if v in self.step.constants else self.canonical(v, t)
            for v in node.inputs
        )
        weights = tuple((role, id(array)) for role, array in sorted(node.constants.items()))
        return (node.kind, inputs, weights, repr(sorted(node.attributes.items())))

    def canonical_term(self, term: Term, t: int) -> tuple[str, str]:
        if term == CONSTANT:
            return ("constant", "")
        _need(term.name in self.neurons and self.neurons[term.name][1] == t)
        return (term.kind, self.neurons[term.name][0].membranes[0])

    def is_time_step(self, node: Node) -> bool:
        """Whether a node takes one step of the network's input."""
        return node.kind == "select" and node.inputs[0] == self.step.inputs[0].name and node["axis"] > 0

    # -- the graph of one step --------------------------------------------------------------------

    def represent(self, value: str) -> str:
        """A value of the last step, in the graph of one step."""
        if value in self.step.constants:
            return value
        form = self.forms.of(value)
        ((term, factor),) = form.items() if len(form) == 1 else ((CONSTANT, np.array(0.0)),)
        _need(term != CONSTANT)
        if term.name in self.neurons:
            return self.scaled(self.neuron_output(term), factor, value)
        node = self.forms.producers.get(value)
        if node is None:
            return value
        if self.is_time_step(node):
            return self.step.inputs[0].name
        if all(value not in other.outputs for other in self.step.nodes):
            inputs = tuple(self.represent(v) for v in node.inputs)
            self.step.nodes.append(evolve(node, inputs=inputs))
        return value

    def neuron_output(self, term: Term) -> str:
        """Spikes or membrane of a neuron, which is added when it is first read."""
        neuron = self.neurons[term.name][0]
        key = neuron.membranes[0]
        if key not in self.made:
            x = self.represent(self.current(neuron.membranes[-1]))
            node = self.forms.producers[key]
            spec = NeuronSpec(
                kind=snn.Leaky,
                parameters={"beta": neuron.beta, "threshold": neuron.threshold},
                settings={"reset": neuron.reset},
            )
            self.made[key] = add_neuron(self.step, spec, x, node.name, node.source)
        return self.made[key][0 if term.kind == "spike" else 1]

    def scaled(self, value: str, factor: Array, like: str) -> str:
        """A value times a factor."""
        if np.all(factor == 1):
            return value
        node = Node(
            kind="affine",
            inputs=(value,),
            outputs=(f"{like}:scaled",),
            name="scale",
            constants={"scale": np.asarray(factor), "shift": np.array(0.0)},
        )
        return self.step.add(node, self.step.types[value])

    def read_out(self, value: str) -> str:
        """The network's result: spikes or membranes of all steps summed, the last one, and what follows."""
        form = self.forms.of(value)
        terms = [term for term in form if term.name in self.neurons]
        if terms:
            return self.read_neuron(value, form, terms)
        node = self.forms.producers.get(value)
        _need(node is not None and len(form) == 1)
        assert node is not None
        inputs = tuple(v if v in self.step.constants else self.read_out(v) for v in node.inputs)
        self.step.nodes.append(evolve(node, inputs=inputs))
        return value

    def read_neuron(self, value: str, form: Form, terms: list[Term]) -> str:
        neuron, kinds = self.neurons[terms[0].name][0], {term.kind for term in terms}
        factors = [np.asarray(number) for number in form.values()]
        every = {term.name for term in terms} == set(neuron.membranes)
        _need(len(kinds) == 1 and len(terms) == len(form) and all(np.array_equal(factors[0], f) for f in factors))
        _need(every or (len(terms) == 1 and terms[0].name == neuron.membranes[-1]))
        read, kind = self.neuron_output(terms[0]), self.step.types[self.neuron_output(terms[0])]
        mean = every and np.allclose(factors[0] * self.steps, 1, rtol=1e-6)
        how = "last" if not every else "mean" if mean else "sum"
        node = Node(
            kind="readout",
            inputs=(read,),
            outputs=(f"{value}:read",),
            attributes={"how": how},
            name=f"{how}_readout",
            source=self.forms.producers[value].source,
        )
        read = self.scaled(self.step.add(node, kind), np.array(1.0) if mean else factors[0], value)
        view = Node(kind="reshape", inputs=(read,), outputs=(value,), name=node.name, source=node.source)
        return self.step.add(view, self.forms.graph.types[value])

    def take_time_axis(self) -> None:
        """The input of one step has no time axis."""
        if self.time_axis is not None:
            name = self.step.inputs[0].name
            shape = self.step.types[name].shape
            self.step.types[name] = Tensor("float32", shape[: self.time_axis] + shape[self.time_axis + 1 :])
            self.step.inputs = [Input(name, 0)]
