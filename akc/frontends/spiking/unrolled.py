# SPDX-License-Identifier: Apache-2.0
"""A spiking network whose time steps were written out becomes one step and a time axis again.

The neurons of akc.frontends.spiking.unrolled_neurons are recognised, as torch.onnx.export writes them. Every neuron
must take the same layers at every step, and the network must end in a sum, a mean or the last value over the steps, or
give the values of all steps, where the user says how they are read. Anything else is left as it is, and refused
under one name (akc.frontends.graph.recognise_spiking).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, evolve, field, frozen

from akc.frontends.graph.graph import Array, Graph, Input, Node, Tensor
from akc.frontends.spiking.linear_forms import CONSTANT, Form, Forms, Term
from akc.frontends.spiking.reader import NeuronSpec, add_neuron, ask_for_readout, build_spiking
from akc.frontends.spiking.unrolled_neurons import NotFolded, inflow_of, need, neuron_of, same, same_form, step_of
from akc.ir.module import Module
from akc.ir.ops import snn


@frozen
class Neuron:
    """A population: its membranes in order of time, what flows into each, the neuron that it is.

    after: the membranes after a reset that acts at once, where such a reset is compared again.
    """

    membranes: tuple[str, ...]
    currents: tuple[str, ...]
    spec: NeuronSpec
    after: tuple[str, ...] = ()


def fold_spiking(graph: Graph, readout: str | None = None) -> Module | None:
    """The module of a written-out network of neurons; None for every other network.

    readout: as for akc.frontends.spiking.reader.build_spiking, for networks that give the values of all steps; raises
    DiagnosticError AKC0379 where such a network needs one.
    """
    graph.drop_dead()
    forms = Forms(graph)
    if not forms.thresholds or len(graph.inputs) != 1:
        return None
    try:
        return Folder(forms, readout).module()
    except NotFolded:
        return None


AT_ONCE = (snn.Lif, snn.LifBox)
"""Neurons whose membrane, as these steps have it, is that before the reset, which the language does not give."""


@define
class Folder:
    """Finds the neurons, checks that all steps are alike, and makes the graph of one step."""

    forms: Forms
    readout: str | None = None
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
        after = self.resets_at_once()
        chains = self.chains(after)
        for chain in chains:
            self.extend(chain, after)
        self.forms.known.clear()
        for chain in chains:
            neuron = self.neuron(chain, after)
            self.neurons.update({name: (neuron, t) for t, name in enumerate(chain)})
            self.neurons.update({name: (neuron, t) for t, name in enumerate(neuron.after)})
        lengths = {len(neuron.membranes) for neuron, _ in self.neurons.values()}
        need(len(lengths) == 1)
        self.steps = lengths.pop()
        for neuron, _ in list(self.neurons.values()):
            need(len({self.canonical(current, t, True) for t, current in enumerate(neuron.currents)}) == 1)
        readout = self.read_outputs()
        self.take_time_axis()
        return build_spiking(self.step, self.steps, "direct" if self.time_axis is None else "spikes", readout)

    # -- neurons ----------------------------------------------------------------------------------

    def resets_at_once(self) -> dict[str, str]:
        """Membranes behind a reset that acts in the step that fired, by the membranes in front of it."""
        found: dict[str, str] = {}
        for name in self.forms.thresholds:
            form = self.forms.definition(name)
            ahead = [t.name for t in form if t.kind == "value" and t.name in self.forms.thresholds and not t.gate]
            fired = [t for t in form if (t.kind == "spike" or t.gate) and (t.gate or t.name) in ahead]
            plain = all(t.kind == "spike" or t.name in ahead for t in form)
            if plain and len(ahead) == 1 and fired and same(form[Term("value", ahead[0])], 1):
                found[ahead[0]] = name
        return found

    def before(self, name: str) -> str:
        """The membrane of the step before that a value goes on from; "" for a first step."""
        form = self.forms.definition(name)
        names = {t.gate for t in form if t.gate}
        names |= {t.name for t in form if t.kind == "value" and t.name in self.forms.thresholds} - {name}
        if not names:
            names = {t.name for t in form if t.kind == "spike" and same(form[t], -self.forms.thresholds[t.name])}
        need(len(names) <= 1)
        return names.pop() if names else ""

    def chains(self, after: dict[str, str]) -> list[list[str]]:
        """Membranes of each population in order of time; the last one may never be compared."""
        compared = [name for name in self.forms.thresholds if name not in after.values()]
        follows = {self.before(name): name for name in compared}
        chains = []
        for name in compared:
            if not self.before(name):
                chain = [name]
                while (state := after.get(chain[-1], chain[-1])) in follows:
                    chain.append(follows[state])
                chains.append(chain)
        need(chains and sum(map(len, chains)) == len(compared))
        return chains

    def extend(self, chain: list[str], after: dict[str, str]) -> None:
        """Add the last membrane of a neuron whose last spike nobody reads, so that it is never compared."""
        for node in self.forms.graph.nodes:
            new = node.kind in ("add", "sub") and node.output not in self.forms.thresholds
            if new and not after and self.goes_on(chain, node.output):
                self.forms.thresholds[node.output] = self.forms.thresholds[chain[-1]]
                chain.append(node.output)
                return

    def goes_on(self, chain: list[str], name: str) -> bool:
        """Whether a value is one more step of a chain."""
        try:
            form = self.forms.definition(name)
            need(len(chain) > 1 and self.before(name) == chain[-1])
            new, known = step_of(form, chain[-1]), step_of(self.forms.definition(chain[-1]), chain[-2])
            need(new.rest and not (set(new.rest) & {t for t in new.rest if t.kind == "spike"}))
        except NotFolded:
            return False
        return same(new.decay, known.decay) and same(new.taken, known.taken) and same(new.added, known.added)

    def neuron(self, chain: list[str], after: dict[str, str]) -> Neuron:
        """The neuron of a chain, the same at every step."""
        need(len(chain) > 1)
        states = [after.get(name, name) for name in chain]
        steps = [step_of(self.forms.definition(n), before) for n, before in zip(chain, ["", *states])]
        threshold = self.forms.thresholds[chain[0]]
        need(all(same(threshold, self.forms.thresholds[name]) for name in (*chain, *states)))
        inflow = inflow_of([step.rest for step in steps], steps[1].decay)
        kinds = {repr(neuron_of(step, inflow, threshold, bool(after)).kind) for step in steps[1:]}
        first = steps[1]
        alike = all(
            same(first.decay, s.decay) and same(first.taken, s.taken) and same(first.added, s.added) for s in steps[1:]
        )
        need(len(kinds) == 1 and alike and all(term.kind == "value" for term in inflow.currents))
        states_after = self.checked_after(chain, after, threshold) if after else ()
        spec = neuron_of(first, inflow, threshold, bool(after))
        return Neuron(tuple(chain), tuple(term.name for term in inflow.currents), spec, states_after)

    def checked_after(self, chain: list[str], after: dict[str, str], threshold: Array) -> tuple[str, ...]:
        """The membranes after resets that act at once; the last one may be missing where nobody reads it."""
        states = [after[name] for name in chain if name in after]
        need(len(states) >= len(chain) - 1 and all(name in after for name in chain[:-1]))
        for t, (name, state) in enumerate(zip(chain, states)):
            form, before = self.forms.definition(state), states[t - 1] if t else ""
            amount = {term: number for term, number in form.items() if term != Term("value", name)}
            subtract: Form = {Term("spike", name): -threshold}
            zero: Form = {Term("value", name, name): np.array(-1.0)}
            if before:
                subtract[Term("spike", before)] = threshold
                zero[Term("value", name, before)] = np.array(1.0)
            need(same_form(amount, subtract) or same_form(amount, zero))
        return tuple(states)

    # -- are all steps alike? ---------------------------------------------------------------------

    def canonical(self, value: str, t: int, current: bool = False) -> Any:
        """A value at step t, so that the same layers on the same neurons at another step are equal.

        current: look at what makes it, even where it is compared itself, as the first membrane of some neurons.
        """
        form = self.forms.of(value)
        if set(form) != {Term("value", value)} or (value in self.neurons and not current):
            return tuple(sorted((self.canonical_term(term, t), number.tobytes()) for term, number in form.items()))
        node = self.forms.producers.get(value)
        if node is None:
            return ("input", value)
        if self.is_time_step(node):
            self.time_axis = node["axis"]
            need(node["index"] == t)
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
        need(term.name in self.neurons and self.neurons[term.name][1] == t and not term.gate)
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
        need(term != CONSTANT and not term.gate)
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
        need((not term.gate and (term.kind == "spike") == (term.name in neuron.membranes)) or not neuron.after)
        need(term.kind == "spike" or neuron.spec.kind not in AT_ONCE)
        key = neuron.membranes[0]
        if key not in self.made:
            x = self.represent(neuron.currents[-1])
            node = self.forms.producers[key]
            self.made[key] = add_neuron(self.step, neuron.spec, x, node.name, node.source)
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

    def read_outputs(self) -> str | None:
        """Set the output of one step; the read-out that is still to be applied, None where the graph holds it."""
        outputs = self.forms.graph.outputs
        series = [found for value in outputs if (found := self.series(value)) is not None]
        if not series:
            need(len(outputs) == 1)
            self.step.outputs = [self.read_out(outputs[0])]
            return None
        need(len(series) == len(outputs))
        if self.readout is None:
            raise ask_for_readout(self.step.name)
        wanted = "value" if self.readout in ("membrane", "max", "last") else "spike"
        chosen = [term for term in series if term.kind == wanted] or (series if self.readout == "none" else [])
        need(chosen)
        self.step.outputs = [self.neuron_output(chosen[-1])]
        return self.readout

    def series(self, value: str) -> Term | None:
        """The last spike or membrane of a neuron whose values of all steps stand side by side in a value."""
        node = self.forms.producers.get(value)
        while node is not None and node.kind in ("reshape", "transpose"):
            node = self.forms.producers.get(node.inputs[0])
        if node is None or node.kind != "concat":
            return None
        forms = [self.forms.of(v) for v in node.inputs]
        terms = [next(iter(form)) for form in forms if len(form) == 1 and same(next(iter(form.values())), 1)]
        if len(terms) != len(forms) or any(term.name not in self.neurons for term in terms):
            return None
        owner = self.neurons[terms[0].name][0]
        own = [self.neurons[term.name] == (owner, t) and term.kind == terms[0].kind for t, term in enumerate(terms)]
        return terms[-1] if all(own) and len(own) == self.steps else None

    def read_out(self, value: str) -> str:
        """The network's result: spikes or membranes of all steps summed, the last one, and what follows."""
        form = self.forms.of(value)
        terms = [term for term in form if term.name in self.neurons]
        if terms:
            return self.read_neuron(value, form, terms)
        node = self.forms.producers.get(value)
        need(node is not None and len(form) == 1)
        assert node is not None
        inputs = tuple(v if v in self.step.constants else self.read_out(v) for v in node.inputs)
        self.step.nodes.append(evolve(node, inputs=inputs))
        return value

    def read_neuron(self, value: str, form: Form, terms: list[Term]) -> str:
        neuron, kinds = self.neurons[terms[0].name][0], {term.kind for term in terms}
        factors = [np.asarray(number) for number in form.values()]
        states = neuron.after if "value" in kinds and neuron.after else neuron.membranes
        every = {term.name for term in terms} == set(states)
        need(len(kinds) == 1 and len(terms) == len(form) and all(np.array_equal(factors[0], f) for f in factors))
        need(every or (len(terms) == 1 and terms[0].name == states[-1] and len(states) == self.steps))
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
