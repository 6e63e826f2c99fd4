# SPDX-License-Identifier: Apache-2.0
"""Folds a traced time loop into one step: equal nodes become one, time operations become read-outs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import define, field, frozen

from akc.base.diagnostics import Diagnostic, DiagnosticError, error
from akc.frontends.graph.graph import Graph, Node, Tensor
from akc.frontends.spiking.reader import NeuronSpec
from akc.frontends.spiking.refusals import REFUSALS
from akc.frontends.torch.graph import handle
from akc.frontends.torch.reader import TorchReader, is_part, states_of


@frozen
class Series:
    """Values of one folded node over time: stacked, or added up one after the other."""

    value: str
    count: int
    dim: int = 0


REDUCTIONS = {"sum": "sum", "mean": "mean", "amax": "max", "max": "max"}


@define
class Folder:
    """One pass over the traced nodes: equal nodes become one, time operations become read-outs."""

    program: Any
    name: str
    specs: list[NeuronSpec]
    neurons: list[tuple[str, Any, Any]]
    """Path, module and row of each neuron, by index."""
    batch_axis: int
    r: TorchReader = field(init=False)
    seen: dict[Any, str] = field(factory=dict)
    series: dict[str, Series] = field(factory=dict)
    copies: dict[int, list[str]] = field(factory=dict)
    """Names of the folded nodes of each neuron; more than one means that the steps differ."""
    counts: dict[int, int] = field(factory=dict)
    """How often each neuron was traced."""
    times: set[int] = field(factory=set)
    source: Any = None
    """The placeholder of the network's input."""
    readouts: set[str] = field(factory=set)
    outputs: list[str] = field(factory=list)

    def run(self) -> None:
        """Read all nodes."""
        self.r = TorchReader(self.program, Graph(self.name), self.batch_axis)
        states = states_of(self.program)
        for node in self.program.graph_module.graph.nodes:
            if node.op == "placeholder":
                self.placeholder(node, states)
            elif node.op == "get_attr":
                self.r.store(node.name, getattr(self.program.graph_module, node.target))
            elif node.op == "call_function":
                self.call(node)
            elif node.op == "output":
                self.outputs = [self.result(v) for v in _leaves(node.args[0])]
        if self.r.faults:
            raise DiagnosticError(self.r.faults)
        self.check_copies()

    def result(self, node: Any) -> str:
        """Name of a result of the network; a sum that grew over all steps is a read-out."""
        name = self.r.name(node)
        if name in self.series and self.series[name].dim == GROWN:
            self.readout(node, self.series.pop(name).value, "sum")
        return name

    def placeholder(self, node: Any, states: Mapping[str, tuple[str, Any]]) -> None:
        if node.name in states:
            self.r.owners[node.name] = states[node.name][0]
            self.r.store(node.name, states[node.name][1])
        elif self.source is None:
            self.source = node
            value = node.meta["val"]
            self.r.graph.types[node.name] = Tensor("float32", tuple(value.shape))

    def call(self, node: Any) -> None:
        if self.r.folded(node):
            return
        if is_part(node):
            self.part(node)
            return
        handler = SPECIAL.get(_short_target(node))
        if handler is not None and handler(self, node):
            return
        self.general(node)

    def general(self, node: Any) -> None:
        """An ordinary operator: the one that was seen before with the same operands, or a new one."""
        key = self.key(node)
        if key in self.seen:
            self.r.aliases[node.name] = self.seen[key]
            return
        self.seen[key] = node.name
        late = [a for a in node.all_input_nodes if self.r.name(a) in self.series]
        if late:
            raise error(
                "AKC0383",
                f"{_short_target(node)} works on values of all steps at once (of '{node.name}')",
                origin=self.r.source(node),
                help="move it into the loop, or behind a sum or mean over time",
            )
        self.r.note_types(node)
        handle(self.r, node)

    def key(self, node: Any) -> Any:
        def canonical(argument: Any) -> Any:
            if hasattr(argument, "all_input_nodes"):
                name = self.r.name(argument)
                return ("constant", self.contents(name)) if name in self.r.tensors else ("value", name)
            if isinstance(argument, list | tuple):
                return tuple(canonical(a) for a in argument)
            return repr(argument)

        return (
            str(node.target),
            canonical(node.args),
            tuple((k, canonical(v)) for k, v in sorted(node.kwargs.items())),
        )

    def contents(self, name: str) -> Any:
        """What a constant holds: copies for each step are the same layer where they hold the same numbers."""
        array = self.r.graph.constants.get(name)
        return (array.shape, array.tobytes()) if array is not None else id(self.r.tensors[name])

    def part(self, node: Any) -> None:
        """operator.getitem of several results, of the input's steps, or of a maximum over time."""
        base, index = self.r.name(node.args[0]), node.args[1]
        if base.startswith(STEP):
            self.step_input(node, int(base.removeprefix(STEP)), index)
        elif base in self.readouts:
            self.r.aliases[node.name] = base
        else:
            self.r.aliases[node.name] = f"{base}:{index}"

    def step_input(self, node: Any, dim: int, t: int) -> None:
        """One step of the input."""
        shape = list(self.source.meta["val"].shape)
        steps = shape.pop(dim)
        self.times.add(t % steps)
        name = f"{self.source.name}:step"
        self.r.graph.types.setdefault(name, Tensor("float32", tuple(shape)))
        self.r.aliases[node.name] = name

    def neuron(self, node: Any) -> bool:
        x, index = self.r.name(node.args[0]), int(node.args[1])
        self.counts[index] = self.counts.get(index, 0) + 1
        key = ("neuron", x, index)
        if key in self.seen:
            self.r.aliases[node.name] = self.seen[key]
            return True
        self.seen[key] = node.name
        self.copies.setdefault(index, []).append(node.name)
        types = [Tensor("float32", tuple(value.shape)) for value in node.meta["val"]]
        outputs = (f"{node.name}:0", f"{node.name}:1")
        path = self.neurons[index][0] or self.name
        self.r.graph.add(
            Node(
                kind="neuron",
                inputs=(x,),
                outputs=outputs,
                attributes={"spec": self.specs[index]},
                name=path,
                source=(path,),
            ),
            *types,
        )
        return True

    def is_neuron_value(self, name: str) -> bool:
        """Whether a value comes straight out of a neuron."""
        return name.rpartition(":")[0] in {n for names in self.copies.values() for n in names}

    def readout(self, node: Any, value: str, how: str) -> bool:
        """A value over time becomes one without."""
        self.r.graph.add(
            Node(
                kind="readout",
                inputs=(value,),
                outputs=(node.name,),
                attributes={"how": how},
                name=f"{node.name}",
                source=self.r.source(node),
            ),
            self.r.graph.types[value],
        )
        self.readouts.add(node.name)
        return True

    # -- after the pass ---------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """How many steps the trace shows; 1 for a network that is one step."""
        return max([len(self.times), *self.counts.values()])

    def check_copies(self) -> None:
        """Every neuron must read the same at every step."""
        faults = []
        for index, names in self.copies.items():
            if len(names) > 1:
                path, module, _ = self.neurons[index]
                faults.append(self.difference(path, type(module).__name__, names))
        uneven = {self.neurons[i][0] for i, n in self.counts.items() if n != self.steps}
        if uneven and not faults:
            faults.append(
                Diagnostic(
                    code="AKC0383", message=f"{', '.join(sorted(uneven))} run at some steps only", origin=tuple(uneven)
                )
            )
        if faults:
            raise DiagnosticError(faults)

    def difference(self, path: str, kind: str, names: list[str]) -> Diagnostic:
        """Why a neuron reads something else at another step: its own past, or another layer."""
        producers = self.r.graph.producers()
        read = [producers[f"{n}:0"].inputs[0] for n in names]
        norms = [producers[x] for x in read if x in producers and producers[x].kind == "batch_norm"]
        if norms:
            owner = norms[0].source[0].rpartition(".")[0] if norms[0].source else ""
            return REFUSALS["per-step-norm"].diagnostic(owner or path, "one BatchNorm a step, as in BNTT")
        return Diagnostic(
            code="AKC0383",
            origin=(path,),
            message=f"'{path}' ({kind}) does not get the same layers at every step "
            f" ({len(names)} different inputs in {self.steps} steps)",
            help=(
                "spikes that go back into an earlier layer need snn.RLeaky and --host=allow",
                "layers with other weights at other steps (BNTT) cannot run: the chip has one program",
            ),
        )


