# SPDX-License-Identifier: Apache-2.0
"""From a torch.export graph to the common form: constants computed, one handler an aten operator."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field

from akc.diagnostics import Diagnostic, DiagnosticError
from akc.frontends.graph import Array, Graph, Input, Node, Tensor


@define
class TorchReader:
    """State of reading one exported program; handlers (akc.frontends.torch_table) see it as `r`."""

    program: Any
    graph: Graph
    batch_axis: int
    tensors: dict[str, Any] = field(factory=dict)
    """Constants by name: parameters, buffers and what is computed from them alone."""
    owners: dict[str, str] = field(factory=dict)
    aliases: dict[str, str] = field(factory=dict)
    parts: dict[str, tuple[str, ...]] = field(factory=dict)
    """The results of nodes that give several."""
    faults: list[Diagnostic] = field(factory=list)
    _arrays: dict[str, Array] = field(factory=dict)

    def name(self, argument: Any) -> str:
        """Name of the value that an argument (a graph node) stands for; "" for None."""
        name = "" if argument is None else str(argument.name)
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def shape(self, argument: Any) -> tuple[int, ...]:
        """Shape of an argument."""
        return self.graph.shape(self.name(argument))

    def array(self, argument: Any) -> Array | None:
        """The numbers of a constant argument; None if it is computed, or absent."""
        return self.graph.constants.get(self.name(argument)) if hasattr(argument, "name") else None

    def operand(self, argument: Any, node: Any) -> str:
        """Name of an argument that may also be a plain number."""
        if hasattr(argument, "name"):
            return self.name(argument)
        name = f"{node.name}:{len(self.graph.constants)}"
        self.graph.constants[name] = np.asarray(argument, np.float32 if isinstance(argument, float) else None)
        return name

    # -- names ------------------------------------------------------------------------------------

    def module_path(self, node: Any) -> str:
        """Path of the innermost module that made a node."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        return stack[-1][0].split("@")[0] if stack else ""

    def wanted(self, node: Any) -> str:
        """The name for a node's result: its module, else its own; inside a module of the user's both."""
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = self.module_path(node)
        if not path:
            return str(node.name)
        kind = stack[-1][1]
        ours = (kind if isinstance(kind, str) else f"{kind.__module__}.").startswith("torch.nn.")
        return path if ours else f"{path}.{node.name}"

    def source(self, node: Any) -> tuple[str, ...]:
        """What the user calls a node: its module, else the name in the traced graph."""
        return (self.module_path(node) or str(node.name),)

    # -- building ---------------------------------------------------------------------------------

    def emit(
        self,
        node: Any,
        kind: str,
        inputs: Sequence[str],
        constants: Mapping[str, Array | None] | None = None,
        outputs: Sequence[str] | None = None,
        **attributes: Any,
    ) -> None:
        """Add a graph node that makes the torch node's results."""
        self.graph.nodes.append(
            Node(
                kind=kind,
                inputs=tuple(inputs),
                outputs=tuple(outputs or self.parts.get(node.name, (node.name,))),
                attributes=attributes,
                constants={k: v for k, v in (constants or {}).items() if v is not None},
                name=self.wanted(node),
                source=self.source(node),
            )
        )

    def made(self, name: str, like: Any, shape: tuple[int, ...]) -> str:
        """Note the type of a value that a handler makes in between."""
        self.graph.types[name] = Tensor(_dtype(like.meta["val"]) if hasattr(like, "meta") else "float32", shape)
        return name

    def opaque(self, node: Any, what: str) -> None:
        """The node has no operation in the language."""
        self.emit(node, "opaque", [self.name(a) for a in node.all_input_nodes], op=what)


def _dtype(value: Any) -> str:
    value = value[0] if isinstance(value, list | tuple) else value
    return str(value.dtype).removeprefix("torch.")


def read_graph(program: Any, name: str, batch_axis: int) -> Graph:
    """The common form of an exported program; raises DiagnosticError with every fault found."""
    from akc.frontends.torch_table import handle

    reader = TorchReader(program, Graph(name), batch_axis)
    states = _states(program)
    for node in program.graph_module.graph.nodes:
        if node.op == "placeholder":
            _placeholder(reader, node, states)
        elif node.op == "get_attr":
            _constant(reader, node.name, getattr(program.graph_module, node.target))
        elif node.op == "call_function" and not _folded(reader, node):
            _note_types(reader, node)
            handle(reader, node)
        elif node.op == "output":
            _outputs(reader, node)
    if reader.faults:
        raise DiagnosticError(reader.faults)
    return reader.graph


def _states(program: Any) -> dict[str, tuple[str, Any]]:
    """Parameters, buffers and other constants: (name in the module, tensor) by name in the graph."""
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    states = {
        key: (target, program.state_dict[target]) for key, target in named.items() if target in program.state_dict
    }
    rest = {
        key: target
        for key, target in {**named, **signature.inputs_to_lifted_tensor_constants}.items()
        if key not in states
    }
    return states | {key: (target, program.constants[target]) for key, target in rest.items()}


def _placeholder(r: TorchReader, node: Any, states: Mapping[str, tuple[str, Any]]) -> None:
    if node.name in states:
        r.owners[node.name] = states[node.name][0]
        _constant(r, node.name, states[node.name][1])
    elif node.users:
        value = node.meta["val"]
        r.graph.inputs.append(Input(node.name, r.batch_axis))
        r.graph.types[node.name] = Tensor(_dtype(value), tuple(value.shape))


def _constant(r: TorchReader, name: str, tensor: Any) -> None:
    if hasattr(tensor, "detach"):
        r.tensors[name] = tensor
        plain = tensor.detach().cpu()
        r.graph.constants[name] = (plain.float() if plain.is_floating_point() else plain).numpy()


def _folded(r: TorchReader, node: Any) -> bool:
    """Compute a node whose arguments are all known, such as zeros for a start state."""
    import torch

    if any(r.name(a) not in r.tensors for a in node.all_input_nodes) or "rand" in str(node.target):
        return False
    if not hasattr(node.meta.get("val"), "shape"):
        return False
    arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: r.tensors[r.name(n)])
    with torch.no_grad():
        _constant(r, node.name, node.target(*arguments, **keywords))
    return node.name in r.tensors


def _note_types(r: TorchReader, node: Any) -> None:
    value = node.meta.get("val")
    if isinstance(value, list | tuple):
        r.parts[node.name] = tuple(f"{node.name}:{i}" for i in range(len(value)))
        r.graph.types.update(
            (f"{node.name}:{i}", Tensor(_dtype(v), tuple(v.shape))) for i, v in enumerate(value) if v is not None
        )
    elif hasattr(value, "shape"):
        r.graph.types[node.name] = Tensor(_dtype(value), tuple(value.shape))


def part(r: TorchReader, node: Any) -> None:
    """operator.getitem: one of several results."""
    r.aliases[node.name] = f"{r.name(node.args[0])}:{node.args[1]}"


def is_part(node: Any) -> bool:
    """Whether a node only takes one of several results."""
    return node.target is operator.getitem


def _outputs(r: TorchReader, node: Any) -> None:
    for value in _flat(node.args[0]):
        name = r.name(value)
        if name not in r.graph.types:
            r.faults.append(Diagnostic(code="AKC0314", message=f"result {value} does not depend on the input"))
        elif name not in r.graph.outputs:
            r.graph.outputs.append(name)


def _flat(results: Any) -> list[Any]:
    if isinstance(results, list | tuple):
        return [leaf for part in results for leaf in _flat(part)]
    return [] if results is None else [results]