STEP = "steps of the input along "
GROWN = -99
"""The time axis of a series that was added up in the loop: there is none."""


def _short_target(node: Any) -> str:
    parts = str(node.target).split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def _leaves(results: Any) -> list[Any]:
    if isinstance(results, list | tuple):
        return [leaf for part in results for leaf in _leaves(part)]
    return [results] if hasattr(results, "name") else []


def _select(f: Folder, node: Any) -> bool:
    x, dim, t = node.args
    if x is f.source and len(x.meta["val"].shape) > 2 and f.batch_axis == 0:
        f.step_input(node, dim, t)
        return True
    series = f.series.get(f.r.name(x))
    if series is not None and dim == series.dim and t in (-1, series.count - 1):
        return f.readout(node, series.value, "last")
    return False


def _unbind(f: Folder, node: Any) -> bool:
    dim = node.args[1] if len(node.args) > 1 else 0
    if node.args[0] is not f.source:
        return False
    f.r.aliases[node.name] = f"{STEP}{dim}"
    return True


def _stack(f: Folder, node: Any) -> bool:
    values = {f.r.name(v) for v in node.args[0]}
    if len(values) != 1:
        return False
    dim = node.args[1] if len(node.args) > 1 else 0
    f.series[node.name] = Series(values.pop(), len(node.args[0]), dim)
    return True


def _reduce(f: Folder, node: Any) -> bool:
    """sum, mean or max over the time axis of a series, or of values of layers that take all steps at once."""
    x = f.r.name(node.args[0])
    dims = node.args[1] if len(node.args) > 1 else None
    dims = tuple(dims) if isinstance(dims, list | tuple) else (dims,)
    how = REDUCTIONS[_short_target(node)]
    series = f.series.get(x)
    if series is not None and dims == (series.dim,):
        return f.readout(node, series.value, how)
    if series is None and f.batch_axis == 1 and dims == (0,) and f.is_neuron_value(x):
        return f.readout(node, x, how)
    return False


def _add(f: Folder, node: Any) -> bool:
    """Sums that grow by the same value at each step."""
    x, y = node.args[:2]
    if not (hasattr(x, "name") and hasattr(y, "name")):
        return False
    left, right = f.r.name(x), f.r.name(y)
    grown = f.series.get(left, Series(left, 1, GROWN)) if left not in f.r.tensors else None
    if grown is None and f.is_neuron_value(right) and not np.any(f.r.graph.constants[left]):
        f.series[node.name] = Series(right, 1, GROWN)
        return True
    if grown is not None and grown.value == right and f.is_neuron_value(right):
        f.series[node.name] = Series(right, grown.count + 1, GROWN)
        return True
    return False


def _cat(f: Folder, node: Any) -> bool:
    """Sums over equal windows of the loop, side by side."""
    parts = [f.series[name] for v in node.args[0] if (name := f.r.name(v)) in f.series]
    dim = node.args[1] if len(node.args) > 1 else 0
    alike = all(p.dim == GROWN and p.value == parts[0].value for p in parts)
    if len(parts) != len(node.args[0]) or not alike or dim not in (1, -1):
        return False
    counts = [p.count for p in parts]
    total = sum(counts)
    ends = [k * total // len(counts) for k in range(len(counts) + 1)]
    if counts != [b - a for a, b in pairwise(ends)] or len(f.r.graph.types[parts[0].value].shape) != 2:
        return False
    value = parts[0].value
    shape = f.r.graph.types[value].shape
    f.r.graph.add(
        Node(
            kind="windows",
            inputs=(value,),
            outputs=(node.name,),
            attributes={"count": len(counts)},
            name=node.name,
            source=f.r.source(node),
        ),
        Tensor("float32", (shape[0], shape[1] * len(counts))),
    )
    f.readouts.add(node.name)
    return True


def _neuron(f: Folder, node: Any) -> bool:
    return f.neuron(node)


SPECIAL: dict[str, Callable[[Folder, Any], bool]] = {
    "neuron": _neuron,
    "select": _select,
    "unbind": _unbind,
    "stack": _stack,
    "add": _add,
    "cat": _cat,
    **dict.fromkeys(REDUCTIONS, _reduce),
}
